"""The dataset card: a README.md whose YAML head the Hugging Face hub reads.

Names, revisions and attributions come from whoever imported a source: none of them may add a line, a link or markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from django.template.loader import render_to_string

from annotate.models import Campaign
from exports import changes, plots, tables
from exports.formats import SPLITS
from exports.groups import UNDETERMINED
from exports.statistics import FEWEST_ANNOTATORS
from labels.taxonomy import LabelSetSpec

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

# What Markdown or HTML would read as more than a character.
MARKS = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
# What GitHub and the hub make a link of although nobody marked it; escaping does not stop them, only code does.
LINKS = re.compile(r"([^\s`|\\]*(?:://|www\.|@)[^\s`|\\]*)", re.IGNORECASE)
LANGUAGE = re.compile(r"([a-z]{2,3})(-.*)?")
SPDX = re.compile(r"[a-z0-9.+-]+")


def render(
    name: str,
    manifest: dict[str, Any],
    statistics: dict[str, Any],
    spec: LabelSetSpec,
    summary: dict[str, Any] | None = None,
) -> str:
    """The text of the card of the snapshot ``name``; the same for the same statistics and changes."""
    shown = tables.tables(statistics)
    of_tables = {table.chart for table in shown}
    context = {
        "name": name,
        "head": _head(name, statistics, list(manifest["files"])),
        "facts": [_cells(row) for row in _facts(manifest, statistics)],
        "interval_reason": next((found["reason"] for found in tables.headline(statistics) if found["value"]), ""),
        "agreement": [
            ("", tables.headline(statistics)),
            ("The other coefficients of the base vote", tables.others(statistics)),
        ],
        "tables": [_table(name, table) for table in shown if not table.is_more],
        "more": [_table(name, table) for table in shown if table.is_more],
        "drawn": [_drawn(name, plot) for plot in plots.plots(statistics) if plot.name not in of_tables],
        "people": statistics["annotators"],
        "single_votes": manifest.get("single_votes"),
        "fewest": FEWEST_ANNOTATORS,
        "campaigns": manifest.get("campaigns", []),
        "filters": manifest.get("filters", {}),
        "contact": manifest.get("contact", ""),
        "target": manifest["target"],
        "personal": manifest["personal_information"],
        "numbers": {"instructions": f"{statistics['instructions']:,}"},
        "spec": spec,
        "guidelines": (*spec.options, *spec.tags),
        "sources": [_source(found) for _, found in sorted(statistics["by_source"].items())],
        "warnings": warnings(statistics),
        "changes": summary and changes.sentence(summary),
    }
    return render_to_string("exports/card.md", context)


def changelog(name: str, summary: dict[str, Any]) -> str:
    """The text of CHANGES.md of the snapshot ``name``; the same for the same summary of ``changes``."""
    shown = changes.tables(summary)
    context = {
        "name": name,
        "sentence": changes.sentence(summary),
        "tables": [_table(name, table) for table in shown if not table.is_more],
        "more": [_table(name, table) for table in shown if table.is_more],
    }
    return render_to_string("exports/changes.md", context)


def _table(name: str, table: tables.Table) -> dict[str, Any]:
    plot = plots.file_name(name, table.chart) if table.chart else ""
    return {"title": table.title, "head": table.head, "rows": [_cells(row) for row in table.rows], "plot": plot}


def _drawn(name: str, plot: plots.Plot) -> dict[str, str]:
    return {"file": plots.file_name(name, plot.name), "alt": plot.alt, "title": plot.title}


def warnings(statistics: dict[str, Any]) -> list[str]:
    """Sentences that a reader must see before using the numbers."""
    found: list[str] = []
    if "votes" not in statistics:
        return found
    if simulated := statistics["simulated_votes"]:
        found.append(
            f"Simulated: {simulated:,} of the {statistics['votes']:,} votes, to show the system at work. "
            "Do not use these labels or this agreement as if people had given them."
        )
    if statistics["annotators"]["unidentified_votes"]:
        found.append("Some votes came without annotator ids: the same person may have voted more than once.")
    return found


def _head(name: str, statistics: dict[str, Any], files: list[str]) -> str:
    """YAML as one JSON value a line, which every YAML reader takes and no name can break out of."""
    languages = {found[1] for tag in statistics["languages"] if (found := LANGUAGE.fullmatch(tag.lower()))}
    head = {
        "pretty_name": name,
        "language": sorted(languages - {UNDETERMINED}),
        "license": _licence({found["license"].lower() for found in statistics["by_source"].values()}),
        "task_categories": ["text-classification"],
        "tags": ["safety", "moderation", "content-moderation", *_annotation(statistics), "not-for-all-audiences"],
        "size_categories": [next((name for limit, name in SIZES if statistics["instructions"] < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": _splits(name, files)}],
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())


def _splits(name: str, files: list[str]) -> list[dict[str, str]]:
    """The files that a loader takes for each split: all lines are for training where they were not split."""
    split = [{"split": part, "path": f"{name}.{part}.jsonl"} for part in SPLITS if f"{name}.{part}.jsonl" in files]
    return split or [{"split": "train", "path": f"{name}.jsonl"}]


def _annotation(statistics: dict[str, Any]) -> list[str]:
    """Who voted, as tags of the hub: people, a simulation, or both."""
    simulated, votes = statistics["simulated_votes"], statistics["votes"]
    return [*["human-annotation"] * (simulated < votes), *["simulated-annotation"] * (simulated > 0)]


def _licence(found: set[str]) -> str | list[str]:
    """SPDX identifiers as the hub writes them; "other" where one is something else."""
    if not all(SPDX.fullmatch(licence) for licence in found):
        return "other"
    return sorted(found) if len(found) > 1 else min(found)


def _facts(manifest: dict[str, Any], statistics: dict[str, Any]) -> list[tuple[str, str]]:
    people, label_set = statistics["annotators"], manifest["label_set"]
    numbers = {
        "instructions": statistics["instructions"],
        "votes": statistics["votes"],
        "annotators (people who volunteered here)": people["human"],
        "annotators of public datasets, with an id": people["external"],
        "simulated annotators": people["simulated"],
        **_of_singles(manifest),
        **{f"votes left out: {reason}": n for reason, n in manifest["left_out"]["votes"].items()},
        **{f"instructions left out: {reason}": n for reason, n in manifest["left_out"]["instructions"].items()},
    }
    return [
        *((what, f"{n:,}") for what, n in numbers.items()),
        ("label set", f"{label_set['name']}, revision {label_set['revision']} (rule: {label_set['rule']})"),
        *_aggregation(manifest),
        ("judged", manifest["target"]),
        ("personal information", manifest["personal_information"]),
    ]


def _of_singles(manifest: dict[str, Any]) -> dict[str, int]:
    """The numbers of the single votes, where they are asked for."""
    found = manifest.get("single_votes")
    if not found:
        return {}
    return {
        "single votes": found["votes"],
        "people whose single votes are published": found["people"],
        "people who did not allow that": found["people_who_did_not_allow_it"],
    }


def _aggregation(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What made the labels, and what is said beside them."""
    found = manifest.get("aggregation", {"rule": "rule", "model": None})
    rule = ("label of a line", str(Campaign.Aggregation(found["rule"]).label))
    model = found["model"]
    if model is None:
        return [rule]
    learnt = f"{Campaign.Model(model['name']).label}; {model['n_gold']:,} known answers"
    return [rule, ("model_label and model_distribution", learnt)]


def _source(found: dict[str, str]) -> str:
    address = quote(found["address"], safe="/:?#@!&'()*+,;=%~-._")
    facts = _cells(found[name] for name in ("name", "revision", "license", "attribution"))
    return f"{facts} | {f'<{address}>' if address else ''}"


def _cells(texts: Iterable[str]) -> str:
    """A row of a Markdown table, each text on one line and as nothing but text."""
    return " | ".join(_plain(" ".join(text.split())) for text in texts)


def _plain(text: str) -> str:
    parts = LINKS.split(text)  # every second one is a link
    return "".join(f"`{part}`" if at % 2 else MARKS.sub(r"\\\1", part) for at, part in enumerate(parts))
