"""Files that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` for people to read too. Raises CommandError where that cannot be."""
    try:
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror}); choose another place.") from None
