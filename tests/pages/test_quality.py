"""The pages of annotators' quality in a browser: accessible in both themes, and no wider than the window."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate.models import Annotator, Campaign
from tests.annotate import judged, worlds
from tests.pages.conftest import SignIn
from tests.pages.test_every_page import check

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_curator_looks_at_everybody_and_then_at_one(page: Page, sign_in: SignIn) -> None:
    kindness = judged.campaign()
    judged.give_gold(kindness)
    Campaign.objects.filter(pk=kindness.pk).update(state=Campaign.State.CLOSED)
    sign_in(page.context, worlds.person("root", is_staff=True))
    page.goto(f"/admin/annotate/campaign/{kindness.pk}/quality/")
    expect(page.get_by_role("columnheader", name="Signals")).to_have_attribute("aria-sort", "descending")
    check(page, "the list")
    page.get_by_role("link", name="Votes", exact=True).click()
    page.get_by_label("Only with signals").check()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("columnheader", name="Votes")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("region", name="Annotators").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="ada").click()
    expect(page.get_by_role("heading", name="Faster than reading")).to_be_visible()
    check(page, "the page of a person")
    page.goto(f"/admin/annotate/annotator/{Annotator.objects.get(username='ada').pk}/change/")
    page.get_by_role("link", name="How these votes stand").click()
    expect(page.get_by_role("heading", name="Agreement by week")).to_be_visible()
    page.goto("/admin/annotate/knownanswer/table/")
    check(page, "the table of known answers")
