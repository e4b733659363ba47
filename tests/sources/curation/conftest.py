from __future__ import annotations

import pytest
from django.test import Client

from annotate.models import Annotator
from sources.models import Source
from tests.annotate import worlds


@pytest.fixture
def ada(db: None) -> Annotator:
    return worlds.person("ada", is_staff=True)


@pytest.fixture
def admin(client: Client, ada: Annotator) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def letters(db: None) -> Source:
    return worlds.source("letters")
