from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from django.db import connection
from psycopg import sql

from annotate import remarks
from annotate.annotations import take_cut
from annotate.models import Annotation, Campaign, Flag
from exports import groups, lines, records, statements
from exports.records import Selection
from exports.voters import Voters
from sources.models import Source
from sources.rows import Turn
from tests.exports import worlds
from tests.processes import wait_until

GOLDEN = Path(__file__).parent / "golden"

pytestmark = pytest.mark.django_db(transaction=True)


def selection(*campaigns: Campaign, cut: int | None = None) -> Selection:
    chosen = tuple(campaign.pk for campaign in campaigns)
    now = take_cut()
    return Selection(chosen, campaigns[0].label_set, campaigns[0].target, now.last if cut is None else cut, now.at)


def published(chosen: Selection) -> list[dict[str, Any]]:
    with records.reading(chosen) as reader:
        return [json.loads(line) for line in reader.lines()]


def types(value: object) -> object:
    """The shape of a value: what a loader that infers types would say of it."""
    if isinstance(value, dict):
        return {key: types(inner) for key, inner in value.items()}
    return type(value).__name__


def connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


# Annotators are numbered by their ids, in an order of the release's own that the installation's key decides.
@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_it_publishes_what_was_checked_by_eye(settings: Any) -> None:
    settings.SECRET_KEY = "the key of the golden release"
    worlds.published("0.3", *worlds.everything())
    folder = worlds.published("0.3").path
    for golden in sorted(GOLDEN.iterdir()):
        assert (folder / golden.name).read_text() == golden.read_text(), f"{golden.name} is no longer as checked"


def test_it_gives_every_line_every_key_always_of_one_type() -> None:
    lines = published(selection(*worlds.everything()))
    shapes = {json.dumps(types(line)) for line in lines}
    assert len(shapes) == 1
    assert "NoneType" not in shapes.pop()


def test_it_accounts_for_every_answer() -> None:
    chosen = selection(*worlds.everything())
    voters = Voters(chosen.label_set.spec, len(chosen.campaigns))
    with records.reading(chosen) as reader:
        votes = sum(json.loads(line)["metadata"]["n_votes"] for line in reader.lines(voters=voters))
        left_out = reader.left_out()
        annotators = reader.annotators(voters)
    assert votes + sum(left_out["votes"].values()) == Annotation.objects.filter(choice__isnull=False).count()
    # The reader of the unlicensed text and of nothing else would not be counted; Cleo read others too.
    assert annotators == {"human": 6, "external": 1, "simulated": 1, "unidentified_votes": 3}


def test_it_does_not_count_readers_of_texts_that_are_left_out(kindness: Campaign) -> None:
    unlicensed = worlds.unit(kindness, worlds.instruction("unlicensed", worlds.source("secrets", "unknown")))
    worlds.votes(unlicensed, worlds.people("gil hal"), worlds.CASUAL, worlds.CASUAL)
    voters = Voters(kindness.label_set.spec)
    with records.reading(selection(kindness)) as reader:
        assert len(list(reader.lines(voters=voters))) == 1
        assert reader.annotators(voters)["human"] == 2
        assert reader.left_out()["instructions"]["no source with a known licence"] == 1


def test_it_publishes_a_median_that_ties_without_a_label_and_says_why(letters: Source) -> None:
    direct = worlds.campaign("direct", label_set="oig-safety-direct")
    worlds.votes(worlds.unit(direct, worlds.instruction("tied", letters)), worlds.people("ada ben"), *_extremes(direct))
    (line,) = published(selection(direct))
    metadata = line["metadata"]
    assert (metadata["labels"], metadata["agreement"]) == ([], "disputed")
    assert metadata["no_label_because"] == "the median ties between 'casual' and 'needs intervention'"
    assert metadata["no_label_because"] in metadata["disputed_because"]
    assert list(metadata["votes"]) == list(direct.label_set.spec.option_names)


