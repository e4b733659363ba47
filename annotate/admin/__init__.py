"""The admin of annotate, in one module for each subject."""

from annotate.admin import campaigns, known, people, remarks, votes

__all__ = ["campaigns", "known", "people", "remarks", "votes"]
