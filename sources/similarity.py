"""Near-duplicates among texts: MinHash signatures by rensa, bands of them as numpy columns, clusters (pure, no Django).

A text is the set of its shingles: every six bytes of its UTF-8, which are six letters of Latin script, three of
Cyrillic or Arabic and two of Chinese or Hindi, so that one measure suits languages with and without spaces. The
similarity of two texts is the share of shingles that they have in common (Jaccard). Signatures of 128 slots find pairs
that may be similar, the texts decide. ``docs/near-duplicates.md`` has the reasons and the figures.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

# A change of these, or of the algorithm of rensa, makes other signatures: never compare old ones with new ones.
SEED, SLOTS, SHINGLE_BYTES = 1, 128, 6
# Of each slot of 32 bits the low 16 are kept: two different slots look equal once in 65,536, for half the memory.
SIGNATURE_BYTES = 2 * SLOTS
# A band is four slots, thus one integer of 64 bits. Two texts are compared if one of 32 bands is equal: the chance is
# 1 - (1 - s**4)**32, that is 0.99 at a similarity of s = 0.6 and 0.9999 at 0.7 (Leskovec et al., Mining of Massive
# Datasets, section 3.4).
BANDS = 32
LOWEST_THRESHOLD = 0.6
# Texts made from one template share bands without being similar. In each bucket only so many texts are compared with
# all others, so that the work grows with the texts and not with their square.
LEADERS = 16
PASSES = 4
# A text is offered so many earlier ones to join: in a million copies of one form each would have dozens.
OFFERS = 8
# Three standard errors of a similarity estimated from 128 slots: pairs this far below the threshold are looked at.
MARGIN_SLOTS = 13

# Texts are asked for by 200 pairs, since one may be some 100 kB long.
_BATCH_BYTES, _BATCH_PAIRS, _BATCH_TEXTS = 1_000_000, 100_000, 200
_ROW = np.dtype([("id", "<i8"), ("signature", f"V{SIGNATURE_BYTES}")])
_SLOTS = np.dtype([("id", "<i8"), ("slots", "<u2", (SLOTS,))])
_BANDS = np.dtype([("id", "<i8"), ("bands", "<u8", (BANDS,))])
# An edge in 64 bits. The order is that of the later text; for each, the earliest leader that seems similar enough comes
# first, and behind these the ones that lack the fewest slots.
_INDEX_BITS, _LACK_BITS = 28, 8
_INDEX_MASK = (1 << _INDEX_BITS) - 1

# ASCII, Latin-1, general and Chinese or Japanese punctuation. Not the category P: vowel signs of Indian scripts are no
# letters for ``re`` either, and a text of nothing but emoji keeps them.
_PUNCTUATION = re.compile("[\\s!-/:-@\\[-`{-~\u00a1-\u00bf\u2000-\u206f\u3000-\u303f]+")

type Integers = NDArray[np.int64]
type Words = NDArray[np.uint64]
type Edge = tuple[int, int]  # the places of a leader and of a later text
type TextsOf = Callable[[Sequence[int]], Mapping[int, str]]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Near-duplicates: ``members`` as (id, similarity), ascending by id, each at least the threshold from the one kept.

    ``representative`` has the smallest id of all and is not in ``members``.
    """

    representative: int
    members: Sequence[tuple[int, float]]


def normalised(text: str) -> str:
    """The text in NFKC and without case, runs of white space and punctuation as one blank; punctuation if only that."""
    folded = unicodedata.normalize("NFKC", text.casefold()).replace("\0", "")
    return _PUNCTUATION.sub(" ", folded).strip() or " ".join(folded.split())


def signatures(texts: Iterable[str]) -> Iterator[bytes]:
    """The signature of each text in turn, ``SIGNATURE_BYTES`` long and a function of the text alone.

    Work and memory are linear in the longest text; texts are hashed in batches of about a million bytes.
    """
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(_encoded(text))
        size += len(batch[-1])
        if size > _BATCH_BYTES:
            yield from _hashed(batch)
            batch, size = [], 0
    if batch:
        yield from _hashed(batch)


def similarity(one: str, other: str) -> float:
    """The Jaccard similarity of the shingles of two texts, 0 to 1; 1 if neither has any."""
    return _jaccard(_shingle_set(one), _shingle_set(other))


