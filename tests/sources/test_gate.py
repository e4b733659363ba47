"""Texts that come in while others are taken out: every test holds an import in the middle of its transaction."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from sources import chunks, criteria, imports, ledger, removals
from sources.models import Escalation, ImportRun, Instruction, InstructionState, Source
from tests.processes import wait_until
from tests.sources.worlds import counts, imported, jsonl

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="letters", license="MIT")


class Held:
    """An import in a thread of its own that has written its rows and not committed them."""

    def __init__(self, run: ImportRun, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._run, finish = run, chunks._finish

        def held(*args: object) -> None:
            if threading.current_thread() is self.thread:
                self.reached.set()
                assert self.go_on.wait(20)
            finish(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(chunks, "_finish", held)
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        imports.work(self._run)
        connection.close()


@contextmanager
def held(run: ImportRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held(run, monkeypatch)
    holding.thread.start()
    assert holding.reached.wait(20)
    try:
        yield holding
    finally:
        holding.go_on.set()
        holding.thread.join()


def alone(verb: Callable[[], object]) -> None:
    """In a thread, on a connection of its own."""
    verb()
    connection.close()


def while_held(run: ImportRun, monkeypatch: pytest.MonkeyPatch, verb: Callable[[], object]) -> None:
    """Begin ``verb`` while ``run`` has rows that are not committed, and let both end."""
    with held(run, monkeypatch) as holding:
        removing = threading.Thread(target=alone, args=[verb])
        removing.start()
        wait_until(lambda: _waits() or not removing.is_alive(), lambda: "the verb neither waits nor ends")
        holding.go_on.set()
        removing.join()


def _waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool((cursor.fetchone() or [0])[0])


def children_of(source: Source) -> ImportRun:
    return imports.augment(source, "typos", ledger.derived(source, "typos"))


@pytest.fixture
def parent(source: Source, tmp_path: Path) -> Instruction:
    imported(source, jsonl(tmp_path / "a.jsonl", ["Please write me a long letter about the weather in the garden."]))
    return Instruction.objects.get()


def test_what_is_being_made_of_a_reported_text_is_hidden_too(
    source: Source, parent: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_held(children_of(source), monkeypatch, lambda: removals.report(parent, by=None, reason="illegal"))
    assert Instruction.objects.count() == 2
    assert {each.state for each in Instruction.objects.all()} == {InstructionState.QUARANTINED}


def test_a_reported_text_is_hidden_before_imports_are_through(
    source: Source, parent: Instruction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "b.jsonl", ["another letter"]))
    with held(run, monkeypatch) as holding:
        reporting = threading.Thread(target=alone, args=[lambda: removals.report(parent, by=None)])
        reporting.start()
        wait_until(
            lambda: Instruction.objects.get(pk=parent.pk).state == InstructionState.QUARANTINED,
            lambda: "it is still shown",
        )
        assert reporting.is_alive()
        holding.go_on.set()
        reporting.join()


def test_what_is_being_made_of_a_text_that_is_taken_down_goes_too(
    source: Source, parent: Instruction, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id = criteria.by_ids([parent.public_id])
    while_held(children_of(source), monkeypatch, lambda: removals.take_down(by_id, "asked for"))
    assert [each.turns for each in Instruction.objects.all()] == [[], []]


@pytest.mark.parametrize("listed", ["id", "text"])
def test_a_text_that_comes_in_while_its_digest_is_refused_goes_again(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    from sources import texts

    text = "a letter that must not come in"
    digest = texts.text_digest(text) if listed == "text" else texts.digest([{"role": "human", "text": text}])
    run = imports.start(source, "oig", origin=jsonl(tmp_path / "b.jsonl", [text]))

    def take_down() -> None:
        removals.take_down(criteria.by_digests("list", [digest.hex()]), "asked for")

    while_held(run, monkeypatch, take_down)
    assert Instruction.objects.get().turns == []
    assert counts(imported(source, jsonl(tmp_path / "c.jsonl", [text]))) == (1, 0, 0, 1)


def test_a_report_while_an_earlier_one_is_released_counts(parent: Instruction, monkeypatch: pytest.MonkeyPatch) -> None:
    escalation = removals.report(parent, by=None, reason="first")
    reached, go_on = threading.Event(), threading.Event()
    follow = removals._follow

    def slow() -> None:
        if threading.current_thread() is releasing:
            reached.set()
            assert go_on.wait(20)
        follow()

    def release() -> None:
        removals.decide(escalation, Escalation.State.RELEASED)
        connection.close()

    monkeypatch.setattr(removals, "_follow", slow)
    releasing = threading.Thread(target=release)
    releasing.start()
    assert reached.wait(20)
    reporting = threading.Thread(target=alone, args=[lambda: removals.report(parent, by=None, reason="second")])
    reporting.start()
    go_on.set()
    releasing.join()
    reporting.join()
    parent.refresh_from_db()
    escalation.refresh_from_db()
    assert (parent.state, escalation.state) == (InstructionState.QUARANTINED, Escalation.State.OPEN)
