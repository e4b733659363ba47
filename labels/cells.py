"""Cells of tables that a spreadsheet opens: none is taken for a formula."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# OWASP's list of what a spreadsheet takes for the beginning of a formula, behind white space and whatever is unseen.
FORMULA = re.compile(r"[\s\0\ufeff\u00ad\u200b-\u200f\u2060]*+[=+\-@]|[\t\r\n]")


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would compute is given the sign that has it read as text (OWASP, CSV injection).

    A fullwidth sign is one to some spreadsheets too.
    """
    is_formula = isinstance(value, str) and FORMULA.match(unicodedata.normalize("NFKC", value))
    return f"'{value}" if is_formula else value
