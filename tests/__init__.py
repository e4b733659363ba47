"""Tests, laid out like the tree they test."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Real public data, kept beside the repository and never in it; the fixture `shared_data` skips without it.
SHARED_DATA = ROOT.parent / "shared" / "data"
