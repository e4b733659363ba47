"""Admin of sources, imports and instructions."""

from sources.admin import duplicates, imports, instructions, ledger, removals, screening
from sources.admin.base import BoundedPaginator, JobAdmin, ReadOnly

__all__ = [
    "BoundedPaginator",
    "JobAdmin",
    "ReadOnly",
    "duplicates",
    "imports",
    "instructions",
    "ledger",
    "removals",
    "screening",
]
