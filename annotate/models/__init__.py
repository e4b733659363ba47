"""People (Annotator), what they are asked (Campaign, Unit), what they hold (Assignment), what they said (Annotation).

The promises of this module are kept by the database, whatever code runs (see migrations 0003 and 0005):

* ``Unit.taken`` is owned by one trigger on Assignment, and ``taken <= overlap`` is a CHECK: no unit can get more live
  leases and counted annotations than its overlap.
* An annotator's annotations of one unit are one chain: each supersedes the one before. A person therefore has at most
  one counted annotation on a unit: the tip of the chain.
* Annotations are append-only: a trigger refuses UPDATE and DELETE, but for blanking the note on a text taken down.
* What people allow to be published (``VoteSharing``) is append-only too, and goes with the account alone.
* ``Unit.is_withdrawn`` follows the state of the instruction: a trigger sets it in the transaction that takes an
  instruction down, quarantines it, sets it aside or takes it back.
* The pattern tables (``tallies``) follow the counted votes: triggers queue what changed, one function folds it.
* Nobody decides a unit that they were given to label, and nobody votes on one that they decided (``adjudication``).
* ``Assignment.hand`` is 1 or 2 and unique among a person's live leases: nobody holds more than two, over all tabs.
"""

from annotate.models.adjudication import DecidedExample, Decision
from annotate.models.campaigns import Campaign, CampaignQuerySet, OrderRule, Participation
from annotate.models.known import KnownAnswer, Trial
from annotate.models.people import Annotator, Consent, DeskDay
from annotate.models.readings import Reading
from annotate.models.remarks import Flag, Question
from annotate.models.sharing import VoteSharing, VoteSharingQuerySet
from annotate.models.stopping import StoppingRule
from annotate.models.tallies import PatternCount, Slice, TallyQueue, UnitChange, UnitTally, VoterCount
from annotate.models.units import Assignment, Severity, Unit, judged_turns
from annotate.models.votes import Annotation, AnnotationQuerySet

__all__ = [
    "Annotation",
    "AnnotationQuerySet",
    "Annotator",
    "Assignment",
    "Campaign",
    "CampaignQuerySet",
    "Consent",
    "DecidedExample",
    "Decision",
    "DeskDay",
    "Flag",
    "KnownAnswer",
    "OrderRule",
    "Participation",
    "PatternCount",
    "Question",
    "Reading",
    "Severity",
    "Slice",
    "StoppingRule",
    "TallyQueue",
    "Trial",
    "Unit",
    "UnitChange",
    "UnitTally",
    "VoteSharing",
    "VoteSharingQuerySet",
    "VoterCount",
    "judged_turns",
]
