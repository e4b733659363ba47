"""Nobody sees how others voted on a text, or its known answer, before their own vote on it."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from annotate.models import Annotator, Assignment, Campaign, KnownAnswer, Unit


def still_to_be_given(viewer: Annotator, campaign: Campaign) -> QuerySet[Unit]:
    """The units of a campaign that ``viewer`` holds or may yet be given: they must see no vote on them.

    Who may label in it may yet be given whatever they have not answered, unless every slot is filled by an answer: a
    lease that somebody holds may lapse. Gold that is mixed in is given to people although its slots are filled.
    """
    here, leases = Unit.objects.filter(campaign=campaign), Assignment.objects.filter(unit=OuterRef("pk"))
    own = leases.filter(annotator=viewer)
    if not Campaign.objects.open_to(viewer).filter(pk=campaign.pk).exists():
        return here.filter(Exists(own.live()))
    is_mixed_in = Q(known_answer__phase=KnownAnswer.Phase.GOLD, campaign__gold_every__gt=0)
    is_unsettled = Q(taken__lt=F("overlap")) | Exists(leases.live()) | is_mixed_in
    return here.filter(is_unsettled, ~Exists(own.submitted()))
