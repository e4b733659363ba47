from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exports import tables

STATISTICS: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "OIG_safety_v0.3.stats.json").read_text())


def reordered(value: Any) -> Any:
    """Keys by length, as the database gives stored JSON back."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in sorted(value, key=lambda key: (len(key), key))}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


def test_it_keeps_the_reading_order_whatever_the_database_does() -> None:
    found = tables.tables(STATISTICS)
    assert tables.tables(reordered(STATISTICS)) == found
    assert [row[0] for row in found[0].rows] == [
        *STATISTICS["label_set"]["published"],
        *STATISTICS["label_set"]["tags"],
    ]
    assert tables.headline(reordered(STATISTICS)) == tables.headline(STATISTICS)


def test_it_leaves_out_tables_without_rows() -> None:
    titles = [table.title for table in tables.tables({**STATISTICS, "disputed_because": {}})]
    assert "Why disputed" not in titles
    assert "Published labels" in titles


def test_it_sorts_votes_as_numbers() -> None:
    (table,) = [
        table
        for table in tables.tables({**STATISTICS, "votes_per_instruction": {"10": 1, "9": 2}})
        if table.chart == "votes-per-instruction"
    ]
    assert table.bars == (("9", 2), ("10", 1))


def test_it_says_undefined_with_the_reason() -> None:
    (tags,) = [table for table in tables.tables(STATISTICS) if table.title == "Additional tags"]
    unasked = dict(zip(tags.head, tags.rows[1], strict=True))
    assert unasked["Tag"] == "personal information related"
    assert unasked["Said yes"] == "undefined: there is no vote"
    assert unasked["AC1"] == "undefined: no unit has two votes, so there is nothing to compare"
    assert tables.number(None) is None
    assert tables.number(0.0) == "0.000"
