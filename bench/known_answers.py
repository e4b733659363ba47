"""What known answers find: campaigns of 200 simulated people, of whom 20 are careless or scripts.

``python -m bench.known_answers`` prints, over several seeds, the share of the careless that a campaign is paused for or
that do not qualify, the share of the careful to whom the same happens, and how many published labels are right: with
nothing, with qualification, with gold that is as the texts are or of each answer as often, and with both. No
database: the rules are those of ``sql/desk.sql``, in numpy.

Careful people are right with 80 to 95 %, and 6 of 100 texts are hard: there they are right with half of that. Of the
careless half answer at random and half always the same. Everybody comes with a will to label so many texts; texts are
given in order, three votes each. Whoever is paused comes back once, no better, and is excluded at the second pause:
the votes are withdrawn and given to others.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from labels.agreement import wilson

PEOPLE, CARELESS, TEXTS, OVERLAP, OPTIONS = 200, 20, 8_000, 3, 3
HARD, EVERY, WINDOW, LEAST = 0.06, 10, 30, 0.7
TYPICAL, EVEN = "typical", "even"
QUALIFICATION, PASS, TRIES = 10, 0.7, 3


@dataclass(frozen=True)
class Outcome:
    """Shares, 0 to 1."""

    found: float
    wrongly: float
    right: float
    checks: float  # of all answers, those that were gold


class Person:
    """One person, and what is known of their answers to gold."""

    def __init__(self, number: int, chance: np.random.Generator) -> None:
        self.chance, self.is_careless = chance, number < CARELESS
        self.skill = chance.uniform(0.8, 0.95)
        self.option = int(chance.integers(OPTIONS)) if number < CARELESS // 2 else None
        self.gold: list[bool] = []
        self.pauses = 0
        self.is_out = False

    def answer(self, truth: int, *, hard: bool) -> int:
        if self.is_careless:
            return int(self.chance.integers(OPTIONS)) if self.option is None else self.option
        if self.chance.random() < (self.skill / 2 if hard else self.skill):
            return truth
        return (truth + 1 + int(self.chance.integers(OPTIONS - 1))) % OPTIONS

    def qualifies(self, truths: np.ndarray) -> bool:
        """Within the tries, each on texts that are not hard."""
        for _ in range(TRIES):
            asked = self.chance.choice(truths, QUALIFICATION)
            right = sum(self.answer(int(truth), hard=False) == truth for truth in asked)
            if right >= PASS * QUALIFICATION:
                return True
        return False

    def judge(self, *, right: bool) -> None:
        """Pause, and exclude at the second time."""
        self.gold.append(right)
        last = self.gold[-WINDOW:]
        if wilson(sum(last), len(last))[1] < LEAST:
            self.pauses, self.gold = self.pauses + 1, []
            self.is_out = self.pauses == 2


def campaign(seed: int, *, qualification: bool, gold: str) -> Outcome:
    """One campaign until every text has its votes."""
    chance = np.random.default_rng(seed)
    truths = chance.choice(OPTIONS, TEXTS, p=[0.6, 0.3, 0.1])
    hard = chance.random(TEXTS) < HARD
    people = [Person(number, chance) for number in range(PEOPLE)]
    if qualification:
        for person in people:
            person.is_out = not person.qualifies(np.arange(OPTIONS))
    votes: list[dict[int, int]] = [{} for _ in range(TEXTS)]
    checks = answers = 0
    open_texts = list(range(TEXTS))
    while open_texts:
        for text in open_texts:
            while len(votes[text]) < OVERLAP:
                free = [n for n in range(PEOPLE) if not people[n].is_out and n not in votes[text]]
                who = int(chance.choice(free))
                person, answers = people[who], answers + 1
                votes[text][who] = person.answer(int(truths[text]), hard=bool(hard[text]))
                if gold and chance.random() < 1 / EVERY:
                    truth = int(chance.choice(truths) if gold == TYPICAL else chance.integers(OPTIONS))
                    checks += 1
                    person.judge(right=person.answer(truth, hard=False) == truth)
        excluded = {n for n in range(PEOPLE) if people[n].is_out}
        votes = [{who: said for who, said in given.items() if who not in excluded} for given in votes]
        open_texts = [text for text in range(TEXTS) if len(votes[text]) < OVERLAP]
    counts = np.array([np.bincount(list(given.values()), minlength=OPTIONS) for given in votes])
    kept_out = [person.pauses > 0 or person.is_out for person in people]
    return Outcome(
        float(np.mean(kept_out[:CARELESS])),
        float(np.mean(kept_out[CARELESS:])),
        float(np.mean((counts.argmax(axis=1) == truths) & (counts.max(axis=1) > OVERLAP / 2))),
        checks / max(answers + checks, 1),
    )


WAYS = {
    "nothing": (False, ""),
    "qualification": (True, ""),
    "gold as texts are": (False, TYPICAL),
    "gold, even": (False, EVEN),
    "both, even": (True, EVEN),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.known_answers", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    print(
        f"{PEOPLE} people, {CARELESS} of them careless, {TEXTS} texts with {OVERLAP} votes; gold is one text of {EVERY}"
    )
    print(f"{seeds} seeds: mean (least to most)")
    print(f"{'':18}{'careless found':>24}{'careful paused':>24}{'labels right':>24}{'answers to gold':>24}")
    for name, (qualification, gold) in WAYS.items():
        found = [campaign(seed, qualification=qualification, gold=gold) for seed in range(seeds)]
        told = [[getattr(one, field) for one in found] for field in ("found", "wrongly", "right", "checks")]
        print(f"{name:18}" + "".join(f"{np.mean(v):>9.1%} ({min(v):.1%} to {max(v):.1%})".rjust(24) for v in told))


if __name__ == "__main__":
    main()
