"""The admin of annotate, in one module for each subject."""

from annotate.admin import adjudication, campaigns, known, people, remarks, votes

__all__ = ["adjudication", "campaigns", "known", "people", "remarks", "votes"]
