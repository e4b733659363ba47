"""The functions of the database, as text for migrations to load."""

import re
from pathlib import Path


def _functions(text: str) -> list[str]:
    return re.findall(r"CREATE OR REPLACE FUNCTION (\w+)", text)


DESK = (Path(__file__).parent / "desk.sql").read_text()
FUNCTIONS = _functions(DESK)
TALLIES = (Path(__file__).parent / "tallies.sql").read_text()
TALLY_FUNCTIONS = _functions(TALLIES)
COUNTED = (Path(__file__).parent / "counted.sql").read_text()
GOLD = (Path(__file__).parent / "gold.sql").read_text()
ADJUDICATION = (Path(__file__).parent / "adjudication.sql").read_text()
ADJUDICATION_FUNCTIONS = _functions(ADJUDICATION)
