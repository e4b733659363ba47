"""What a person may wish: which languages they read, which topics they are not given, which keys they press,
and whether their single votes may be published under a pseudonym.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf.locale import LANG_INFO

from annotate import assignments, keys
from annotate.models import Annotator, Campaign, VoteSharing
from annotate.statements import rows
from labels import loading
from labels.models import Label

# What makes reading easier: fields of a person, each with a field of the form.
COMFORT = ("severe_per_day", "minutes_per_day", "calm_after", "time_zone", "is_masked", "is_still")
MOST_CALM = 5

# Languages whose names Django knows only with a script or a region.
NAMES = {"zh": "中文", "no": "norsk"}

# The languages of the texts that still want votes. From one language to the next in the index unit_open_by_language,
# which costs a few look-ups for each language, however many texts there are.
SPOKEN = """
    WITH RECURSIVE spoken (campaign, language) AS (
        SELECT place.id, (
            SELECT min(unit.language) FROM annotate_unit unit
            WHERE unit.campaign_id = place.id AND unit.taken < unit.overlap AND NOT unit.is_withdrawn)
        FROM annotate_campaign place WHERE place.id = ANY(%(campaigns)s)
        UNION ALL
        SELECT spoken.campaign, (
            SELECT min(unit.language) FROM annotate_unit unit
            WHERE unit.campaign_id = spoken.campaign AND unit.language > spoken.language
              AND unit.taken < unit.overlap AND NOT unit.is_withdrawn)
        FROM spoken WHERE spoken.language IS NOT NULL
    )
    SELECT DISTINCT language FROM spoken WHERE language <> ''
"""


@dataclass(frozen=True)
class Offer:
    """What one person can choose from: what the open campaigns have, and what they chose before."""

    languages: dict[str, str]
    topics: dict[str, str]
    label_sets: tuple[tuple[Label, ...], ...]

    @property
    def actions(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Every action of any set, with its name and its usual keys: a label may have another key in another set."""
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for labels in self.label_sets or ((),):
            names = keys.words(labels)
            for action, key in keys.defaults(labels).items():
                usual = found[action][1] if action in found else ()
                found[action] = (str(names[action]), usual if key in usual else (*usual, key))
        return dict(sorted(found.items(), key=lambda item: not item[0].startswith(keys.LABEL)))

    def changed(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """What of ``chosen`` is to be kept; raises KeysRefused where it does not work in one of the sets."""
        kept: dict[str, str] = {}
        for labels in self.label_sets or ((),):
            kept |= keys.changed(chosen, labels)
        return kept


def offered(annotator: Annotator) -> Offer:
    """What ``annotator`` can choose from now."""
    campaigns = Campaign.objects.open_to(annotator)
    sets = sorted(set(campaigns.values_list("label_set", flat=True)))
    label_sets = tuple(tuple(loading.labels_of(pk).values()) for pk in sets)
    spoken = {language for (language,) in rows(SPOKEN, {"campaigns": list(campaigns.values_list("pk", flat=True))})}
    languages = {code: language_name(code) for code in spoken | set(read_languages(annotator))}
    return Offer(
        languages=dict(sorted(languages.items(), key=lambda item: item[1].casefold())),
        topics=_topics(label_sets, annotator.avoided_topics),
        label_sets=label_sets,
    )


def save(
    annotator: Annotator,
    *,
    languages: list[str],
    avoided_topics: list[str],
    keys_enabled: bool,
    changed_keys: Mapping[str, str],
    comfort: Mapping[str, Any],
    shares_votes: bool,
    offer: Offer,
) -> None:
    """Keep what a person wishes, and give back what they hold against it: the next text follows the wishes.

    Keys of labels that no open campaign has are left as they were.
    """
    kept = {action: key for action, key in annotator.keys.items() if action not in offer.actions}
    annotator.languages, annotator.avoided_topics = languages, avoided_topics
    annotator.keys_enabled, annotator.keys = keys_enabled, {**kept, **changed_keys}
    for name in COMFORT:
        setattr(annotator, name, comfort[name])
    annotator.save(update_fields=["languages", "avoided_topics", "keys_enabled", "keys", *COMFORT])
    _say_sharing(annotator, shares_votes)
    assignments.release_unwished(annotator)


@cache
def time_zones() -> tuple[str, ...]:
    """Names of the time zones that Python and the database both know, those of places and UTC."""
    known = {name for (name,) in rows("SELECT name FROM pg_timezone_names", {})} & zoneinfo.available_timezones()
    return ("UTC", *sorted(name for name in known if "/" in name and not name.startswith("Etc/")))


def sharing(annotator: Annotator) -> VoteSharing | None:
    """What a person last said on whether their single votes may be published; None, which is no, before that."""
    return VoteSharing.objects.filter(annotator=annotator).first()


def _say_sharing(annotator: Annotator, allowed: bool) -> None:
    """Keep it with its moment if it is something else than before."""
    said = sharing(annotator)
    if allowed != bool(said and said.allowed):
        VoteSharing.objects.create(annotator=annotator, allowed=allowed)


def read_languages(annotator: Annotator) -> list[str]:
    """The languages that a person reads, without regions, as units have them."""
    return sorted({code.split("-")[0].lower() for code in annotator.languages})


def language_name(code: str) -> str:
    """The name of a language in that language, or its code where Django does not know it."""
    name = NAMES.get(code) or LANG_INFO.get(code, {}).get("name_local") or code
    return str(name[:1].upper() + name[1:]) if name != code else code


def _topics(label_sets: tuple[tuple[Label, ...], ...], chosen: list[str]) -> dict[str, str]:
    tags = {label.code: label.name for labels in label_sets for label in labels if label.kind == Label.Kind.TAG}
    return {**tags, **{code: code for code in chosen if code not in tags}}
