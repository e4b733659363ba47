"""The guidelines change while people vote: a campaign goes over to a newer revision of its label set.

What was answered before keeps pointing to the revision that its author was shown, and counts all the while: the answers
of both revisions have the same codes. It can be queued for another look, which its author may take or leave.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from annotate.errors import GuidelinesRefused
from annotate.models import (
    Annotation,
    AnnotationQuerySet,
    Annotator,
    Assignment,
    Campaign,
    CampaignQuerySet,
    Participation,
)
from labels import loading
from labels.models import LabelSet
from labels.taxonomy import LabelSetSpec, LabelSpec

SAME, REMOVED, ADDED = "same", "removed", "added"
# Words with the white space behind them; of languages that put none between words, each character is one.
WORDS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]\s*|[^\s\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+\s*|\s+")


class Piece(NamedTuple):
    """A run of words: ``kind`` is "same", "removed" or "added"."""

    kind: str
    text: str


class Change(NamedTuple):
    """What became of one label: ``kind`` is "changed", "removed" or "added".

    The pieces of each text are empty where it stayed as it was; of a new label they are one added piece. Examples are
    pieces as a whole: an example is not edited but exchanged for another.
    """

    code: str
    kind: str
    name: str
    names: list[Piece]
    definition: list[Piece]
    guideline: list[Piece]
    yes_examples: list[Piece]
    no_examples: list[Piece]


def changes(before: LabelSetSpec, after: LabelSetSpec) -> list[Change]:
    """What a revision changed, label by label in its order; labels that are as they were are not in it."""
    old = {label.code: label for label in (*before.options, *before.tags)}
    new = {label.code: label for label in (*after.options, *after.tags)}
    codes = [*new, *(code for code in old if code not in new)]
    found = [_change(new.get(code) or old[code], old.get(code), new.get(code)) for code in codes]
    return [change for change in found if change is not None]


def pieces(before: str, after: str) -> list[Piece]:
    """Both texts as runs of words that stayed, went and came; nothing if they are the same."""
    return _pieces(WORDS.findall(before), WORDS.findall(after)) if before.split() != after.split() else []


@transaction.atomic
def adopt(campaign: Campaign, label_set: LabelSet) -> None:
    """Have a campaign use a newer revision of its label set from now on. Raises GuidelinesRefused.

    The revision is frozen by it. No vote changes: see ``queue_another_look``. Whoever joined before was shown the
    wording of before, which is written down now: while there is only one, nobody needs to know who saw it.
    """
    # Claims and answers only read the campaign; this lock keeps away who adopts or opens it at the same moment.
    current = Campaign.objects.select_for_update(no_key=True, of=("self",)).select_related("label_set")
    present = current.get(pk=campaign.pk)
    loading.freeze(label_set)
    label_set.refresh_from_db()
    _check(present, label_set)
    Participation.objects.filter(campaign=campaign, guidelines_seen=None).update(guidelines_seen=present.label_set)
    Campaign.objects.filter(pk=campaign.pk).update(label_set=label_set)
    campaign.label_set = label_set


def newer_revisions(campaign: Campaign) -> list[LabelSet]:
    """The loaded revisions of the campaign's label set that are newer than its own, the newest first."""
    present = campaign.label_set
    newer = LabelSet.objects.filter(name=present.name, revision__gt=present.revision)
    return list(newer.order_by("-revision"))


def earlier_revision(campaign: Campaign) -> LabelSet | None:
    """The revision before the campaign's that was in use anywhere, if there is one."""
    present = campaign.label_set
    used = LabelSet.objects.filter(name=present.name, revision__lt=present.revision, frozen_at__isnull=False)
    return used.order_by("-revision").first()


def why_not(present: LabelSetSpec, wanted: LabelSetSpec) -> str:
    """Why votes by ``present`` could not be counted together with those by ``wanted``; empty if they could."""
    if wanted.name != present.name:
        return f"it is another label set, {wanted.name}, and not a revision of {present.name}"
    if wanted.revision <= present.revision:
        return f"revision {wanted.revision} is not newer than revision {present.revision}"
    if [option.code for option in wanted.options] != [option.code for option in present.options]:
        return "its answers are others, or in another order"
    if (wanted.rule, wanted.published, wanted.ordinal) != (present.rule, present.published, present.ordinal):
        return "another rule makes published labels of its votes, or other labels"
    gone = {tag.code for tag in present.tags} - {tag.code for tag in wanted.tags}
    return f"it lacks the tag {min(gone)}, which people have answered" if gone else ""


def under_older_wording(campaign: Campaign) -> int:
    """How many counted votes were given under an older revision than the campaign's."""
    return _older(campaign).count()


