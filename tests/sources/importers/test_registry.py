from pathlib import Path

import pytest

from labels import taxonomy
from sources import importers
from sources.importers.convabuse import CHOICES as OF_CONVABUSE
from sources.importers.hatecheck import CHOICES as OF_HATECHECK
from sources.importers.importer import Importer, WrongOption
from sources.importers.prosocial_dialog import VOTES
from tests import ROOT

MODULES = {"__init__", "importer", "transcripts", "records"}
KNOWN = [importer.name for importer in importers.known()]


def test_it_knows_its_formats_by_name() -> None:
    files = {
        path.stem.replace("_", "-") for path in (ROOT / "sources/importers").glob("*.*") if path.stem not in MODULES
    }
    assert set(KNOWN) == files
    assert len(KNOWN) == len(set(KNOWN))
    assert all(importers.get(known.name) is known for known in importers.known())


def test_it_lists_the_known_formats_and_the_closest_for_a_wrong_name() -> None:
    with pytest.raises(importers.UnknownFormat) as refusal:
        importers.get("prosocial")
    assert str(refusal.value) == (
        f"format 'prosocial' is not known: did you mean prosocial-dialog? Known are {', '.join(KNOWN)}"
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "columns",
            {"txt": "a"},
            r"option 'txt' of columns: is not known: did you mean text\? Known are text, turns",
        ),
        ("convabuse", {"text": "a"}, "option 'text' of convabuse: is not known: leave it out, there are none"),
        ("columns", {"text": " "}, "option 'text' of columns: has no value: write text=VALUE"),
        ("columns", {"text": 7}, "option 'text' of columns: has no value"),
    ],
)
def test_it_refuses_options_by_name(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(WrongOption, match=message):
        importers.get(name).check_options(options)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("convabuse", list(OF_CONVABUSE.values())),
        ("prosocial-dialog", list(VOTES.values())),
        ("hatecheck", list(OF_HATECHECK)),
    ],
)
def test_it_maps_votes_to_the_codes_of_the_shipped_label_set(name: str, codes: list[str]) -> None:
    shipped = {path.stem: taxonomy.read(path) for path in taxonomy.shipped()}
    label_set = importers.get(name).label_set
    assert label_set is not None
    assert [option.code for option in shipped[label_set].options] == codes


@pytest.mark.parametrize("importer", importers.known(), ids=lambda importer: importer.name)
def test_it_suggests_labels_and_tags_of_the_shipped_label_set(importer: Importer) -> None:
    spec = taxonomy.read(taxonomy.SHIPPED / "oig-safety.toml")
    severities, tags = range(-1, len(spec.published)), {tag.code for tag in spec.tags}
    reader = importer.reader({"text": "a"} if importer.name == "columns" else {})
    assert (reader.label_map is None) == (importer.name == "columns")
    for rule in reader.label_map.rules.values() if reader.label_map else ():
        assert set(rule.share) <= tags
        assert {tag for meaning in rule.values.values() for tag, _ in meaning.tags} <= tags
        assert all(meaning.severity in severities for meaning in rule.values.values())


def test_its_fingerprint_is_of_all_files_that_decide() -> None:
    first = importers.fingerprint()
    assert len(first) == 32
    importers.fingerprint.cache_clear()
    assert importers.fingerprint() == first


def test_its_fingerprint_changes_with_any_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "sources"
    (app / "importers").mkdir(parents=True)
    (app / "readers").mkdir()
    names = (
        "acceptance.py",
        "mapping.py",
        "rows.py",
        "texts.py",
        "readers/csv.py",
        "importers/a.toml",
        "importers/b.py",
    )
    for name in names:
        (app / name).write_text("1")
    monkeypatch.setattr(importers, "FOLDER", app / "importers")
    computed = importers.fingerprint.__wrapped__
    found = {computed()}
    for name in names:
        (app / name).write_text("2")
        found.add(computed())
    (app / "importers" / "c.py").write_text("")
    found.add(computed())
    assert len(found) == len(names) + 2
