"""The keys of the labelling page: what each does by default, and what one person made of it. Pure: asks no database.

An action is one of ``ACTIONS`` or, for a label of the campaign's set, ``label:`` with its code. ``Annotator.keys``
holds only what differs from the default: one that changes reaches everybody who did not choose for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotate.errors import KeysRefused

# Labels have the digits 1 to 9 and the letters but for ``taxonomy.RESERVED_KEYS``, so none of these is taken by one.
ACTIONS = {
    "submit": "Enter",
    "skip": "Escape",
    "undo": "u",
    "none": "0",
    "context": ".",
    "note": ",",
    "ask": "/",
    "flag": ";",
    "report": "!",
    "help": "?",
    "leave": "-",
}

WORDS: dict[str, str | Promise] = {
    "submit": _("Submit, and go to the next"),
    "skip": _("Skip"),
    "undo": _("Change the last answer"),
    "none": _("None of these: no to every open tag"),
    "context": _("Show the rest of the text, or the other turns"),
    "note": _("A note"),
    "ask": _("A question on the guidelines"),
    "flag": _("Tell the curators"),
    "report": _("Report as illegal"),
    "help": _("Show the keys"),
    "leave": _("Leave at once"),
}

# Keys with a name instead of a character that may be chosen. The others belong to the browser.
NAMED = ("Enter", "Escape")
LABEL = "label:"


class Labelled(Protocol):
    """What is asked of a label."""

    code: str
    name: str
    key: str


class Presses(Protocol):
    """What is asked of a person."""

    keys: dict[str, str]


def defaults(labels: Iterable[Labelled]) -> dict[str, str]:
    """Every action with its usual key, those of the labels first, in their order."""
    return {**{f"{LABEL}{label.code}": label.key for label in labels}, **ACTIONS}


def words(labels: Iterable[Labelled]) -> dict[str, str | Promise]:
    """Every action with what it does, in the order of ``defaults``; labels by their names."""
    return {**{f"{LABEL}{label.code}": label.name for label in labels}, **WORDS}


def effective(annotator: Presses, labels: Iterable[Labelled]) -> dict[str, str]:
    """Every action with its key for this person; "" where its usual key serves another action of theirs.

    A person's own choices go before usual keys: a label that came later takes no key from them.
    """
    usual = defaults(labels)
    own = {action: key for action, key in annotator.keys.items() if action in usual and is_key(key)}
    taken: dict[str, str] = {}
    for action, key in [*own.items(), *((action, key) for action, key in usual.items() if action not in own)]:
        taken.setdefault(key, action)
    return {action: _held(own.get(action, key), action, taken) for action, key in usual.items()}


def changed(chosen: Mapping[str, str], labels: Iterable[Labelled]) -> dict[str, str]:
    """What of ``chosen``, {action: key}, differs from the usual keys, to be kept in ``Annotator.keys``.

    Raises KeysRefused for a key that cannot be used and for two actions with one key.
    """
    labels = list(labels)
    usual, named = defaults(labels), words(labels)
    wanted = {action: normal(key) for action, key in chosen.items() if action in usual and key.strip()}
    for action, key in wanted.items():
        if not is_key(key):
            said = _("“%(key)s” cannot be a key; use one character that is not a space.") % {"key": key}
            raise KeysRefused(said, action)
    users: dict[str, str] = {}
    for action, key in {**usual, **wanted}.items():
        other = users.setdefault(key, action)
        if other != action:
            shared = {"key": hint(key), "one": named[other], "other": named[action]}
            said = _("“%(key)s” would do two things: “%(one)s” and “%(other)s”. Give one of them another key.") % shared
            raise KeysRefused(said, other, action)
    return {action: key for action, key in wanted.items() if key != usual[action]}


def hint(key: str) -> str:
    """A key as it stands beside what it does."""
    return "Esc" if key == "Escape" else key.upper() if len(key) == 1 else key


def normal(key: str) -> str:
    """A key as it is kept: characters small, names as browsers write them."""
    named = {"esc": "Escape", **{name.lower(): name for name in NAMED}}
    return named.get(key.strip().lower(), key.strip().lower())


def is_key(key: str) -> bool:
    return key in NAMED or (len(key) == 1 and key.isprintable() and not key.isspace() and key == key.lower())


def _held(key: str, action: str, taken: Mapping[str, str]) -> str:
    return key if taken[key] == action else ""
