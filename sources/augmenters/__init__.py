"""The ways to make new instructions of those there are: one module for each kind."""

from __future__ import annotations

from sources.augmenters import comments, contrasts, dialogues, noise, personal, seq2seq, swaps
from sources.augmenters.augmenter import Augmenter
from sources.errors import SourceError
from sources.importers.importer import did_you_mean

_KNOWN: dict[str, Augmenter] = {
    augmenter.name: augmenter
    for module in (comments, dialogues, contrasts, noise, swaps, personal, seq2seq)
    for augmenter in module.AUGMENTERS
}


class UnknownAugmenter(SourceError):
    """augmenter {name!r} is not known: {remedy}"""


def known() -> list[Augmenter]:
    """Every augmenter."""
    return list(_KNOWN.values())


def get(name: str) -> Augmenter:
    """The augmenter called ``name``. Raises UnknownAugmenter, which lists those there are."""
    if name not in _KNOWN:
        raise UnknownAugmenter(name=name, remedy=did_you_mean(name, list(_KNOWN)))
    return _KNOWN[name]
