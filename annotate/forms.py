from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from django import forms

from annotate.annotations import Answer
from annotate.models import Annotation, Assignment
from labels.models import Label, LabelSet

YES, NO = "yes", "no"


class AnswerForm(forms.Form):
    """One answer: a base vote, and yes, no or nothing for every tag of the label set."""

    assignment = forms.IntegerField(widget=forms.HiddenInput)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, label_set: LabelSet, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        labels = list(label_set.labels.all())
        self.option_labels = [label for label in labels if label.kind == Label.Kind.OPTION]
        self.tag_labels = [label for label in labels if label.kind == Label.Kind.TAG]
        self.fields["choice"] = forms.ChoiceField(
            choices=[(label.code, label.name) for label in self.option_labels],
            error_messages={"required": "Choose one of the answers before you submit."},
        )
        for label in self.tag_labels:
            self.fields[f"tag-{label.code}"] = forms.ChoiceField(required=False, choices=[(YES, YES), (NO, NO)])

    @classmethod
    def for_assignment(cls, label_set: LabelSet, assignment: Assignment, earlier: Annotation | None) -> AnswerForm:
        """An empty form with a key of its own; or filled with an earlier answer that was taken back."""
        initial: dict[str, Any] = {"assignment": assignment.pk, "key": uuid4()}
        if earlier is not None and earlier.choice is not None:
            initial["choice"] = earlier.choice.code
            initial |= {f"tag-{code}": YES if said else NO for code, said in earlier.tags.items()}
        return cls(label_set, initial=initial)

    def options(self) -> Iterator[tuple[Label, bool]]:
        """Every option and whether it is chosen, for the page."""
        chosen = self["choice"].value()
        return ((label, label.code == chosen) for label in self.option_labels)

    def tags(self) -> Iterator[tuple[Label, str]]:
        """Every tag and what is said of it: "yes", "no" or nothing."""
        return ((label, self[f"tag-{label.code}"].value() or "") for label in self.tag_labels)

    @property
    def answer(self) -> Answer:
        """What a valid form says; a tag that was not answered is not in it."""
        said = {label.code: self.cleaned_data[f"tag-{label.code}"] for label in self.tag_labels}
        tags = {code: value == YES for code, value in said.items() if value}
        return Answer(self.cleaned_data["choice"], tags)


class SkipForm(forms.Form):
    """Giving an instruction back, with a reason that never counts against anyone."""

    assignment = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.ChoiceField(choices=[(reason.value, reason.label) for reason in Assignment.DECLINES])
