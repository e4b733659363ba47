"""What a curator asks about a source: counts, distributions, duplicates, samples.

Every answer is one or two statements that read indexes, or a sample of at most 100,000 of the source's instructions,
which a hash of their ids chooses: the same ones every time. Texts that nobody may see are in no sample and no count
but that of their states.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.db.models import Q, Sum

from sources import importers, wording
from sources.errors import SourceError
from sources.mapping import LabelMap
from sources.models import DuplicateSearch, ImportChunk, ImportRun, Instruction, InstructionState, Provenance, Source
from sources.models.imports import COUNTERS

SAMPLE = 100_000
LANGUAGES_NAMED = 20
VALUES_NAMED = 8
COLUMNS_NAMED = 40
RANDOM_SAMPLES = 10

_STATES = """
    SELECT instruction.state, count(*) FROM sources_instruction AS instruction
    JOIN sources_provenance AS given ON given.instruction_id = instruction.id AND given.source_id = %s
    WHERE instruction.state <> 0 GROUP BY 1
"""
# One pass over the sample answers everything: kind of the answer, what is counted (two words), how many.
_SPREAD = """
    WITH sample AS MATERIALIZED (
        SELECT instruction.characters, instruction.language, given.source_labels, given.suggested
        FROM sources_provenance AS given
        JOIN sources_instruction AS instruction ON instruction.id = given.instruction_id
        WHERE given.source_id = %(source)s AND instruction.state IN (0, 1)
          AND (%(share)s = 1 OR hashint8extended(given.instruction_id, 0) %% %(share)s = 0)
    ), labels AS (
        SELECT label.key, left(label.value::text, 200) AS value, count(*) AS n
        FROM sample, jsonb_each(source_labels) AS label GROUP BY 1, 2
    ), ranked AS (
        SELECT key, value, n, row_number() OVER (PARTITION BY key ORDER BY n DESC, value) AS rank FROM labels
    )
    SELECT 'all', '', '', count(*) FROM sample
    UNION ALL
    SELECT 'length', width_bucket(characters - 1, %(lengths)s::int[])::text, '', count(*) FROM sample GROUP BY 2
    UNION ALL
    SELECT 'quantile', which.name, '', which.n FROM (
        SELECT percentile_disc(ARRAY[0, 0.05, 0.5, 0.95, 1]) WITHIN GROUP (ORDER BY characters) AS found FROM sample
    ) AS quantiles, unnest(ARRAY['least', 'low', 'median', 'high', 'most'], quantiles.found) AS which (name, n)
    UNION ALL SELECT 'language', language, '', count(*) FROM sample GROUP BY 2
    UNION ALL SELECT 'label', coalesce(suggested ->> 'label', ''), '', count(*) FROM sample GROUP BY 2
    UNION ALL
    SELECT 'tag', tag.key, (tag.value::text::float8 >= 0.5)::text, count(*)
    FROM sample, jsonb_each(suggested -> 'tags') AS tag GROUP BY 2, 3
    UNION ALL SELECT 'value', key, value, n FROM ranked WHERE rank <= %(values)s
    UNION ALL SELECT 'values', key, count(*)::text, sum(n)::bigint FROM labels GROUP BY 2
"""
_EXACT = """
    SELECT other.source_id, count(DISTINCT given.instruction_id)
    FROM sources_provenance AS given JOIN sources_provenance AS other USING (instruction_id)
    WHERE given.source_id = %(source)s AND other.source_id <> %(source)s
    GROUP BY GROUPING SETS ((other.source_id), ())
"""
_NEAR = """
    SELECT count(*), count(DISTINCT near.representative_id) FROM sources_nearduplicate AS near
    JOIN sources_provenance AS given ON given.instruction_id = near.instruction_id AND given.source_id = %s
    WHERE near.search_id = %s
"""
_REPRESENTING = """
    SELECT count(*) FROM (
        SELECT DISTINCT representative_id AS id FROM sources_nearduplicate WHERE search_id = %s
    ) AS near JOIN sources_provenance AS given ON given.instruction_id = near.id AND given.source_id = %s
"""
_PERSONAL = """
    SELECT finding.kind, count(*), count(DISTINCT finding.instruction_id) FROM sources_personalfinding AS finding
    JOIN sources_provenance AS given ON given.instruction_id = finding.instruction_id AND given.source_id = %s
    JOIN sources_instruction AS instruction ON instruction.id = finding.instruction_id AND instruction.state IN (0, 1)
    GROUP BY 1 ORDER BY 2 DESC, 1
