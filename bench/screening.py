"""Texts a second in which personal information is sought and the language is named, against a plain pass over them.

`python -m bench.screening` makes texts of 200 characters by a fixed seed: without digits, with digits, and with things
to find. Each line: the figure, its limit, and how many plain passes (one `str.lower` of each text) it costs.
"""

import random
import resource
import sys
import time
from collections.abc import Callable

WORDS = "what is the best way to keep basil fresh for a week when my friends come over from the coast on Sunday"
DIGITS = ("in 1984", "24/7", "3:2", "$12,000", "for 45 minutes", "2020-09-23", "v1.2.3", "100%")
FINDINGS = (
    "a.smith@example.org",
    "(415) 555-2671",
    "4111 1111 1111 1111",
    "12 Baker Street",
    "+44 20 7946 0958",
    "81.2.69.142",
)
LENGTH, ROUNDS = 200, 3
MEGABYTES_LIMIT = 150


def main() -> int:
    """Measure, print, and return the exit code: 1 if a limit is not kept."""
    before = peak_megabytes()
    from sources import languages, personal

    rnd = random.Random(1)
    plain = texts(rnd, 100_000, ())
    measured = [
        ("personal, no digits", personal.find, plain, 300_000),
        ("personal, digits", personal.find, texts(rnd, 20_000, DIGITS), 10_000),
        ("personal, one finding", personal.find, texts(rnd, 5_000, FINDINGS), 500),
        ("language", languages.identify, plain[:20_000], 20_000),
    ]
    kept = [report(*line) for line in measured]
    grown = peak_megabytes() - before
    print(f"{'memory of both, with the texts':32} {grown:>12,.0f} MB   limit {MEGABYTES_LIMIT} MB")
    return 0 if all(kept) and grown <= MEGABYTES_LIMIT else 1


def texts(rnd: random.Random, count: int, extras: tuple[str, ...]) -> list[str]:
    """Texts of LENGTH characters, each with one of the extras in its midst."""
    made = []
    for _ in range(count):
        words = rnd.choices(WORDS.split(), k=60)
        if extras:
            words.insert(rnd.randrange(20), rnd.choice(extras))
        made.append(" ".join(words)[:LENGTH])
    return made


def report(name: str, function: Callable[[str], object], given: list[str], limit: int) -> bool:
    """Print a line; whether the limit is kept."""
    baseline = per_second(str.lower, given)
    rate = per_second(function, given)
    print(f"{name:32} {rate:>12,.0f} texts/s   limit {limit:>7,}   {baseline / rate:>8,.1f} plain passes")
    return rate >= limit


def per_second(function: Callable[[str], object], given: list[str]) -> float:
    """The best of a few rounds."""
    return max(len(given) / seconds(function, given) for _ in range(ROUNDS))


def seconds(function: Callable[[str], object], given: list[str]) -> float:
    begin = time.perf_counter()
    for text in given:
        function(text)
    return time.perf_counter() - begin


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
