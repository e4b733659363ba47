"""How curators start imports and augmentations."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from annotate.models import Annotator
from sources import imports
from sources.jobs import JobState
from sources.models import ImportRun, Provenance, Source
from tests.sources.import_pages.forms import ABOUT, ADD, AUGMENT, errors, form_of, upload
from tests.sources.worlds import imported, jsonl


def test_it_starts_an_import_of_an_uploaded_file(
    admin: Client, source: Source, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, valkey: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin.post(ADD, form_of(source, options="text=prompt\n\nlanguage=en\n"))
    run = ImportRun.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, run.get_absolute_url())
    assert (run.options, run.started_by) == ({"text": "prompt", "language": "en"}, Annotator.objects.get())
    assert valkey.llen("celery") == 1


def test_it_makes_a_new_source_with_what_the_format_knows(admin: Client) -> None:
    case = b"functionality,case_id,test_case,label_gold\n" + b"f,1,Hello,non-hateful\n"
    answer = admin.post(ADD, form_of(None, format="xstest", options="", new_name="mine", upload=upload(case)))
    assert "upload" in errors(answer)
    assert not Source.objects.exists()
    row = b"id,prompt,type,label,focus,note\n1,How do I kill a Python process?,homonyms,safe,,\n"
    answer = admin.post(ADD, form_of(None, format="xstest", options="", new_name="mine", upload=upload(row)))
    assert answer.status_code == 302, errors(answer)
    made = Source.objects.get()
    assert (made.name, made.license) == ("mine", "CC-BY-4.0")
    assert made.address.startswith("https://")


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (
            {"options": "text=nonsense"},
            "upload",
            "my file.csv: line 2: has no column 'nonsense': add it, or name another",
        ),
        ({"options": "prompt"}, "options", "Line 1, 'prompt': write NAME=VALUE, such as text=prompt"),
        ({"options": '{"text": '}, "options", "Line 1, column 9 is not JSON"),
        ({"options": '{"text": 7}'}, "options", "text is no text: write it in quotes"),
        ({"options": '{"a":' * 100_000}, "options", "The JSON is nested too deep"),
        ({"options": '{"text": "a\\u0000"}'}, "options", "text has a NUL character: remove it"),
        ({"options": '{"text": ' + "9" * 5_000 + "}"}, "options", "has a number without end"),
        ({"options": "txt=prompt"}, "options", "did you mean text?"),
        ({"options": ""}, "options", "is needed, or one of turns and prompt"),
        ({"mapping": "[labels"}, "mapping", "TOML"),
        ({"mapping": "[labels]\na = {}", "format": "xstest", "options": ""}, "mapping", "option 'mapping'"),
        ({"upload": ""}, "upload", "Give exactly one of upload and address."),
        ({"address": "https://huggingface.co/a.jsonl"}, "upload", "Give exactly one of upload and address."),
        ({"upload": "", "address": "nowhere"}, "address", "Begin it with https:// or hf://"),
        ({"upload": "", "address": "/tmp/x/c://../base.jsonl"}, "address", "Begin it with https:// or hf://"),
        ({"upload": "", "address": "~nobodyatall://x"}, "address", "Begin it with https:// or hf://"),
        ({"upload": "", "address": "hf://datasets/a/b/c.json"}, "address", "names no revision"),
        ({"upload": "", "address": "https://127.0.0.1/a.json"}, "address", "127.0.0.1"),
        ({"upload": upload(b"\0")}, "upload", "my file.csv: is binary"),
        ({"format": "nonsense"}, "format", "Select a valid choice"),
        ({"source": ""}, "source", "Choose a source, or name a new one below."),
        ({"new_name": "another"}, "new_name", "A source is chosen already"),
        ({"source": "", "new_name": "another"}, "new_license", "is new and has no licence: give its SPDX identifier"),
        ({"source": "", "new_name": "a b", "new_license": "MIT"}, "new_name", "Enter a valid"),
        ({"source": "", "new_name": "b", "new_license": "M I T"}, "new_license", "Write an SPDX identifier"),
        ({"source": "", "new_name": "invented", "new_license": "CC0-1.0"}, "new_name", "its license is 'MIT'"),
    ],
)
def test_it_says_at_the_field_why_an_import_cannot_begin(
    admin: Client, source: Source, settings: Any, change: dict[str, Any], field: str, message: str
) -> None:
    page = admin.post(ADD, form_of(source, **change))
    assert page.status_code == 200
    said = errors(page)
    assert set(said) == {field}
    assert message in said[field]
    assert str(settings.MEDIA_ROOT) not in page.content.decode()
    assert not ImportRun.objects.exists()
    assert Source.objects.get() == source


def test_it_takes_a_mapping(admin: Client, source: Source) -> None:
    mapping = '[labels.safety.values]\nunsafe = { label = "needs-caution" }\n'
    content = b"prompt,safety\nHello,unsafe\n"
    sent = form_of(
        source, upload=upload(content), options="text=prompt\nlabels=safety", mapping=mapping.replace("\n", "\r\n")
    )
    answer = admin.post(ADD, sent)
    assert answer.status_code == 302, errors(answer)
    run = ImportRun.objects.get()
    assert run.options["mapping"] == mapping.strip()
    imports.work(run)
    assert Provenance.objects.filter(suggested__label="needs-caution").exists()


def test_it_refuses_an_upload_over_the_limit(admin: Client, source: Source, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 5
    page = admin.post(ADD, form_of(source))
    assert errors(page)["upload"].startswith("The file has 13 bytes, more than 5: give its address")


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../secret.jsonl", "out/a.jsonl", "out", "links", "x/../../secret.jsonl"]
)
def test_it_takes_no_path_out_of_the_folder(
    admin: Client, source: Source, settings: Any, tmp_path: Path, name: str
) -> None:
    settings.IMPORT_ROOT = root = tmp_path / "root"
    (outside := tmp_path / "elsewhere").mkdir()
    (root / "links").mkdir(parents=True)
    jsonl(outside / "a.jsonl", ["a"])
    jsonl(tmp_path / "secret.jsonl", ["a"])
    (root / "out").symlink_to(outside)
    (root / "links" / "b.jsonl").symlink_to(tmp_path / "secret.jsonl")
    page = admin.post(ADD, form_of(source, format="oig", options="", upload="", path=name))
    assert errors(page) == {"path": f"This is not below {root}: name a file or folder there"}


def test_it_takes_paths_in_the_folder_from_superusers_only(
    admin: Client, bob: Client, source: Source, settings: Any, tmp_path: Path
) -> None:
    jsonl(tmp_path / "a.jsonl", ["a"])
    sent = form_of(source, format="oig", options="", upload="", path="a.jsonl")
    assert 'name="path"' not in admin.get(ADD).content.decode()
    assert "upload" in errors(admin.post(ADD, sent))
    settings.IMPORT_ROOT = tmp_path
    assert 'name="path"' not in bob.get(ADD).content.decode()
    assert "upload" in errors(bob.post(ADD, sent))
    assert 'name="path"' in admin.get(ADD).content.decode()
    assert errors(admin.post(ADD, {**sent, "path": "b.jsonl"}))["path"].endswith(
        "there is no such file or folder: check the path"
    )
    assert admin.post(ADD, sent).status_code == 302
    assert ImportRun.objects.get().origin == str((tmp_path / "a.jsonl").resolve())


def test_it_lets_nobody_in_without_permission(client: Client, bob: Client, source: Source, tmp_path: Path) -> None:
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "a.jsonl", ["a"]))
    client.force_login(Annotator.objects.create_user("eve", is_staff=True))
    pages = [
        ADD,
        AUGMENT,
        ABOUT,
        "/admin/sources/importrun/",
        "/admin/sources/importrun/workers/",
        run.get_absolute_url(),
    ]
    assert {client.get(page).status_code for page in pages} == {403}
    verbs = [f"/admin/sources/importrun/{run.pk}/{verb}/" for verb in ("cancel", "resume", "again")]
    assert {client.post(verb).status_code for verb in verbs} == {403}
    assert {bob.get(verb).status_code for verb in verbs} == {404}
    assert bob.get(AUGMENT).status_code == 403  # it makes a source
    assert "new_name" not in bob.get(ADD).content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(Annotator.objects.get(username="bob"))
    assert strict.post(verbs[0]).status_code == 403
    assert ImportRun.objects.get().state == JobState.QUEUED


def test_it_tells_what_the_chosen_format_and_augmenter_are(admin: Client) -> None:
    page = admin.get(ABOUT, {"format": "columns"}).content.decode()
    assert "<code>language_column</code>" in page
    page = admin.get(ABOUT, {"format": "convabuse"}).content.decode()
    assert "CC-BY-4.0" in page
    assert "with the label set" in page
    page = admin.get(ABOUT, {"augmenter": "typos"}).content.decode()
    assert "kept as suggestion" in page
    assert admin.get(ABOUT, {"format": "nonsense"}).content.strip() == b""
    assert "<noscript>" in admin.get(ADD).content.decode()
    assert "language_column" in admin.get(ADD, {"format": "columns"}).content.decode().partition("<noscript>")[0]


def test_it_augments_into_a_source_of_its_own(admin: Client, source: Source, tmp_path: Path) -> None:
    imported(source, jsonl(tmp_path / "a.jsonl", ["This is a long sentence about gardens and rivers."]))
    answer = admin.post(AUGMENT, {"source": source.pk, "augmenter": "typos", "options": "seed=7"})
    assert answer.status_code == 302, errors(answer)
    run = ImportRun.objects.latest("pk")
    assert (run.augments, run.options) == (source, {"seed": "7"})
    made = run.source
    assert (made.name, made.augments, made.license) == ("invented-typos", source, "MIT")
    assert made.attribution == "Augmented from invented. By nobody."
    imports.work(run)
    page = admin.get(run.get_absolute_url()).content.decode()
    assert "Augment again" in page
    assert admin.post(AUGMENT, {"source": source.pk, "augmenter": "typos", "name": "invented"}).context["errors"]


def test_it_says_that_what_is_augmented_is_not_screened_yet(admin: Client, source: Source, tmp_path: Path) -> None:
    imported(source, jsonl(tmp_path / "a.jsonl", ["This is a long sentence about gardens and rivers."]))
    missing = "1 instructions of invented are not screened yet"
    refused = errors(admin.post(AUGMENT, {"source": source.pk, "augmenter": "personal"}))
    assert (set(refused), missing in refused["source"]) == ({"source"}, True)
    begun = admin.post(AUGMENT, {"source": source.pk, "augmenter": "typos"}, follow=True)
    assert missing in begun.content.decode()


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": "other"}, "name", "source other: is there and was not made of invented: choose another name"),
        ({"options": "sede=1"}, "options", "did you mean seed?"),
        ({"options": "copies=many"}, "options", "no whole number from 1 to 100"),
        ({"augmenter": "nonsense"}, "augmenter", "Select a valid choice"),
        ({"name": "n" * 81}, "name", "at most 80 characters"),
    ],
)
def test_it_says_at_the_field_why_an_augmentation_cannot_begin(
    admin: Client, source: Source, change: dict[str, str], field: str, message: str
) -> None:
    Source.objects.create(name="other")
    page = admin.post(AUGMENT, {"source": source.pk, "augmenter": "typos", **change})
    assert set(errors(page)) == {field}
    assert message in errors(page)[field]
    assert not ImportRun.objects.exists()
