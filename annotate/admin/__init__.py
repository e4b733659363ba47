"""The admin of annotate, in one module for each subject."""

from annotate.admin import campaigns, people, votes

__all__ = ["campaigns", "people", "votes"]