def clusters(signed: Iterable[tuple[int, bytes]], threshold: float, texts_of: TextsOf) -> Iterator[Cluster]:
    """The clusters of texts, given as unique ids with their signatures in any order; ascending by representative.

    A text without a near-duplicate is in no cluster, every other in exactly one. Clusters are stars: each member is
    similar to the representative itself, not to somebody in between, so that dropping all members drops no text that
    is unlike the one kept. ``texts_of`` gives the texts of up to 400 ids at a time. Memory is about 400 bytes a text.
    """
    if not LOWEST_THRESHOLD <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}: give one from {LOWEST_THRESHOLD} to 1")
    rows = _in_order(np.fromiter(signed, dtype=_ROW))
    _, first, inverse = np.unique(_keys(rows), return_index=True, return_inverse=True)
    # Equal signatures are one text until the end: they can neither fill a bucket nor fall into two clusters.
    original = first[inverse]
    del inverse
    measured = _Measured(rows["id"], threshold, texts_of)
    representatives, similar = _stars(rows, np.sort(first), measured)
    yield from _grouped(rows["id"], representatives[original], similar[original])


def _hashed(texts: Sequence[bytes]) -> Iterator[bytes]:
    ends = np.cumsum([0, *map(len, texts)], dtype=np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(_shingles(texts), ends, SLOTS, SEED)
    slots = np.array(matrix.to_rows(), np.uint32).astype("<u2")
    return (row.tobytes() for row in slots)


def _shingles(texts: Sequence[bytes]) -> Words:
    """One integer for each byte of the texts, read from one buffer in which zeros, that no text has, follow each."""
    buffer = np.frombuffer(b"".join(text + bytes(8) for text in texts), np.uint8)
    at_each_byte: Words = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))
    return at_each_byte[np.flatnonzero(buffer[:-7])] & np.uint64((1 << 8 * SHINGLE_BYTES) - 1)


def _shingle_set(text: str) -> Words:
    return np.unique(_shingles([_encoded(text)]))


def _encoded(text: str) -> bytes:
    return normalised(text).encode("utf-8", "surrogatepass")


def _jaccard(one: Words, other: Words) -> float:
    common = np.intersect1d(one, other, assume_unique=True).size
    return common / (one.size + other.size - common) if common else float(one.size == other.size == 0)


class _Measured:
    """The similarities of pairs by their texts; each pair is read once."""

    def __init__(self, ids: Integers, threshold: float, texts_of: TextsOf) -> None:
        self.ids, self.threshold, self.texts_of = ids, threshold, texts_of
        self.similarity: dict[Edge, float] = {}

    def refutes(self, edge: Edge) -> bool:
        """Whether a pair was read and is below the threshold."""
        return self.similarity.get(edge, 1.0) < self.threshold

    def read(self, edges: Iterable[Edge]) -> None:
        new = sorted(edge for edge in edges if edge not in self.similarity)
        for start in range(0, len(new), _BATCH_TEXTS):
            batch = new[start : start + _BATCH_TEXTS]
            texts = self.texts_of(sorted({self.id(place) for edge in batch for place in edge}))
            for leader, pairs in groupby(batch, key=itemgetter(0)):
                shingles = _shingle_set(texts[self.id(leader)])
                self.similarity |= {edge: _jaccard(shingles, _shingle_set(texts[self.id(edge[1])])) for edge in pairs}

    def id(self, place: int) -> int:
        return int(self.ids[place])


def _keys(rows: NDArray[np.void]) -> Words:
    """One integer for each signature: among a million, two different ones are equal with a chance of 3 in 10**8."""
    keys = np.zeros(len(rows), np.uint64)
    for band in range(BANDS):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows.view(_BANDS)["bands"][:, band]
    return keys


def _in_order(rows: NDArray[np.void]) -> NDArray[np.void]:
    ids = rows["id"]
    return rows if (ids[:-1] < ids[1:]).all() else rows[np.argsort(ids)]


def _stars(rows: NDArray[np.void], places: Integers, measured: _Measured) -> tuple[Integers, NDArray[np.float64]]:
    """For each row the place of its representative, its own if it has none, and its similarity to it.

    A text may be similar only to texts that joined others. Those left over are clustered again among themselves.
    """
    representatives, similar = np.arange(len(rows), dtype=np.int64), np.ones(len(rows))
    for _ in range(PASSES):
        edges = _edges(rows, places, math.ceil(measured.threshold * SLOTS))
        joining = _holding(edges, len(rows), measured)
        for leader, later in joining:
            representatives[later], similar[later] = leader, measured.similarity[leader, later]
        places = _left_over(edges, joining)
        if not joining or len(places) < 2:
            break
    return representatives, similar