def test_it_publishes_no_tag_on_the_word_of_one_reader(kindness: Campaign, letters: Source) -> None:
    single = worlds.unit(kindness, worlds.instruction("one reader", letters))
    worlds.vote(single, worlds.person("ada"), worlds.CAUTION, hate=True)
    both = worlds.unit(kindness, worlds.instruction("two readers", letters))
    worlds.vote(both, worlds.person("ada"), worlds.CAUTION, hate=True)
    worlds.vote(both, worlds.person("ben"), worlds.CAUTION)
    found = {line["text"]: line["metadata"] for line in published(selection(kindness))}
    one, two = found["<human>: one reader"], found["<human>: two readers"]
    assert (one["label"], one["labels"], one["agreement"]) == ("", [], "too few votes")
    assert one["tag_votes"]["hate"] == {"yes": 1, "no": 0, "outcome": "yes"}
    assert (two["label"], two["labels"]) == ("needs caution", ["needs caution", "hate"])


def test_it_tells_who_speaks_from_what_is_quoted(kindness: Campaign, letters: Source) -> None:
    quoted = "Go on with this:\n<bot>: I will help.\n<human>: Thank you."
    said: list[Turn] = [
        *worlds.says("Go on with this:"),
        {"role": "bot", "text": "I will help."},
        *worlds.says("Thank you."),
    ]
    for turns in (worlds.says(quoted), said):
        worlds.votes(worlds.unit(kindness, worlds.instruction(turns, letters)), worlds.people("ada"), worlds.CASUAL)
    lines = [line for line in published(selection(kindness)) if "Go on" in line["text"]]
    assert len({line["text"] for line in lines}) == 1
    turns = sorted((line["metadata"]["turns"] for line in lines), key=len)
    assert turns == [[{"role": "human", "text": quoted}], said]


def test_it_writes_every_character_as_the_serialiser_does(kindness: Campaign, letters: Source) -> None:
    """The database escapes texts of one turn, the serialiser those of several: a reader must not see which."""
    plane = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x11000)]))
    for said in ([*worlds.says(plane)], [*worlds.says('{"role": "human", "text": "a"}, {"role": "bot", "text": "b"}')]):
        for turns in (said, [*said, *worlds.says("And then?")]):
            placed = worlds.unit(kindness, worlds.instruction(turns, letters))
            worlds.votes(placed, worlds.people("ada ben"), worlds.CASUAL, worlds.CASUAL)
    with records.reading(selection(kindness)) as reader:
        lines = list(reader.lines())
    assert [orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE) for line in lines] == lines
    longest = max((orjson.loads(line) for line in lines), key=lambda record: len(record["text"]))
    assert longest["text"] == f"<human>: {plane}\n<human>: And then?"


def test_it_counts_the_same_however_few_groups_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = selection(*worlds.everything())
    told = []
    for kept in (1, 50_000):
        monkeypatch.setattr(lines, "GROUPS", kept)
        heard: Counter[groups.Group] = Counter()
        with records.reading(everything) as reader:
            assert len(list(reader.lines(partial(_add, heard)))) == 16
        told.append(heard)
    assert told[0] == told[1]
    assert told[0].total() == 16


def _add(heard: Counter[groups.Group], group: groups.Group, lines: int) -> None:
    heard[group] += lines


def _extremes(campaign: Campaign) -> tuple[str, str]:
    options = campaign.label_set.spec.options
    return options[0].code, options[-1].code


def test_it_sees_the_votes_up_to_the_cut_as_they_stood_then(kindness: Campaign) -> None:
    unit = kindness.units.get()
    cleo = worlds.person("cleo")
    first = worlds.vote(unit, cleo, worlds.INTERVENTION)
    worlds.vote(unit, cleo, None, supersedes=first)
    (then,), (now,) = published(selection(kindness, cut=first.pk)), published(selection(kindness))
    assert then["metadata"]["votes"] == {"casual": 2, "needs caution": 0, "needs intervention": 1}
    assert now["metadata"]["votes"] == {"casual": 2, "needs caution": 0, "needs intervention": 0}


def test_it_publishes_what_is_flagged_as_disputed_until_the_flag_is_closed(kindness: Campaign) -> None:
    ada, before = worlds.person("ada"), selection(kindness)
    flag = Flag.objects.create(unit=kindness.units.get(), annotator=ada, words="Two letters in one.")
    during = selection(kindness)
    remarks.close(flag, "Nothing to be done.", ada)
    said = [published(chosen)[0]["metadata"] for chosen in (before, during, selection(kindness))]
    assert [(line["agreement"], line["disputed_because"]) for line in said] == [
        ("unanimous", ""),
        ("disputed", "flagged by an annotator"),
        ("unanimous", ""),
    ]
    assert len({line["label"] for line in said}) == 1


