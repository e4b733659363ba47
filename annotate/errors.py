class AnnotateError(Exception):
    """Base of what can go wrong here; str() is one sentence for the person who caused it."""


class CampaignRefused(AnnotateError):
    """The campaign cannot do this in its present state; the message says what to change."""


class AnswerRefused(AnnotateError):
    """The answer does not fit the campaign's label set; the message names the field."""


class NotTheirs(AnnotateError):
    """The assignment is not one of this person's."""


class GuidelinesRefused(AnnotateError):
    """The label set cannot take the place of the campaign's; the message says why."""


class KeysRefused(AnnotateError):
    """The keys cannot be used as they were chosen; the message says which, and what would work."""

    def __init__(self, message: str, *actions: str) -> None:
        """``actions`` are those that were given the key."""
        super().__init__(message)
        self.actions = actions


class KnownAnswersRefused(AnnotateError):
    """The known answers cannot be added; the message names the line and says what would work."""


class StandingRefused(AnnotateError):
    """How somebody stands in a campaign cannot be changed so; the message says why."""


class NotComparable(AnnotateError):
    """Votes by label sets with other options cannot be measured together; choose campaigns of one of them."""


class DecisionRefused(AnnotateError):
    """The unit cannot be decided so; the message says why, and what would work."""
