from __future__ import annotations

import pytest

from annotate.models import Campaign
from sources.models import Source
from tests.exports import worlds


@pytest.fixture
def letters(transactional_db: None) -> Source:
    return worlds.source("letters")


@pytest.fixture
def kindness(letters: Source) -> Campaign:
    """An open campaign with one unit, on which Ada and Ben agree."""
    made = worlds.campaign("kindness")
    worlds.agreeing(made, letters)
    return made
