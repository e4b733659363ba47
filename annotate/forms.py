from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

from annotate import keys, preferences
from annotate.annotations import Answer
from annotate.assignments import Lease
from annotate.errors import KeysRefused
from annotate.models import Annotation, Annotator, Assignment
from annotate.preferences import Offer
from labels import loading
from labels.models import Label

YES, NO = "yes", "no"
NOTE_LENGTH, DAY_MS = 2000, 86_400_000
LONGEST_KEY = 12  # "Enter" and "Escape" are the longest that mean something


class AnswerForm(forms.Form):
    """One answer: a base vote, and yes, no or nothing for every tag of the label set."""

    assignment = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)
    key = forms.UUIDField(widget=forms.HiddenInput)
    label_set = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**63 - 1)
    revises = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**63 - 1)
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=forms.Textarea)
    focused_ms = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0, max_value=DAY_MS)

    def __init__(self, label_set: int, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """A form for the labels of the set with this id, which is frozen."""
        super().__init__(data, **kwargs)
        labels = list(loading.labels_of(label_set).values())
        self.option_labels = [label for label in labels if label.kind == Label.Kind.OPTION]
        self.tag_labels = [label for label in labels if label.kind == Label.Kind.TAG]
        self.fields["choice"] = forms.ChoiceField(
            choices=[(label.code, label.name) for label in self.option_labels],
            error_messages={"required": _("Choose one of the answers before you submit.")},
        )
        for label in self.tag_labels:
            self.fields[f"tag-{label.code}"] = forms.ChoiceField(required=False, choices=[(YES, YES), (NO, NO)])

    @classmethod
    def for_lease(cls, label_set: int, lease: Lease) -> AnswerForm:
        """An empty form with a key of its own."""
        return cls(label_set, initial={"assignment": lease.assignment_id, "key": uuid4(), "label_set": label_set})

    @classmethod
    def for_revision(cls, label_set: int, earlier: Annotation) -> AnswerForm:
        """A form filled with an earlier answer, to be sent in its place."""
        initial: dict[str, Any] = {
            "assignment": earlier.assignment_id,
            "key": uuid4(),
            "label_set": label_set,
            "revises": earlier.pk,
            "choice": earlier.choice.code if earlier.choice else "",
            "note": earlier.note,
        }
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
        others = ("label_set", "revises", "note", "focused_ms")
        return Answer(self.cleaned_data["choice"], tags, **{name: self.cleaned_data[name] for name in others})


class TrialForm(AnswerForm):
    """An answer to a text whose answer is known, for practice or qualification."""

    assignment = key = None  # type: ignore[assignment]  # takes the fields away: nothing is reserved
    known = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)


class SkipForm(forms.Form):
    """Giving an instruction back, with a reason that never counts against anyone."""

    assignment = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.ChoiceField(choices=[(reason.value, reason.label) for reason in Assignment.DECLINES])


class PreferencesForm(forms.Form):
    """Which languages a person reads, what they are not given or not too much of, which keys they press, and whether
    their single votes may be published.

    The field of a key is empty where the usual one is meant, so that one that changes reaches them.
    """

    languages = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    avoided_topics = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    severe_per_day = forms.IntegerField(
        required=False, min_value=0, max_value=1000, label=_("Severe texts in a day, at most")
    )
    minutes_per_day = forms.IntegerField(
        required=False, min_value=1, max_value=1440, label=_("Minutes of labelling in a day, at most")
    )
    calm_after = forms.IntegerField(
        required=False, min_value=0, max_value=preferences.MOST_CALM, label=_("Calm texts after each severe one")
    )
    time_zone = forms.ChoiceField(
        required=False,
        label=_("Time zone, by which your day begins"),
        widget=forms.Select(attrs={"lang": "en", "dir": "ltr"}),
    )
    is_masked = forms.BooleanField(required=False, label=_("Show a text only after a key or a click"))
    is_still = forms.BooleanField(required=False, label=_("Nothing moves on the pages"))
    keys_enabled = forms.BooleanField(required=False, label=_("Single keys act on the labelling page"))
    shares_votes = forms.BooleanField(required=False, label=_("My single answers may be published under a pseudonym"))

    def __init__(self, annotator: Annotator, offer: Offer, data: Mapping[str, Any] | None = None) -> None:
        """A form filled with what ``annotator`` wished before."""
        own = {f"key-{action}": keys.hint(key) for action, key in annotator.keys.items()}
        self.sharing = preferences.sharing(annotator)
        initial: dict[str, Any] = {
            "languages": preferences.read_languages(annotator),
            "avoided_topics": annotator.avoided_topics,
            "keys_enabled": annotator.keys_enabled,
            **{name: getattr(annotator, name) for name in preferences.COMFORT},
            "shares_votes": bool(self.sharing and self.sharing.allowed),
        }
        super().__init__(data, initial=initial | own)
        self.annotator, self.offer = annotator, offer
        self.fields["time_zone"].choices = [(zone, zone) for zone in preferences.time_zones()]  # type: ignore[attr-defined]
        self.fields["languages"].choices = list(offer.languages.items())  # type: ignore[attr-defined]
        self.fields["avoided_topics"].choices = list(offer.topics.items())  # type: ignore[attr-defined]
        for action, (name, usual) in offer.actions.items():
            self.fields[f"key-{action}"] = forms.CharField(
                required=False,
                max_length=LONGEST_KEY,
                strip=True,
                label=name,
                help_text=" / ".join(keys.hint(key) for key in usual),
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            cleaned["changed_keys"] = self.offer.changed(self._chosen(cleaned))
        except KeysRefused as refused:
            self.add_error(self._field_of(refused, cleaned), str(refused))
        return cleaned

    def save(self) -> None:
        """Keep what a valid form says."""
        named = ("languages", "avoided_topics", "keys_enabled", "changed_keys", "shares_votes")
        comfort = {name: self.cleaned_data[name] for name in preferences.COMFORT}
        comfort["calm_after"] = comfort["calm_after"] or 0
        comfort["time_zone"] = comfort["time_zone"] or self.annotator.time_zone
        kept = {name: self.cleaned_data[name] for name in named}
        preferences.save(self.annotator, offer=self.offer, comfort=comfort, **kept)

    def measures(self) -> list[forms.BoundField]:
        return [self[name] for name in ("severe_per_day", "minutes_per_day", "calm_after")]

    def key_fields(self) -> Iterator[forms.BoundField]:
        return (self[f"key-{action}"] for action in self.offer.actions)

    def _chosen(self, cleaned: Mapping[str, Any]) -> dict[str, str]:
        return {action: cleaned.get(f"key-{action}", "") for action in self.offer.actions}

    def _field_of(self, refused: KeysRefused, cleaned: Mapping[str, Any]) -> str:
        """The field to change: of the actions that share a key, the last for which the person chose it."""
        own = [action for action in refused.actions if cleaned.get(f"key-{action}")]
        return f"key-{(own or refused.actions)[-1]}"


class ReportForm(forms.Form):
    """Saying that a text is illegal needs no words."""

    assignment = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)


class FlagForm(ReportForm):
    """What curators should look at."""

    words = forms.CharField(max_length=NOTE_LENGTH, error_messages={"required": _("Say what it is about.")})


class AskForm(FlagForm):
    """A question on the guidelines, with the text that raised it if there is one."""

    assignment = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1, max_value=2**63 - 1)
