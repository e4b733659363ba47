"""Version numbers of snapshots: two or three whole numbers, as in 0.3 and 1.0.2."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError

VERSION = re.compile(r"(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3})){1,2}", re.ASCII)


def validate_version(version: str) -> None:
    """Raise ValidationError unless ``version`` is two or three whole numbers with dots between them."""
    if not VERSION.fullmatch(version):
        raise ValidationError(f"{version!r} is not a version: write two or three whole numbers, such as 0.3 or 1.0.2")
