"""Agreement on sets of tags: each set that occurs is an option, written as the number whose bits are its tags."""

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


def jaccard_distance(options: tuple[str, ...]) -> Floats:
    """1 - |A and B| / |A or B| of the sets (K, K), 0 to 1; two empty sets are the same, so 0 (Jaccard 1912)."""
    common, union = _overlaps(options)
    return 1 - np.where(union == 0, 1, common / np.maximum(union, 1))


def masi_distance(options: tuple[str, ...]) -> Floats:
    """1 - J M of the sets (K, K): J is Jaccard's similarity, and M is 1 for equal sets, 2/3 where one contains the
    other, 1/3 where they overlap, 0 where they are disjoint (Passonneau 2006); two empty sets are the same, so 0.
    """
    common = _overlaps(options)[0]
    sizes = np.diag(common)
    smaller, larger = np.minimum(sizes[:, None], sizes), np.maximum(sizes[:, None], sizes)
    alike = np.select([common == larger, common == smaller, common > 0], [1, 2 / 3, 1 / 3], 0)
    return 1 - alike * (1 - jaccard_distance(options))


def _overlaps(options: tuple[str, ...]) -> tuple[Floats, Floats]:
    """How many tags two sets have in common and together, (K, K) each."""
    sets = [int(option) for option in options]
    common = np.array([[float((one & other).bit_count()) for other in sets] for one in sets])
    sizes = np.diag(common)
    return common, sizes[:, None] + sizes - common
