"""How fast near-duplicates are found, in how much memory, and how many of those planted.

`python -m bench.near_duplicates --rows 1000000` makes texts of about 200 characters, a tenth of them edited copies of
others, and hashes and clusters them in one process. Each line: the figure, its limit, and figure / limit; exit code 1
if a limit is exceeded. Recall and precision come by kind of edit and by threshold.
"""

import argparse
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate

from sources import similarity

SECONDS_LIMIT, GIGABYTES_LIMIT = 15 * 60, 4.0
# One in ten texts is a copy of an earlier one.
COPY_EVERY = 10
CHARACTERS = 200
THRESHOLDS = (0.6, 0.7, 0.8, 0.9)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

type Edit = Callable[[random.Random, str], str]


def main() -> int:
    """Measure, print, and return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--threshold", type=float, default=0.7)
    given = arguments.parse_args()
    quality(min(given.rows, 30_000))
    return report(given.rows, *speed(given.rows, given.threshold))


def speed(rows: int, threshold: float) -> tuple[float, float]:
    """Seconds of hashing the texts of a file, and of clustering them; the texts are never in memory together."""
    with tempfile.TemporaryFile() as file:
        lengths = [file.write(text.encode("ascii")) for text, _ in texts(rows)]
        file.flush()
        starts = array("q", accumulate(lengths, initial=0))

        def text_of(row: int) -> str:
            return os.pread(file.fileno(), starts[row + 1] - starts[row], starts[row]).decode("ascii")

        started, worked = time.perf_counter(), time.process_time()
        signed = list(enumerate(similarity.signatures(map(text_of, range(rows)))))
        hashed = time.perf_counter()
        clusters = similarity.clusters(signed, threshold, lambda ids: {row: text_of(row) for row in ids})
        found = sum(len(cluster.members) for cluster in clusters)
        ended = time.perf_counter()
    print(f"{rows:,} texts of {starts[-1] / rows:.0f} characters, threshold {threshold}: {found:,} near-duplicates")
    # On a machine that does other things, seconds of the processor say more than seconds of the clock.
    print(f"seconds of the processor: {time.process_time() - worked:.2f}")
    return hashed - started, ended - hashed


def texts(rows: int) -> Iterator[tuple[str, tuple[int, str] | None]]:
    """Texts of words as frequent as those of a language; a copy says of which row it is, and how it was edited."""
    chance = random.Random(rows)
    words = ["".join(chance.choices(LETTERS, k=chance.randint(2, 9))) for _ in range(30_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    original, source = "", 0
    kinds = list(EDITS)
    for row in range(rows):
        if row % COPY_EVERY == COPY_EVERY - 1:
            kind = chance.choice(kinds)
            yield EDITS[kind](chance, original), (source, kind)
            continue
        text = " ".join(chance.choices(words, cum_weights=weights, k=CHARACTERS // 6))
        if row % COPY_EVERY == 0:
            original, source = text, row
        yield text, None


def typos(number: int) -> Edit:
    def edit(chance: random.Random, text: str) -> str:
        letters = list(text)
        for place in chance.sample(range(len(letters)), number):
            letters[place] = chance.choice(LETTERS)
        return "".join(letters)

    return edit


def other_words(number: int) -> Edit:
    def edit(chance: random.Random, text: str) -> str:
        words = text.split()
        for place in chance.sample(range(len(words)), number):
            words[place] = "".join(chance.choices(LETTERS, k=5))
        return " ".join(words)

    return edit


def written_otherwise(chance: random.Random, text: str) -> str:
    marks = (chance.choice(" -,") for _ in text)
    return "".join(f"{next(marks)} " if letter == " " else letter for letter in text.upper()) + "!"


def with_a_sentence(chance: random.Random, text: str) -> str:
    return f"{text}. Please answer in one short paragraph."


EDITS: dict[str, Edit] = {
    "nothing": typos(0),
    "case and punctuation": written_otherwise,
    "1 typo": typos(1),
    "3 typos": typos(3),
    "6 typos": typos(6),
    "1 word": other_words(1),
    "3 words": other_words(3),
    "a sentence added": with_a_sentence,
}


def quality(rows: int) -> None:
    """Print which planted copies are found: by kind of edit, and of all that are as similar as the threshold."""
    made = list(texts(rows))
    content = [text for text, _ in made]
    signed = list(enumerate(similarity.signatures(content)))
    planted = {row: copy for row, (_, copy) in enumerate(made) if copy}
    exact = {row: similarity.similarity(content[row], content[source]) for row, (source, _) in planted.items()}
    joined = {}
    for threshold in THRESHOLDS:
        clusters = similarity.clusters(signed, threshold, lambda ids: {row: content[row] for row in ids})
        joined[threshold] = {row: cluster.representative for cluster in clusters for row, _ in cluster.members}
    print(f"{rows:,} texts with {len(planted):,} planted copies: share found at a threshold of {THRESHOLDS}")
    for kind in EDITS:
        copies = [(row, source) for row, (source, its_kind) in planted.items() if its_kind == kind]
        middle = statistics.median(exact[row] for row, _ in copies)
        print(f"  {kind:22} similarity {middle:.2f}", *(f"{share(joined[at], copies):8.3f}" for at in THRESHOLDS))
    for at in THRESHOLDS:
        similar = [(row, planted[row][0]) for row, value in exact.items() if value >= at]
        print(
            f"  threshold {at}: recall of the {len(similar):,} pairs at or above it {share(joined[at], similar):.4f},",
            end=" ",
        )
        right = sum(planted.get(row, (None,))[0] == source for row, source in joined[at].items())
        print(f"precision {right / len(joined[at]):.4f}")


def share(joined: dict[int, int], pairs: list[tuple[int, int]]) -> float:
    return sum(joined.get(row) == source for row, source in pairs) / len(pairs)


def report(rows: int, hashing: float, clustering: float) -> int:
    seconds = hashing + clustering
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"hashing {rows / hashing:,.0f} rows/s, clustering {rows / clustering:,.0f}, both {rows / seconds:,.0f}")
    limits = (("seconds", seconds, SECONDS_LIMIT * rows / 1_000_000), ("GB at the peak", gigabytes, GIGABYTES_LIMIT))
    for name, figure, limit in limits:
        print(f"{name:22} {figure:10.2f}  limit {limit:8.2f}  ratio {figure / limit:.3f}")
    return int(any(figure > limit for _, figure, limit in limits))


if __name__ == "__main__":
    sys.exit(main())
