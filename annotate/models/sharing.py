"""Whether people allow that their single votes are published under a pseudonym."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models.functions import Now

from annotate.models.people import Annotator


class VoteSharingQuerySet(models.QuerySet["VoteSharing"]):
    def standing(self) -> Self:
        """The last word of each person; who never said anything has none, and does not allow it."""
        last = self.order_by("annotator", "-id").distinct("annotator")
        return self.filter(pk__in=last.values("pk"))

    def allowing(self) -> Self:
        """Of people who do allow it. Nobody asked the annotators of public datasets, so they are never among them."""
        return self.standing().filter(allowed=True, annotator__kind=Annotator.Kind.HUMAN)


class VoteSharing(models.Model):
    """A person allows it, or takes that back. Append-only (a trigger refuses all else): the last one counts."""

    # Goes with the account, by the database: it is about nothing else.
    annotator = models.ForeignKey(Annotator, on_delete=models.DB_CASCADE, related_name="vote_sharings")
    allowed = models.BooleanField()
    # By the clock that also says when a cut was taken.
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = VoteSharingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["annotator", "-id"], name="sharing_last_of_person")]

    def __str__(self) -> str:
        return f"{self.annotator} {'allows' if self.allowed else 'does not allow'} it"
