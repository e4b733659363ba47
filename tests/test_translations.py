"""The catalogues in locale/ are complete, say the same as the English, and are compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polib  # type: ignore[import-untyped]
import pytest
from django.conf import settings
from django.utils import translation

from config import env
from tests import ROOT

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
SAME = tomllib.loads((ROOT / "tests/same_in_both.toml").read_text())
# What the pages are made of; the rest of the repository has no words for volunteers.
CODE = ("annotate", "config", "exports", "labels", "locale", "sources", "templates")
# The words of the command stand in the Makefile alone.
EXTRACT = re.findall(r"^EXTRACT := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd%]|\{\w*\}")
TAG = re.compile(r"</?\w+[^>]*>")
# Messages stand in attributes too, unescaped: a straight quotation mark would end one.
MARKUP = re.compile(r"[\"<>]")

type Catalogue = polib.POFile


def catalogue(language: str, root: Path = ROOT) -> Catalogue:
    return polib.pofile(root / f"locale/{language}/LC_MESSAGES/django.po")


def said(entry: polib.POEntry) -> list[str]:
    """The translations of an entry: one, or one for each plural form."""
    return [form for _, form in sorted(entry.msgstr_plural.items())] if entry.msgid_plural else [entry.msgstr]


def pairs(language: str) -> Iterator[tuple[str, str]]:
    """Each translation with the English that it stands for; of a plural its last form stands for the plural."""
    for entry in catalogue(language):
        forms = said(entry)
        for form in forms[:-1]:
            yield entry.msgid, form
        yield entry.msgid_plural or entry.msgid, forms[-1]


def ids(entries: Catalogue) -> set[tuple[str | None, str, str]]:
    return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in entries if not entry.obsolete}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository whose catalogues were just brought up to date, with nothing but the code to go by."""
    if shutil.which("xgettext") is None:
        (pytest.fail if env.flag("CI") else pytest.skip)("no GNU gettext: install your system's package `gettext`")
    copy = tmp_path_factory.mktemp("extracted")
    for name in CODE:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    code = "import sys; from django.core.management import execute_from_command_line as run; run(sys.argv)"
    command = [sys.executable, "-c", code, *EXTRACT]
    environment = {"PATH": env.text("PATH", default=""), "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    return copy


def test_each_language_has_a_catalogue_and_each_catalogue_a_language() -> None:
    assert sorted(path.name for path in (ROOT / "locale").iterdir()) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_has_the_words_of_the_pages_and_no_others(language: str, extracted: Path) -> None:
    fresh, kept = ids(catalogue(language, extracted)), ids(catalogue(language))
    assert fresh
    assert sorted(map(str, fresh - kept)) == [], "run `make translations`, then translate"
    assert sorted(map(str, kept - fresh)) == [], "run `make translations`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_empty_unsure_or_left_over(language: str) -> None:
    for entry in catalogue(language):
        assert not entry.fuzzy, f"look at it, then remove the flag: {entry.msgid!r}"
        assert not entry.obsolete, entry.msgid
        assert all(form.strip() for form in said(entry)), f"not translated: {entry.msgid!r}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_in_english(language: str) -> None:
    same = {english for entry in catalogue(language) for english in [entry.msgid] if english in said(entry)}
    allowed = set(SAME.get(language, {}))
    assert sorted(same - allowed) == [], "translate it, or say in tests/same_in_both.toml why it reads the same"
    assert sorted(allowed - same) == [], "no longer needed in tests/same_in_both.toml"


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_and_tags_are_those_of_the_english(language: str) -> None:
    for english, words in pairs(language):
        for pattern in (PLACEHOLDER, TAG, MARKUP):
            assert Counter(pattern.findall(words)) == Counter(pattern.findall(english)), words


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_plural_form_is_missing(language: str) -> None:
    entries = catalogue(language)
    forms = int(re.findall(r"nplurals=(\d+)", entries.metadata["Plural-Forms"])[0])
    assert forms == {"ar": 6, "de": 2, "es": 3, "fr": 3, "ja": 1}[language]
    for entry in entries:
        assert not entry.msgid_plural or sorted(entry.msgstr_plural) == list(range(forms)), entry.msgid


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    compiled = polib.mofile(ROOT / f"locale/{language}/LC_MESSAGES/django.mo")
    written = catalogue(language)
    assert {(*key, *said(entry)) for entry in compiled for key in ids([entry])} == {
        (*key, *said(entry)) for entry in written for key in ids([entry])
    }, "run `make translations`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_used(language: str) -> None:
    entry = next(entry for entry in catalogue(language) if entry.msgid == "Releases")
    with translation.override(language):
        assert translation.gettext("Releases") == entry.msgstr


@pytest.mark.parametrize(("language", "few", "millions"), [("es", "votos", "de votos"), ("fr", "votes", "de votes")])
def test_the_form_of_millions_is_used_for_millions_alone(language: str, few: str, millions: str) -> None:
    """It is the second of three, and easily taken for the last."""
    with translation.override(language):
        assert [translation.ngettext("vote", "votes", n) for n in (5, 2_000_000)] == [few, millions]