def _holding(edges: Words, rows: int, measured: _Measured) -> list[Edge]:
    """Who joins whom by the texts themselves: what these refute is left out, and others may join instead."""
    for _ in range(PASSES):
        joining = _joining(edges, rows, measured)
        measured.read(joining)
        if not any(map(measured.refutes, joining)):
            break
    return [edge for edge in joining if not measured.refutes(edge)]


def _joining(edges: Words, rows: int, measured: _Measured) -> list[Edge]:
    """Each text in turn joins the first offered to it that joined nobody itself."""
    joined = bytearray(rows)
    joining = []
    for edge in _unpacked(edges):
        leader, later = edge
        # By the order of the edges it is settled here whether the leader joined an earlier one.
        if not joined[leader] and not joined[later] and not measured.refutes(edge):
            joined[later] = 1
            joining.append(edge)
    return joining


def _left_over(edges: Words, joining: Sequence[Edge]) -> Integers:
    """Texts that seem similar to another, but joined nobody, and that nobody joined."""
    touched = np.unique(np.concatenate([edges >> np.uint64(_INDEX_BITS + _LACK_BITS), edges & np.uint64(_INDEX_MASK)]))
    return np.setdiff1d(touched.astype(np.int64), np.array(joining, np.int64).ravel())


def _edges(rows: NDArray[np.void], places: Integers, enough: int) -> Words:
    """Pairs that share a band and agree in about so many slots, packed, sorted and unique; of a text its best ones."""
    bands = rows.view(_BANDS)["bands"]
    slots = rows.view(_SLOTS)["slots"]
    edges: Words = np.empty(0, np.uint64)
    for band in range(BANDS):
        found = list(_pairs_of_band(slots, places, bands[places, band], enough))
        edges = _best(np.unique(np.concatenate([edges, *found])))
    return edges


def _pairs_of_band(slots: NDArray[np.uint16], places: Integers, keys: Words, enough: int) -> Iterator[Words]:
    """Compare the first text of every bucket with the others, then the first of those unlike it, and so on."""
    order = np.argsort(keys, kind="stable")
    places, keys = places[order], keys[order]
    for _ in range(LEADERS):
        starts, sizes = _buckets(keys)
        crowded = np.repeat(sizes > 1, sizes)
        leaders = np.repeat(places[starts], sizes)[crowded]
        places, keys = places[crowded], keys[crowded]
        if not len(places):
            return
        counts = _agreeing(slots, leaders, places)
        others = leaders != places
        similar = others & (counts >= enough - MARGIN_SLOTS)
        lacking = np.maximum(enough - counts[similar].astype(np.int64), 0)
        yield _packed(places[similar], lacking, leaders[similar])
        places, keys = places[others & ~similar], keys[others & ~similar]


def _buckets(keys: Words) -> tuple[Integers, Integers]:
    """Where each run of equal keys starts, and how long it is."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    return starts, np.diff(np.append(starts, len(keys)))


def _agreeing(slots: NDArray[np.uint16], ones: Integers, others: Integers) -> NDArray[np.uint8]:
    counts = np.empty(len(ones), np.uint8)
    for start in range(0, len(ones), _BATCH_PAIRS):
        part = slice(start, start + _BATCH_PAIRS)
        counts[part] = np.count_nonzero(slots[ones[part]] == slots[others[part]], axis=1)
    return counts


def _best(edges: Words) -> Words:
    starts, sizes = _buckets(edges >> np.uint64(_INDEX_BITS + _LACK_BITS))
    return edges[np.arange(len(edges)) - np.repeat(starts, sizes) < OFFERS]


def _packed(later: Integers, lacking: Integers, leaders: Integers) -> Words:
    return ((((later << _LACK_BITS) | lacking) << _INDEX_BITS) | leaders).astype(np.uint64)


def _unpacked(edges: Words) -> Iterator[Edge]:
    batches = (edges[start : start + _BATCH_PAIRS].tolist() for start in range(0, len(edges), _BATCH_PAIRS))
    for edge in chain.from_iterable(batches):
        yield edge & _INDEX_MASK, edge >> (_INDEX_BITS + _LACK_BITS)


def _grouped(ids: Integers, representatives: Integers, similar: NDArray[np.float64]) -> Iterator[Cluster]:
    members = np.flatnonzero(representatives != np.arange(len(ids)))
    members = members[np.argsort(representatives[members], kind="stable")]
    starts, sizes = _buckets(representatives[members].astype(np.uint64))
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        part = members[start : start + size]
        pairs = list(zip(ids[part].tolist(), similar[part].tolist(), strict=True))
        yield Cluster(int(ids[representatives[part[0]]]), pairs)