"""
_RANDOM = """
    SELECT given.instruction_id FROM sources_provenance AS given
    WHERE given.source_id = %s AND NOT EXISTS (
        SELECT 1 FROM sources_instruction AS hidden
        WHERE hidden.id = given.instruction_id AND hidden.state <> 0 AND hidden.state IN (2, 3)
    )
    ORDER BY hashint8extended(given.instruction_id, %s), given.instruction_id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a source holds, and what its imports did; read = added + known + rejected."""

    instructions: int
    states: Mapping[InstructionState, int]
    imports: int
    rows: Mapping[str, int]  # by the names of the counters of an import


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a distribution. ``share`` is of all that was looked at, 0 to 1."""

    name: str
    count: int
    share: float
    code: str = ""

    @property
    def percent(self) -> float:
        """The share in per cent, to a tenth."""
        return round(100 * self.share, 1)


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a column of the source's labels, and what it suggests in our words; None where nothing is declared."""

    text: str
    count: int
    meaning: str | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the source's labels; ``different`` values, of which the most frequent are named."""

    name: str
    count: int
    different: int
    values: list[Value]

    @property
    def others(self) -> int:
        """Values that are not named."""
        return self.different - len(self.values)

    @property
    def has_more(self) -> bool:
        return self.others > 0


@dataclass(frozen=True, slots=True)
class Spread:
    """How lengths, languages and labels are distributed over ``looked_at`` of ``of`` instructions."""

    looked_at: int
    of: int
    lengths: list[Bar]
    quantiles: Mapping[str, int]  # least, low (5 %), median, high (95 %), most; characters
    languages: list[Bar]
    labels: list[Bar]
    tags: list[tuple[str, int, int]]  # tag, yes, no
    columns: list[Column]

    @property
    def is_sample(self) -> bool:
        return self.looked_at < self.of


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How many texts others give too, and how many are nearly the same as another one."""

    exact: int
    sources: list[tuple[Source, int]]
    search: DuplicateSearch | None
    members: int = 0
    clusters: int = 0
    representatives: int = 0


def counts(source: Source) -> Counts:
    """The counts of now; the states other than available are read from an index that has only them."""
    total = source.provenances.order_by().values("source").count()
    others = {InstructionState(state): n for state, n in _rows(_STATES, [source.pk])}
    states = {InstructionState.AVAILABLE: total - sum(others.values())}
    states |= {state: others.get(state, 0) for state in InstructionState if state != InstructionState.AVAILABLE}
    chunks = ImportChunk.objects.filter(run__source=source)
    sums = chunks.aggregate(**{f"all_{name}": Sum(name, default=0) for name in COUNTERS})
    return Counts(total, states, source.runs.count(), {name.removeprefix("all_"): n for name, n in sums.items()})


def newest_search() -> DuplicateSearch | None:
    """The newest search for near-duplicates that is finished."""
    return DuplicateSearch.objects.filter(state="finished").order_by("-pk").first()


def spread(source: Source) -> Spread:
    """Distributions over the source, or over a sample of about 100,000 of its instructions."""
    total = source.provenances.order_by().values("source").count()
    share = max(1, -(-total // SAMPLE))
    named = {"source": source.pk, "share": share, "lengths": list(wording.LENGTHS), "values": VALUES_NAMED}
    found: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for kind, one, other, n in _rows(_SPREAD, named):
        found[kind].append((one, other, n))
    looked_at = found["all"][0][2]
    return Spread(
        looked_at=looked_at,
        # Where everything was looked at, what is hidden is not missing.
        of=total if share > 1 else looked_at,
        lengths=_lengths(found["length"], looked_at),
        quantiles={name: n or 0 for name, _, n in found["quantile"]},
        languages=_languages(found["language"], looked_at),
        labels=[
            replace(bar, name=wording.words(bar.code))
            for bar in _ordered([(one, n) for one, _, n in found["label"] if one], looked_at)
        ],
        tags=_tags(found["tag"]),
        columns=_columns(found["values"], found["value"], label_map(source)),
    )


def label_map(source: Source) -> LabelMap | None:
    """The map that the newest import of the source declared; None where it declares none or is no importer."""
    run = ImportRun.objects.filter(source=source, augments=None).order_by("-pk").first()
    if run is None:
        return None
    try:
        return importers.get(run.format).reader(run.options).label_map
    except (SourceError, OSError):
        return None


def unmapped(source: Source) -> list[tuple[str, int]]:
    """Labels without a mapping as the imports counted them, the most frequent first; each chunk names its own."""
    found: dict[str, int] = defaultdict(int)
    for labels in ImportChunk.objects.filter(~Q(unmapped={}), run__source=source).values_list("unmapped", flat=True):
        for label, n in labels.items():
            found[label] += n
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def duplicates(source: Source) -> Duplicates:
    """Equal texts in other sources, and near-duplicates by the newest finished search."""
    exact = dict(_rows(_EXACT, {"source": source.pk}))
    others = [(other, exact[other.pk]) for other in Source.objects.filter(pk__in=[pk for pk in exact if pk])]
    others.sort(key=lambda pair: -pair[1])
    search = newest_search()
    if search is None:
        return Duplicates(exact.get(None, 0), others, None)
    [(members, clusters)] = _rows(_NEAR, [source.pk, search.pk])
    [(representatives,)] = _rows(_REPRESENTING, [search.pk, source.pk])
    return Duplicates(exact.get(None, 0), others, search, members, clusters, representatives)


def personal(source: Source) -> list[tuple[str, int, int]]:
    """Kind of personal information, places where it stands, instructions that have it; the most frequent first."""
    return _rows(_PERSONAL, [source.pk])


def samples(source: Source, seed: int = 0) -> list[Instruction]:
    """Ten instructions whose text may be shown, the same ones for the same seed, with what their sources say."""
    ids = [pk for (pk,) in _rows(_RANDOM, [source.pk, seed, RANDOM_SAMPLES])]
    found = Instruction.objects.visible().in_bulk(ids)
    return with_provenances([found[pk] for pk in ids if pk in found])


def with_provenances(instructions: list[Instruction]) -> list[Instruction]:
    """The instructions, each with its ``given``: provenances in order of precedence, read in one statement."""
    rows = Provenance.objects.filter(
        source__in=list(Source.objects.values_list("pk", flat=True)), instruction__in=[one.pk for one in instructions]
    )
    given: dict[int, list[Provenance]] = defaultdict(list)
    for row in rows.select_related("source__augments", "run").order_by("source__precedence", "source"):
        given[row.instruction_id].append(row)
    for instruction in instructions:
        instruction.given = given[instruction.pk]  # type: ignore[attr-defined]
    return instructions


def _rows(statement: str, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
        return rows


def _lengths(found: list[tuple[str, str, int]], total: int) -> list[Bar]:
    of_class = {int(one): n for one, _, n in found}
    ranges = enumerate(wording.length_ranges())
    return [
        Bar(
            wording.length_name(*ends),
            of_class.get(i, 0),
            _share(of_class.get(i, 0), total),
            f"{ends[0]}-{ends[1] or ''}",
        )
        for i, ends in ranges
    ]


def _languages(found: list[tuple[str, str, int]], total: int) -> list[Bar]:
    known = _ordered([(one, n) for one, _, n in found if one], total)
    rest, unknown = known[LANGUAGES_NAMED:], sum(n for one, _, n in found if not one)
    bars = known[:LANGUAGES_NAMED]
    if rest:
        others = sum(bar.count for bar in rest)
        bars.append(Bar(f"{len(rest):,} others", others, _share(others, total)))
    return [*bars, Bar("unknown", unknown, _share(unknown, total), "unknown")] if unknown else bars


def _ordered(pairs: list[tuple[str, int]], total: int) -> list[Bar]:
    ordered = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return [Bar(name, n, _share(n, total), name) for name, n in ordered]


def _tags(found: list[tuple[str, str, int]]) -> list[tuple[str, int, int]]:
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for tag, is_yes, n in found:
        said[tag][is_yes] = n
    return sorted((wording.words(tag), of.get("true", 0), of.get("false", 0)) for tag, of in said.items())


def _columns(
    columns: list[tuple[str, str, int]], values: list[tuple[str, str, int]], declared: LabelMap | None
) -> list[Column]:
    of_column: dict[str, list[Value]] = defaultdict(list)
    for name, text, n in values:
        of_column[name].append(Value(_plain(text), n, _suggests(declared, name, text)))
    listed = sorted(columns, key=lambda column: (-column[2], column[0]))[:COLUMNS_NAMED]
    return [
        Column(name, n, int(different), sorted(of_column[name], key=lambda value: (-value.count, value.text)))
        for name, different, n in listed
    ]


def _suggests(declared: LabelMap | None, column: str, text: str) -> str | None:
    """What a value suggests in words, "nothing" if that is declared; None where it has no mapping."""
    try:
        suggested, missing = declared.suggest({column: json.loads(text)}) if declared else ({}, [column])
    except json.JSONDecodeError:  # it was cut
        return None
    return wording.meaning(suggested) or (None if missing else "nothing")


def _plain(text: str) -> str:
    """A value of JSON as a person writes it: a text without its quotes."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return f"{text}…"
    return value if isinstance(value, str) else text


def _share(n: int, total: int) -> float:
    return n / total if total else 0.0
