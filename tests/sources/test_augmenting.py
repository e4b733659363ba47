"""Augmentations end to end: a source of their own, lineage, and the parent's suggestion where the augmenter says so."""

from pathlib import Path
from typing import Any

import pytest

from sources import imports, ledger
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportRun, Instruction, Provenance, Source
from tests.sources.worlds import imported

pytestmark = pytest.mark.django_db
TEXT = "My sister wrote a long letter about gardens and rivers to her brother in Denmark."


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """One text that its source calls unsafe, and one of which it says nothing."""
    source = Source.objects.create(name="invented", license="MIT", attribution="By nobody.", precedence=7)
    path = tmp_path / "a.csv"
    path.write_text(f"text,safety\n{TEXT},unsafe\n{TEXT} Twice.,\n")
    mapping = '[labels.safety.values]\nunsafe = { label = "needs-caution" }\n'
    run = imported(source, path, "columns", text="text", labels="safety", mapping=mapping)
    assert run.report.added == 2
    return source


def augmented(source: Source, name: str, **options: str) -> ImportRun:
    run = imports.augment(source, name, ledger.derived(source, name), options=options)
    imports.work(run)
    run.refresh_from_db()
    assert (run.state, run.error) == (JobState.FINISHED, "")
    return run


def test_it_carries_the_suggestion_of_the_parent_where_the_augmenter_keeps_it(source: Source) -> None:
    run = augmented(source, "typos")
    rows = Provenance.objects.filter(run=run).select_related("instruction__parent")
    assert rows.count() == run.report.added > 1
    for row in rows:
        assert row.instruction.parent is not None
        theirs = Provenance.objects.get(source=source, instruction=row.instruction.parent)
        assert row.suggested == theirs.suggested
    assert {(row.suggested or {}).get("label") for row in rows} == {"needs-caution", None}
    assert run.report.votes_added == 0


def test_it_carries_none_where_the_new_text_needs_votes(source: Source) -> None:
    run = augmented(source, "pronouns")
    assert run.report.added > 0
    assert set(Provenance.objects.filter(run=run).values_list("suggested", flat=True)) == {None}


def test_it_may_be_run_twice_and_resumed(source: Source, settings: Any) -> None:
    first = augmented(source, "typos", seed="7")
    again = augmented(source, "typos", seed="7")
    assert (again.report.added, again.report.known) == (0, first.report.added)
    run = imports.augment(source, "typos", ledger.derived(source, "typos"), options={"seed": "8"})
    imports.plan(run)
    imports.cancel(run)
    imports.resume(run)
    while imports.work_on_next(run):
        pass
    assert run.state == JobState.FINISHED
    assert Instruction.objects.filter(parent__isnull=False).count() == first.report.added + run.report.added


def test_it_keeps_the_terms_of_the_source(source: Source) -> None:
    made = ledger.derived(source, "typos")
    assert not Source.objects.filter(name="invented-typos").exists()
    assert (made.name, made.license, made.precedence, made.augments) == ("invented-typos", "MIT", 7, source)
    assert made.attribution == "Augmented from invented. By nobody."
    made.save()
    assert ledger.derived(source, "typos") == made
    assert ledger.derived(source, "case", "mine").name == "mine"
    Source.objects.create(name="other")
    with pytest.raises(SourceError, match="source other: is there and was not made of invented"):
        ledger.derived(source, "typos", "other")
    with pytest.raises(SourceError, match="name: Ensure this value has at most 80"):
        ledger.derived(source, "typos", "n" * 81)
