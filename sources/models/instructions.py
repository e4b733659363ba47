"""Instructions, where each comes from, and the personal information that was found in them."""

from __future__ import annotations

from typing import Self

from django.db import models

from sources.models.ledger import Source


class InstructionState(models.IntegerChoices):
    AVAILABLE = 0, "available"
    SET_ASIDE = 1, "set aside by a curator"
    QUARANTINED = 2, "quarantined"
    REMOVED = 3, "taken down"


class InstructionQuerySet(models.QuerySet["Instruction"]):
    def available(self) -> Self:
        """Those that may be placed in campaigns and published."""
        return self.filter(state=InstructionState.AVAILABLE)

    def visible(self) -> Self:
        """Those whose text may be shown to a curator: quarantined ones never are."""
        return self.exclude(state__in=[InstructionState.QUARANTINED, InstructionState.REMOVED])


class Instruction(models.Model):
    """One text or dialogue. Its turns never change: other turns are another instruction; a take-down empties them."""

    digest = models.BinaryField(
        max_length=16, unique=True, editable=False, help_text="Of the normalised turns (sources.texts.digest)."
    )
    turns = models.JSONField(editable=False)
    language = models.CharField(max_length=20, blank=True, help_text="BCP 47, such as en or pt-BR; empty if unknown.")
    characters = models.IntegerField(default=0, db_default=0, editable=False, help_text="Of all turns together.")
    state = models.PositiveSmallIntegerField(
        choices=InstructionState, default=InstructionState.AVAILABLE, db_default=InstructionState.AVAILABLE
    )
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    # The first ancestor; a family is an instruction with all that was made of it. Empty where nothing precedes it.
    root = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="descendants",
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = InstructionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            # Most instructions have no parent and are available: these cost an import nothing.
            models.Index(fields=["parent"], condition=models.Q(parent__isnull=False), name="instruction_children"),
            models.Index(fields=["root"], condition=models.Q(root__isnull=False), name="instruction_family"),
            models.Index(fields=["state"], condition=~models.Q(state=0), name="instruction_not_available"),
        ]

    def __str__(self) -> str:
        if self.state in {InstructionState.QUARANTINED, InstructionState.REMOVED}:
            return f"({self.get_state_display()})"
        first = str(self.turns[0]["text"]) if self.turns else ""
        return first if len(first) <= 80 else f"{first[:79]}…"

    @property
    def public_id(self) -> str:
        """The identity that snapshots publish: the same text has the same one in every database."""
        return bytes(self.digest).hex()


class Provenance(models.Model):
    """That a source gave an instruction, and in which row first. Every published line can be traced through it.

    Millions are written at a time, so the database checks no foreign key here: the ids come from the statement that
    writes the instructions, and a trigger refuses to delete what a provenance names.
    """

    pk = models.CompositePrimaryKey("source_id", "instruction_id")
    instruction = models.ForeignKey(
        Instruction, on_delete=models.PROTECT, related_name="provenances", db_index=False, db_constraint=False
    )
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="provenances", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(
        "sources.ImportRun", on_delete=models.PROTECT, related_name="provenances", db_index=False, db_constraint=False
    )
    row = models.CharField(max_length=120, help_text="Where in the file: its line or the identity it gives.")
    position = models.BigIntegerField(
        default=0, db_default=0, help_text="Its order in the run, so that the first of equal rows is the one kept."
    )
    source_labels = models.JSONField(default=dict, help_text="Labels as the source wrote them; never votes.")
    suggested = models.JSONField(
        null=True, help_text="What they suggest in our words, by the declared table of the format; never votes."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["source", "instruction"]

    def __str__(self) -> str:
        return f"{self.source}, {self.row}"


class PersonalFinding(models.Model):
    """Where personal information was found: characters ``start`` to ``end`` of one turn, from 0."""

    instruction = models.ForeignKey(Instruction, on_delete=models.CASCADE, related_name="personal")
    turn = models.PositiveSmallIntegerField()
    start = models.IntegerField()
    end = models.IntegerField()
    kind = models.CharField(max_length=20)

    class Meta:
        ordering = ["instruction", "turn", "start"]
        constraints = [
            models.UniqueConstraint(fields=["instruction", "turn", "start"], name="personal_finding_place_unique"),
            models.CheckConstraint(condition=models.Q(end__gt=models.F("start")), name="personal_finding_has_length"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} in turn {self.turn + 1} of instruction {self.instruction_id}"
