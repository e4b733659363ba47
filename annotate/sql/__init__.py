"""The functions of the database, as text for migrations to load."""

import re
from pathlib import Path

DESK = (Path(__file__).parent / "desk.sql").read_text()
FUNCTIONS: list[str] = re.findall(r"CREATE OR REPLACE FUNCTION (\w+)", DESK)
