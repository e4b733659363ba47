"""The dataset card: a README.md whose YAML head the Hugging Face hub reads."""

from __future__ import annotations

import json
from typing import Any

from django.template.loader import render_to_string

from exports import tables
from exports.models import Snapshot
from labels.taxonomy import LabelSetSpec
from sources.models import Source

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def render(snapshot: Snapshot, manifest: dict[str, Any], statistics: dict[str, Any], spec: LabelSetSpec) -> str:
    """The text of the card; the same for the same statistics."""
    context = {
        "head": _head(snapshot, statistics),
        "snapshot": snapshot,
        "manifest": manifest,
        "statistics": statistics,
        "headline": tables.headline(statistics),
        "tables": [table for table in tables.tables(statistics) if table.rows],
        "spec": spec,
        "sources": Source.objects.filter(name__in=statistics["by_source"]).order_by("name", "revision"),
        "warnings": warnings(statistics),
    }
    return render_to_string("exports/card.md", context)


def warnings(statistics: dict[str, Any]) -> list[str]:
    """Sentences that a reader must see before using the numbers."""
    found = []
    if simulated := statistics["simulated_votes"]:
        found.append(
            f"{simulated:,} of the {statistics['votes']:,} votes are simulated, to show the system at work: "
            "do not use these labels or this agreement as if people had given them."
        )
    if statistics["annotators"]["unidentified_votes"]:
        found.append("Some votes came without annotator ids: the same person may have voted more than once.")
    return found


def _head(snapshot: Snapshot, statistics: dict[str, Any]) -> str:
    """YAML as one JSON value a line, which every YAML reader takes and no name can break out of."""
    languages = sorted({name.split("-")[0] for name in statistics["languages"]} - {"unknown"})
    licences = sorted({found["license"] for found in statistics["by_source"].values()})
    head = {
        "pretty_name": str(snapshot),
        "language": languages,
        "license": licences[0].lower() if len(licences) == 1 else "other",
        "task_categories": ["text-classification"],
        "tags": ["safety", "moderation", "content-moderation", "human-annotation", "not-for-all-audiences"],
        "size_categories": [next((name for limit, name in SIZES if statistics["instructions"] < limit), "n>1M")],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": f"{snapshot}.jsonl"}]},
        ],
    }
    return "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items())
