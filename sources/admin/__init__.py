"""Admin of sources, imports and instructions."""

from sources.admin import imports, instructions, ledger
from sources.admin.base import BoundedPaginator, JobAdmin, ReadOnly

__all__ = ["BoundedPaginator", "JobAdmin", "ReadOnly", "imports", "instructions", "ledger"]
