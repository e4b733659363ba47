import pytest

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
        ("new", {"license": "M" * 61}, "source 'new': license: Ensure this value has at most 60 characters"),
    ],
)
def test_it_refuses_facts_that_are_missing_wrong_or_others(name: str, facts: dict[str, str], message: str) -> None:
    Source.objects.create(name="known")
    with pytest.raises(SourceError, match=message):
        ledger.entry(name, **facts)
