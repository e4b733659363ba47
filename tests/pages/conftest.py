from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from annotate.models import Annotator, Campaign
from tests.annotate import worlds
from tests.pages.desk import Desk
from tests.processes import Web

type SignIn = Callable[[BrowserContext, Annotator], None]


@pytest.fixture
def ada(web: Web) -> Annotator:
    return worlds.person("ada")


@pytest.fixture
def kindness(web: Web) -> Campaign:
    """An open campaign of twelve letters."""
    return worlds.campaign(units=12)


@pytest.fixture
def sign_in(web: Web) -> SignIn:
    """Gives a browser the session of a person, without the detour of the sign-in page."""

    def give(context: BrowserContext, annotator: Annotator) -> None:
        client = Client()
        client.force_login(annotator)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": web.url}])

    return give


@pytest.fixture
def ada_page(context: BrowserContext, ada: Annotator, sign_in: SignIn) -> Page:
    """A page of Ada, signed in."""
    sign_in(context, ada)
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    return page


@pytest.fixture
def desk(ada_page: Page, ada: Annotator, kindness: Campaign) -> Desk:
    """Ada's labelling page of the campaign, open."""
    return Desk(ada_page, ada, kindness).open()
