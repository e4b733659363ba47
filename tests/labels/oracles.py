"""The values of independent implementations, frozen in ``oracles.json``, which test_oracles.py compares with ours.

Not run by the tests: these packages pin an old numpy, are large or of other licences. To make the file anew:

    uv venv --python 3.12 /tmp/oracles
    uv pip install --python /tmp/oracles/bin/python krippendorff irrCAC statsmodels nltk
    /tmp/oracles/bin/python tests/labels/oracles.py ../shared/data > tests/labels/oracles.json
"""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
from irrCAC.raw import CAC
from nltk.metrics.agreement import AnnotationTask
from nltk.metrics.distance import jaccard_distance, masi_distance
from scipy.stats import entropy
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

type Ratings = list[list[int | None]]  # per unit the option of each annotator, None for no vote
type Distance = Callable[[frozenset[int], frozenset[int]], float]

SEED = 20261125


def main(data: Path) -> dict[str, Any]:
    """Everything that is frozen."""
    random = np.random.default_rng(SEED)
    return {
        "versions": {name: version(name) for name in ("krippendorff", "irrCAC", "statsmodels", "nltk", "scipy")},
        "random": [_case(random, *shape) for shape in SHAPES],
        "tag_sets": [_tag_sets(random, units, annotators) for units, annotators in ((12, 3), (30, 5), (60, 2))],
        "hatecheck": values(hatecheck(data), 2),
        "convabuse": values(convabuse(data), 5),
        "convabuse_types": set_values(convabuse_types(data)),
    }


# Units, annotators, options, share of missing votes, share of votes that are at random.
SHAPES = [
    (8, 2, 2, 0.0, 0.3),
    (10, 3, 3, 0.0, 0.5),
    (12, 4, 5, 0.2, 0.2),
    (20, 3, 4, 0.4, 0.4),
    (25, 6, 5, 0.6, 0.3),
    (40, 8, 3, 0.8, 0.2),
    (40, 5, 7, 0.5, 0.6),
    (30, 10, 5, 0.8, 1.0),
    (60, 2, 5, 0.3, 0.3),
    (15, 5, 2, 0.5, 0.1),
]


def values(ratings: Ratings, n_options: int) -> dict[str, float]:
    """Each coefficient by our name; the options are 0 .. n_options - 1."""
    counts = np.array([[unit.count(option) for option in range(n_options)] for unit in ratings])
    pairable = counts[counts.sum(axis=1) >= 2]
    frame, options = pd.DataFrame(ratings, dtype=float), list(range(n_options))
    plain, ordinal = (CAC(frame, weights=weights, categories=options, digits=15) for weights in ("identity", "ordinal"))
    found = {
        **{
            f"krippendorff_alpha_{level}": krippendorff.alpha(
                value_counts=counts, value_domain=options, level_of_measurement=level
            )
            for level in ("nominal", "ordinal", "interval")
        },
        "gwet_ac1": plain.gwet()["est"]["coefficient_value"],
        "gwet_ac2_ordinal": ordinal.gwet()["est"]["coefficient_value"],
        "brennan_prediger": plain.bp()["est"]["coefficient_value"],
        "fleiss_kappa_generalized": plain.fleiss()["est"]["coefficient_value"],
        "conger_kappa": plain.conger()["est"]["coefficient_value"],
        "percent_agreement": plain.gwet()["est"]["pa"],
        "mean_entropy_bits": entropy(pairable, base=2, axis=1).mean(),
    }
    if len(set(counts.sum(axis=1))) == 1:
        found["fleiss_kappa_statsmodels"] = fleiss_kappa(counts)
    if len(ratings[0]) == 2 and not any(None in unit for unit in ratings):
        both = pd.crosstab(*frame.to_numpy().T).reindex(index=options, columns=options, fill_value=0)
        found["cohens_kappa_statsmodels"] = cohens_kappa(both.to_numpy()).kappa
    return {name: float(value) for name, value in found.items()}