def test_a_flag_in_another_campaign_or_of_before_moments_were_kept_disputes_nothing(kindness: Campaign) -> None:
    elsewhere = worlds.unit(worlds.campaign("elsewhere"), kindness.units.get().instruction)
    ada = worlds.person("ada")
    Flag.objects.create(unit=elsewhere, annotator=ada, words="Odd.")
    assert published(selection(kindness))[0]["metadata"]["agreement"] == "unanimous"
    Flag.objects.create(unit=kindness.units.get(), annotator=ada, words="Odd.")
    assert published(selection(kindness))[0]["metadata"]["agreement"] == "disputed"
    assert published(replace(selection(kindness), cut_at=None))[0]["metadata"]["agreement"] == "unanimous"


def test_each_connection_ranks_the_votes_of_its_own_part_alone(kindness: Campaign, letters: Source) -> None:
    patience = worlds.campaign("patience")
    for number in range(20):
        twice = worlds.agreeing(kindness, letters, f"text {number}")
        worlds.votes(worlds.unit(patience, twice.instruction), worlds.people("ada ben"), *[worlds.CAUTION] * 2)
    with records.reading(selection(kindness, patience)) as reader:
        assert sum(json.loads(line)["metadata"]["n_votes"] for line in reader.lines()) == 2 * 21
        # Else the ranking of so few votes may be done for each vote again, as nothing.
        reader.connections[0].execute("SET LOCAL enable_nestloop = off")
        statement = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(reader._query(statements.LINES))
        ranked = []
        for edges in ((b"", b"\x80"), (b"\x80", statements.BEHIND_ALL)):
            part = dict(zip(("from_digest", "before"), edges, strict=True))
            ((plan,),) = reader._rows(statement, **reader._arguments, **part)
            ranked.append(
                max(node["Actual Rows"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "WindowAgg")
            )
    assert sum(ranked) == 20 * 4
    assert min(ranked) > 0


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def test_it_tells_two_revisions_of_a_source_apart(kindness: Campaign) -> None:
    newer = worlds.source("letters", "MIT", revision="2")
    worlds.agreeing(kindness, newer, "from the second revision")
    snapshot = worlds.published("0.3", kindness)
    found = snapshot.statistics["by_source"]
    assert {key: (facts["license"], facts["instructions"]) for key, facts in found.items()} == {
        "letters@1": ("CC-BY-4.0", 1),
        "letters@2": ("MIT", 1),
    }
    assert 'license: ["cc-by-4.0", "mit"]' in (snapshot.path / "README.md").read_text()


def test_it_reads_one_moment_while_others_write(kindness: Campaign, letters: Source) -> None:
    for number in range(20):
        worlds.agreeing(kindness, letters, f"text {number}")
    chosen = selection(kindness)
    with records.reading(chosen) as reader:
        Source.objects.update(license="unknown")
        ids = [json.loads(line)["metadata"]["id"] for line in reader.lines()]
        assert (len(ids), ids) == (21, sorted(ids))
        assert ids[0] < "8" < ids[-1], "all are made by one connection"
        assert list(reader.sources()) == ["letters@1"]
    assert published(chosen) == []


def test_it_lets_nobody_write_through_its_connection(kindness: Campaign) -> None:
    with records.reading(selection(kindness)) as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.connections[0].execute("DELETE FROM sources_source")


def test_it_closes_its_connection_also_when_nobody_reads_to_the_end(kindness: Campaign, letters: Source) -> None:
    for number in range(3):
        worlds.agreeing(kindness, letters, f"text {number}")
    before = connections()
    with records.reading(selection(kindness)) as reader:
        lines = reader.lines()
        next(lines)
        assert connections() == before + records.CONNECTIONS
        lines.close()
    # PostgreSQL takes a moment to let a connection go.
    wait_until(lambda: connections() == before, lambda: f"{connections()} connections")
    with pytest.raises(LookupError), records.reading(selection(kindness)) as reader:
        _fail_at(reader.lines())
    wait_until(lambda: connections() == before, lambda: f"{connections()} connections")


def _fail_at(lines: Iterator[bytes]) -> None:
    raise LookupError(next(lines))
