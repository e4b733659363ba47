"""The word lists and templates that stand beside the augmenters, as TOML for people to review."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def load(name: str) -> dict[str, Any]:
    """The table in ``name``.toml of this package."""
    return tomllib.loads(resources.files("sources.augmenters").joinpath(f"{name}.toml").read_text("utf-8"))
