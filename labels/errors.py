"""The one exception base of this app; each subclass lives beside what raises it."""


class LabelsError(Exception):
    """Something about labels or votes is wrong; the message is one line and tells the remedy."""
