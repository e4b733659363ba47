"""Makes `dawid_skene.json`: what crowd-kit's Dawid-Skene says of random ragged votes after so many rounds.

    uv run --no-project --python 3.12 --with crowd-kit==1.4.2 python tests/labels/oracles/dawid_skene.py

crowd-kit is an independent implementation, far too large to be a dependency: its values are frozen beside this file.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene

# Units, annotators, options, most votes per unit, share of known answers, rounds.
WORLDS = [(60, 5, 2, 5, 0.0, 1), (80, 6, 3, 6, 0.0, 12), (120, 8, 4, 7, 0.0, 40), (90, 5, 3, 4, 0.3, 15)]


def world(seed: int, n: int, a: int, k: int, most: int, known: float, rounds: int) -> dict[str, object]:
    """Votes that are right two times in three, and the oracle's estimate."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    votes = [
        (unit, int(who), int(truth[unit] if rng.random() < 0.65 else rng.integers(0, k)))
        for unit in range(n)
        for who in rng.permutation(a)[: rng.integers(1, min(a, most) + 1)]
    ]
    data = pd.DataFrame(votes, columns=["task", "worker", "label"])
    gold = np.where(rng.random(n) < known, truth, -1)
    answers = pd.Series({unit: answer for unit, answer in enumerate(gold) if answer >= 0}, dtype="int64")
    # A tolerance that no change falls below: exactly this many rounds.
    model = DawidSkene(n_iter=rounds, tol=-1e9).fit(data, answers if known else None)
    errors = model.errors_.reindex(pd.MultiIndex.from_product([range(a), range(k)]), fill_value=0.0)
    return {
        "votes": votes,
        "gold": gold.tolist(),
        "n_options": k,
        "rounds": rounds,
        "posteriors": model.probas_.sort_index()[list(range(k))].to_numpy().tolist(),
        "prior": model.priors_[list(range(k))].tolist(),
        "confusion": errors[list(range(k))].to_numpy().reshape(a, k, k).transpose(0, 2, 1).tolist(),
    }


if __name__ == "__main__":
    worlds = [world(seed, *shape) for seed, shape in enumerate(WORLDS)]
    Path(__file__).with_suffix(".json").write_text(json.dumps(worlds) + "\n", encoding="utf-8")
