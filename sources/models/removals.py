"""What was taken down, what must never come in, and what was reported as illegal."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from sources.models.instructions import Instruction


class TakeDown(models.Model):
    """One removal of texts, or one list of texts to refuse, with its reason."""

    class By(models.TextChoices):
        ID = "id"
        SOURCE = "source"
        DIGESTS = "digests", "list of digests"
        PATTERN = "pattern"
        REFUSAL = "refusal", "list of digests to refuse"

    by = models.CharField(max_length=10, choices=By)
    criterion = models.CharField(max_length=500, help_text="The ids, the source, the file or the pattern.")
    reason = models.CharField(max_length=500)
    removed = models.BigIntegerField(default=0, help_text="Texts removed, augmented ones among them.")
    kept = models.BigIntegerField(default=0, help_text="Texts that another source still gives.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"take-down {self.pk} by {self.get_by_display()}"


class Tombstone(models.Model):
    """A text that no import brings in again: all that is left of it is a digest."""

    class Kind(models.TextChoices):
        INSTRUCTION = "instruction", "public id of an instruction"
        TEXT = "text", "SHA-256 of one turn, normalised"

    kind = models.CharField(max_length=11, choices=Kind, default=Kind.INSTRUCTION)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    take_down = models.ForeignKey(TakeDown, on_delete=models.PROTECT, related_name="tombstones")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class Escalation(models.Model):
    """A report of illegal material: the text is shown to nobody any more; this record and its digest remain."""

    class State(models.TextChoices):
        OPEN = "open"
        REFERRED = "referred", "referred to the authorities"
        REMOVED = "removed", "removed for good"
        RELEASED = "released", "found harmless and released"

    instruction = models.OneToOneField(Instruction, on_delete=models.PROTECT, related_name="escalation", editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=500, blank=True, help_text="What was reported; never quote the text.")
    reported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )
    reported_at = models.DateTimeField(auto_now_add=True)
    reference = models.CharField(max_length=200, blank=True, help_text="Of the authority it was referred to.")
    outcome = models.TextField(blank=True, help_text="What was decided and why; never quote the text.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"escalation {self.pk}: instruction {self.instruction.public_id} is {self.get_state_display()}"
