import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from sources import ledger
from sources.errors import SourceError
from sources.models import Source

pytestmark = pytest.mark.django_db


def test_it_gives_a_new_source_unsaved() -> None:
    source = ledger.entry("convabuse", "1.0", license="CC-BY-4.0", title="", address="https://example.org/")
    assert (str(source), source.license) == ("convabuse@1.0", "CC-BY-4.0")
    assert not Source.objects.exists()


def test_it_gives_the_known_source_of_a_name_and_revision() -> None:
    known = Source.objects.create(name="convabuse", revision="1.0", license="CC-BY-4.0")
    Source.objects.create(name="convabuse", license="MIT")
    assert ledger.entry("convabuse", "1.0") == known
    assert ledger.entry("convabuse", "1.0", license="CC-BY-4.0") == known


@pytest.mark.parametrize(
    ("name", "facts", "message"),
    [
        (
            "known",
            {"license": "MIT"},
            "source known: its license is 'unknown', not 'MIT': leave that out, or change it",
        ),
        ("new", {}, "source new is new and has no licence: give its SPDX identifier, or unknown"),
        ("My Set!", {"license": "MIT"}, "source 'My Set!': name: Enter a valid .slug."),
        ("new", {"license": "MIT", "address": "nowhere"}, "source 'new': address: Enter a valid URL"),
        ("new", {"license": "CC BY 4.0"}, "source 'new': license: Write an SPDX identifier, such as CC-BY-4.0"),
        ("new", {"license": "CC-BY-40"}, "or unknown. The nearest is CC-BY-4.0."),
        ("new", {"license": "MIT AND Apache2"}, "The nearest is Apache-2.0."),
        ("new", {"license": "MIT\0"}, "source 'new': license: Write an SPDX identifier"),
        ("new", {"license": "qqqqqqqqq"}, "LicenseRef-Name where SPDX has none, or unknown.$"),
        ("new", {"license": "M" * 61}, "source 'new': license: Ensure this value has at most 60 characters"),
    ],
)
def test_it_refuses_facts_that_are_missing_wrong_or_others(name: str, facts: dict[str, str], message: str) -> None:
    Source.objects.create(name="known")
    with pytest.raises(SourceError, match=message):
        ledger.entry(name, "", None, **facts)


UNKNOWN = ["unknown", "Unknown", "UNKNOWN", " unknown ", "none", "None", "NOASSERTION", "?", "??", " "]


@pytest.mark.parametrize("written", UNKNOWN)
def test_it_publishes_nothing_under_any_spelling_of_an_unknown_licence(written: str) -> None:
    source = ledger.entry("new", license=written)
    assert (source.license, source.is_publishable) == ("unknown", False)
    source.save()
    assert ledger.entry("new", license=written) == source


def test_what_was_made_of_a_source_is_published_only_while_the_licence_of_that_source_is_known() -> None:
    first = Source.objects.create(name="first", license="MIT")
    second = Source.objects.create(name="second", license="MIT", augments=first)
    third = Source.objects.create(name="third", license="MIT", augments=second)
    assert third.is_publishable
    first.license = "unknown"
    assert not third.is_publishable


@pytest.mark.parametrize("written", UNKNOWN)
def test_it_stores_one_spelling_however_the_licence_is_written(written: str) -> None:
    source = Source.objects.create(name="new", license=written)
    assert not source.is_publishable
    Source.objects.create(name="other", license="MIT")
    Source.objects.filter(name="other").update(license=written)
    assert set(Source.objects.values_list("license", flat=True)) == {"unknown"}


@pytest.mark.parametrize("written", [*UNKNOWN[1:], ""])
def test_the_database_refuses_other_spellings_of_unknown(written: str) -> None:
    source = Source.objects.create(name="new", license="MIT")
    with pytest.raises(IntegrityError, match="source_license_unknown_has_one_spelling"), connection.cursor() as cursor:
        cursor.execute("UPDATE sources_source SET license = %s WHERE id = %s", [written, source.pk])


@pytest.mark.parametrize("written", ["CC-BY-4.0", "MIT OR Apache-2.0", "(MIT OR GPL-2.0+) AND Zlib", "LicenseRef-Ours"])
def test_it_takes_spdx_expressions(written: str) -> None:
    assert ledger.entry("new", license=written).license == written


def test_it_stores_the_spelling_of_spdx() -> None:
    assert ledger.entry("new", license="cc-by-4.0").license == "CC-BY-4.0"
    assert ledger.entry("new", license=" mit or apache-2.0\n").license == "MIT OR Apache-2.0"


def test_a_licence_that_was_stored_before_it_was_checked_stays_usable() -> None:
    Source.objects.create(name="old", license="CC-BY-40")
    old = ledger.entry("old", license="CC-BY-40")
    assert (old.license, old.is_publishable) == ("CC-BY-40", True)
    assert ledger.derived(old, "typos").license == "CC-BY-40"


def test_an_empty_licence_is_no_licence() -> None:
    with pytest.raises(ValidationError, match="cannot be blank"):
        Source(name="new", license="").full_clean()