def set_values(votes: Sequence[tuple[str, str, int]]) -> dict[str, float]:
    """Alpha of votes (annotator, unit, bitmask); two empty sets, for which nltk divides by 0, are the same."""
    rows = [(who, unit, frozenset(at for at in range(16) if mask >> at & 1)) for who, unit, mask in votes]
    distances: dict[str, Distance] = {"alpha_masi": masi_distance, "alpha_jaccard": jaccard_distance}
    return {name: AnnotationTask(rows, distance=_tolerant(distance)).alpha() for name, distance in distances.items()}


def _tolerant(distance: Distance) -> Distance:
    return lambda one, other: distance(one, other) if one or other else 0.0


def hatecheck(data: Path) -> Ratings:
    """Five of ten annotators on each case; options non-hateful, hateful."""
    code = {"": None, "non-hateful": 0, "hateful": 1}
    with (data / "hatecheck" / "all_annotations.csv").open(newline="") as file:
        return [[code[row[f"label_{at}"].strip()] for at in range(1, 11)] for row in csv.DictReader(file)]


def convabuse(data: Path) -> Ratings:
    """The ordinal scale of abuse, -3 .. 1 as 0 .. 4; of an annotator's two votes on a unit the first counts."""
    votes = _convabuse_votes(data)
    names = sorted({who for who, _ in votes})
    units = dict.fromkeys(unit for _, unit in votes)
    scale = [f"is_abuse.{step}" for step in range(-3, 2)]
    codes = {place: next(at for at, name in enumerate(scale) if row[name] == "1") for place, row in votes.items()}
    return [[codes.get((who, unit)) for who in names] for unit in units]


def convabuse_types(data: Path) -> list[tuple[str, str, int]]:
    """Each vote's set of kinds of abuse: (annotator, unit, bitmask)."""
    votes = _convabuse_votes(data)
    kinds = [name for name in next(iter(votes.values())) if name.startswith("type.")]
    return [
        (who, unit, sum((row[kind] == "1") << at for at, kind in enumerate(kinds)))
        for (who, unit), row in votes.items()
    ]


def _convabuse_votes(data: Path) -> dict[tuple[str, str], dict[str, str]]:
    votes: dict[tuple[str, str], dict[str, str]] = {}
    with (data / "convabuse" / "ConvAbuseEMNLPfull.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            unit = json.dumps([row[name] for name in ("conv_id", "prev_agent", "prev_user", "agent", "user")])
            votes.setdefault((row["annotator_id"], unit), row)
    return votes


def _case(
    random: np.random.Generator, units: int, annotators: int, n_options: int, missing: float, noise: float
) -> dict[str, Any]:
    shape = units, annotators
    truth = random.choice(n_options, (units, 1), p=random.dirichlet(np.ones(n_options)))
    votes = np.where(random.random(shape) < noise, random.integers(0, n_options, shape), truth)
    is_missing = random.random(shape) < missing
    written = _written(votes, is_missing)
    ratings = [[None if vote == "." else int(vote) for vote in unit] for unit in written]
    return {"options": n_options, "ratings": written, "values": values(ratings, n_options)}


def _tag_sets(random: np.random.Generator, units: int, annotators: int) -> dict[str, Any]:
    likely = random.random((units, 1, 4)) ** 2
    sets = (random.random((units, annotators, 4)) < likely) @ (1 << np.arange(4))
    written = _written(sets, random.random(sets.shape) < 0.2)
    votes = [
        (str(who), str(at), int(mask, 16))
        for at, unit in enumerate(written)
        for who, mask in enumerate(unit)
        if mask != "."
    ]
    return {"ratings": written, "values": set_values(votes)}


def _written(votes: Any, is_missing: Any) -> list[str]:
    """Per unit that has votes a text with one hexadecimal digit for each annotator's option, a point for none."""
    rows = zip(votes.tolist(), is_missing.tolist(), strict=True)
    units = ["".join("." if gone else f"{vote:x}" for vote, gone in zip(*row, strict=True)) for row in rows]
    return [unit for unit in units if unit.strip(".")]


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout, indent=1)
    sys.stdout.write("\n")
