from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from exports import plots, tables

STATISTICS: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "OIG_safety_v0.3.stats.json").read_text())


def drawn(statistics: dict[str, Any]) -> dict[str, str]:
    return {plot.name: plot.svg for plot in plots.plots(statistics)}


def test_it_draws_labels_votes_and_agreement() -> None:
    assert {"labels", "agreement-status", "votes-per-instruction", "agreement"} <= set(drawn(STATISTICS))


def test_it_draws_the_same_bytes_every_time() -> None:
    assert drawn(STATISTICS) == drawn(STATISTICS)


def test_it_draws_without_scripts_and_addresses() -> None:
    for svg in drawn(STATISTICS).values():
        tree = ElementTree.fromstring(svg)
        assert not [one for one in tree.iter() if str(one.tag).endswith("script")]
        assert "http" not in svg.replace("http://www.w3.org/", "")


def test_it_draws_the_votes_of_annotators_in_steps_of_ten() -> None:
    measured = [{"number": at, "n": n} for at, n in enumerate((3, 9, 10, 1_200, 5_000))]
    found = {**STATISTICS, "annotator_measures": {"reason": None, "annotators": []}}
    assert "votes-per-annotator" not in drawn(found)
    bars = tables.votes_per_annotator({"annotator_measures": {"annotators": measured}}).bars
    assert bars == (("1 to 9", 2), ("10 to 99", 1), ("100 to 999", 0), ("1,000 to 9,999", 2))
