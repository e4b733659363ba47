"""What this app stores: the ledger, the imports, the instructions, what was found out about them, what was removed."""

from sources.models.duplicates import DuplicateSearch, NearDuplicate
from sources.models.imports import ImportChunk, ImportRun, Report, Screening
from sources.models.instructions import Instruction, InstructionState, PersonalFinding, Provenance
from sources.models.ledger import UNKNOWN_LICENSE, LicenseField, Source, license_named
from sources.models.removals import Escalation, TakeDown, Tombstone

__all__ = [
    "UNKNOWN_LICENSE",
    "DuplicateSearch",
    "Escalation",
    "ImportChunk",
    "ImportRun",
    "Instruction",
    "InstructionState",
    "LicenseField",
    "NearDuplicate",
    "PersonalFinding",
    "Provenance",
    "Report",
    "Screening",
    "Source",
    "TakeDown",
    "Tombstone",
    "license_named",
]
