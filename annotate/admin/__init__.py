"""The admin of annotate, in one module for each subject."""

from annotate.admin import campaigns, people, remarks, votes

__all__ = ["campaigns", "people", "remarks", "votes"]
