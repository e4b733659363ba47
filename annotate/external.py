"""Votes of real annotators that a public dataset brings: an external campaign with its own label set, no overlap.

Called by the import (``sources.imports``) inside the transaction of each batch, so that votes are exactly as resumable
as the rows they came with.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.utils.text import Truncator

from annotate.models import Annotation, Annotator, Campaign, Unit
from labels import loading
from labels.models import Label, LabelSet
from sources.models import ImportRun, Source
from sources.rows import SourceVote, VoteCounts

# Namespace of the keys of external votes: the same row of the same source always has the same key.
EXTERNAL_VOTE = uuid.UUID("5a2f0f52-6f0e-4a53-9f0c-2f1f5f1f6c11")

type Said = tuple[int, SourceVote]  # instruction id and a vote on it


def write_votes(run: ImportRun, label_set: str, rows: Sequence[tuple[int, Sequence[SourceVote]]]) -> VoteCounts:
    """Store the votes of one batch; the first vote of an annotator on a unit counts, further ones are only counted."""
    campaign = _campaign(run.source, label_set)
    # Two imports of one source take turns here: who voted before on what is read and then written.
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    labels = {label.code: label for label in campaign.label_set.labels.all() if label.kind == Label.Kind.OPTION}
    said = [(instruction, vote) for instruction, votes in rows for vote in votes]
    mapped = [(instruction, vote) for instruction, vote in said if vote.choice in labels]
    new, repeated = _sorted_out(run, campaign, mapped, labels)
    Annotation.objects.bulk_create(new)
    unmapped = Counter(vote.choice for _, vote in said if vote.choice not in labels)
    return VoteCounts(
        added=len(new),
        known=len(mapped) - len(new) - len(repeated),
        repeated=len(repeated),
        rejected=unmapped.total(),
        reasons={f"no mapping for the vote {Truncator(choice).chars(40)!r}": n for choice, n in unmapped.items()},
        offenders=[f"{v.row}: {v.annotator} voted again on this unit; the first vote counts" for v in repeated],
    )


def _campaign(source: Source, label_set: str) -> Campaign:
    of_source = Campaign.objects.filter(kind=Campaign.Kind.EXTERNAL, sources=source, label_set__name=label_set)
    campaign = of_source.first()
    if campaign is None:
        # Two imports of one source take turns here, and make one campaign.
        Source.objects.select_for_update(no_key=True).get(pk=source.pk)
        campaign = of_source.first() or _new_campaign(source, label_set)
    return campaign


def _new_campaign(source: Source, label_set: str) -> Campaign:
    chosen = LabelSet.objects.filter(name=label_set).first() or loading.load_shipped_set(label_set)
    loading.freeze(chosen)
    slug = f"{source.name[:60]}-votes"
    campaign = Campaign.objects.create(
        slug=f"{slug}-{source.pk}" if Campaign.objects.filter(slug=slug).exists() else slug,
        title=f"Votes of {source}",
        description=f"What the annotators of {source} said; nobody labels here.",
        kind=Campaign.Kind.EXTERNAL,
        state=Campaign.State.CLOSED,
        label_set=chosen,
    )
    campaign.sources.add(source)
    return campaign


def _units(campaign: Campaign, said: Sequence[Said]) -> dict[int, int]:
    """Unit ids by instruction id; units of an external campaign want no votes of ours."""
    instructions = sorted({instruction for instruction, _ in said})
    Unit.objects.bulk_create(
        [Unit(campaign=campaign, instruction_id=pk, position=pk, overlap=0) for pk in instructions],
        ignore_conflicts=True,
    )
    units = Unit.objects.filter(campaign=campaign, instruction__in=instructions)
    return dict(units.values_list("instruction_id", "pk"))


def _annotators(source: Source, said: Sequence[Said]) -> dict[str, int]:
    """Annotator ids by the names that the source gives them. They can never sign in."""
    usernames = {
        name: _username(source, name) for name in sorted({vote.annotator for _, vote in said if vote.annotator})
    }
    Annotator.objects.bulk_create(
        [
            Annotator(
                username=username, password=UNUSABLE_PASSWORD_PREFIX, is_active=False, kind=Annotator.Kind.EXTERNAL
            )
            for username in usernames.values()
        ],
        ignore_conflicts=True,
    )
    ids = dict(Annotator.objects.filter(username__in=usernames.values()).values_list("username", "pk"))
    return {name: ids[username] for name, username in usernames.items()}


def _username(source: Source, name: str) -> str:
    """One that names both. The number of the source stays when an admin corrects its name or revision."""
    return f"source-{source.pk}:{name}"


def _sorted_out(
    run: ImportRun, campaign: Campaign, said: Sequence[Said], labels: dict[str, Label]
) -> tuple[list[Annotation], list[SourceVote]]:
    """The annotations to add, and the votes of people who had voted on the unit; the others are known."""
    units, annotators = _units(campaign, said), _annotators(run.source, said)
    present = Annotation.objects.filter(unit__in=set(units.values()))
    keys = set(present.values_list("unit", "key"))
    voted = set(present.filter(annotator__isnull=False).values_list("unit", "annotator"))
    new, repeated = list[Annotation](), list[SourceVote]()
    for instruction, vote in said:
        unit, annotator = units[instruction], annotators.get(vote.annotator or "")
        key = uuid.uuid5(EXTERNAL_VOTE, f"{run.source_id}\n{vote.row}\n{vote.annotator or ''}")
        if (unit, key) in keys:
            continue
        if annotator is not None and (unit, annotator) in voted:
            repeated.append(vote)
            continue
        keys.add((unit, key))
        voted.add((unit, annotator or 0))
        new.append(Annotation(unit_id=unit, annotator_id=annotator, choice=labels[vote.choice], key=key))
    return new, repeated