def queue_another_look(campaign: Campaign) -> int:
    """Ask the authors of those votes to look at them again; returns how many were queued that were not before.

    Texts that nobody is shown any more are left out. The votes count whether anybody looks or not.
    """
    older = _older(campaign).filter(assignment=OuterRef("pk"))
    submitted = Assignment.objects.submitted().filter(
        Exists(older), unit__campaign=campaign, unit__is_withdrawn=False, look_again=False
    )
    return submitted.update(look_again=True)


def waiting(campaign: Campaign) -> int:
    """How many votes of a campaign wait for another look."""
    return _older(campaign).filter(assignment__look_again=True, unit__is_withdrawn=False).count()


def to_look_at(annotator: Annotator, campaign: Campaign) -> AnnotationQuerySet:
    """A person's answers that wait for another look, those given first first; none in a campaign that is closed."""
    if not campaign.is_open:
        return Annotation.objects.none()
    mine = _older(campaign).filter(assignment__look_again=True, assignment__annotator=annotator)
    return mine.filter(assignment__state=Assignment.State.SUBMITTED, unit__is_withdrawn=False).order_by("id")


def with_news(campaigns: CampaignQuerySet, annotator: Annotator) -> CampaignQuerySet:
    """Adds ``guidelines_changed``, whether the person saw others, and ``look_again``, how many answers wait."""
    seen = Participation.objects.filter(annotator=annotator, campaign=OuterRef("pk"), guidelines_seen__isnull=False)
    waiting = Annotation.objects.counted().filter(
        assignment__annotator=annotator,
        assignment__look_again=True,
        assignment__state=Assignment.State.SUBMITTED,
        unit__is_withdrawn=False,
        unit__campaign=OuterRef("pk"),
        unit__campaign__state=Campaign.State.OPEN,
        choice__label_set__revision__lt=F("unit__campaign__label_set__revision"),
    )
    count = waiting.order_by().values("unit__campaign").annotate(n=Count("pk")).values("n")
    return campaigns.annotate(
        guidelines_changed=Exists(seen.exclude(guidelines_seen=OuterRef("label_set"))),
        look_again=Coalesce(Subquery(count), 0),
    )


def has_changed_for(joined: Participation | None, campaign: Campaign) -> bool:
    """Whether this person saw other guidelines last; of whom nothing is written down saw the present ones."""
    return joined is not None and joined.guidelines_seen_id not in (None, campaign.label_set_id)


def have_read(annotator: Annotator, campaign: Campaign, revision: int) -> bool:
    """Remember that this person has read the campaign's present wording; False if it is another revision by now."""
    if revision != campaign.label_set.revision:
        return False
    joined = Participation.objects.filter(annotator=annotator, campaign=campaign)
    joined.update(guidelines_seen=campaign.label_set)
    return True


def _older(campaign: Campaign) -> AnnotationQuerySet:
    """The counted votes whose authors were shown an older revision."""
    revision = campaign.label_set.revision
    return Annotation.objects.counted().filter(unit__campaign=campaign, choice__label_set__revision__lt=revision)


def _check(campaign: Campaign, label_set: LabelSet) -> None:
    if campaign.kind != Campaign.Kind.VOLUNTEER:
        raise GuidelinesRefused(f"{campaign} holds the votes of a public dataset: nobody reads guidelines in it")
    if reason := why_not(campaign.label_set.spec, label_set.spec):
        raise GuidelinesRefused(f"{campaign} cannot adopt {label_set}: {reason}")


def _change(shown: LabelSpec, old: LabelSpec | None, new: LabelSpec | None) -> Change | None:
    names = pieces(old.name if old else "", new.name if new else "")
    texts = [pieces(getattr(old, name, ""), getattr(new, name, "")) for name in ("definition", "guideline")]
    examples = [_exchanged(getattr(old, name, ()), getattr(new, name, ())) for name in ("yes_examples", "no_examples")]
    if not any((names, *texts, *examples)):
        return None
    kind = "changed" if old and new else ADDED if new else REMOVED
    return Change(shown.code, kind, shown.name, names, *texts, *examples)


def _exchanged(before: tuple[str, ...], after: tuple[str, ...]) -> list[Piece]:
    """A piece for each example, nothing if they are the same."""
    if before == after:
        return []
    gone = [Piece(REMOVED, example) for example in before if example not in after]
    return [*(Piece(SAME if example in before else ADDED, example) for example in after), *gone]


def _pieces(before: list[str], after: list[str]) -> list[Piece]:
    found = []
    # Compared without the white space behind: a line that is broken elsewhere says the same.
    matcher = SequenceMatcher(None, [w.rstrip() for w in before], [w.rstrip() for w in after], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            # The longer white space behind: what was removed may have stood there.
            last = max(before[i2 - 1], after[j2 - 1], key=len)
            found.append(Piece(SAME, "".join([*after[j1 : j2 - 1], last])))
            continue
        if i2 > i1:
            found.append(Piece(REMOVED, "".join(before[i1:i2])))
        if j2 > j1:
            found.append(Piece(ADDED, "".join(after[j1:j2])))
    return found
