"""Version numbers: of snapshots (two or three whole numbers, as in 0.3 and 1.0.2), and of the code that makes them."""

from __future__ import annotations

import re
import subprocess
from functools import cache

from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls.converters import StringConverter

VERSION = re.compile(r"(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){1,2}")


class VersionConverter(StringConverter):
    """A version in a path; a path with anything else in its place leads nowhere."""

    regex = f"(?:{VERSION.pattern})"


def validate_version(version: str) -> None:
    """Raise ValidationError unless ``version`` is two or three whole numbers with dots between them."""
    if not VERSION.fullmatch(version):
        raise ValidationError(f"{version!r} is not a version: write two or three whole numbers, such as 0.3 or 1.0.2")


def numbers(version: str) -> tuple[int, ...]:
    """What versions are put in order by: 0.9 before 0.10, 1.0 before 1.0.0."""
    return tuple(map(int, version.split(".")))


@cache
def code_revision() -> str:
    """The revision of the code that runs: OIG_REVISION where an image sets it, else git's, else "unknown"."""
    return settings.CODE_REVISION or _git_revision() or "unknown"


def _git_revision() -> str:
    """Twelve digits of the commit, with ``-dirty`` where files differ from it; empty where git cannot say."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        described = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    except OSError:
        return ""  # an image without git
    return described.stdout.strip()
