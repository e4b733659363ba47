"""People with several tabs, over real HTTP: each tab is a connection of its own that carries the person's session."""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from django.test import Client

from annotate.models import Annotator, Campaign

HIDDEN = re.compile(r'name="(assignment|key|label_set|revises|csrfmiddlewaretoken)" value="([^"]+)"')
NOTHING_LEFT = "Nothing is left for you here now"
CHOICES = ("casual", "needs-caution", "needs-intervention")


@dataclass
class Diary:
    """What the server told the tabs, gathered from all of them."""

    faults: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)  # keys of submits that the server said it saved
    turned_away: int = 0  # how often "nothing is left" was said


class Tab:
    """One tab of one person: asks for pages and posts forms as the page's htmx does."""

    def __init__(self, base: str, annotator: Annotator, campaign: Campaign, diary: Diary) -> None:
        signed_in = Client()
        signed_in.force_login(annotator)
        self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in signed_in.cookies.items())
        self._connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        self._path = f"/campaigns/{campaign.slug}/label/"
        self._diary = diary
        self.form: dict[str, str] = {}

    def look(self) -> str:
        """Ask for the desk; remember its form."""
        return self._ask("GET", self._path)

    def submit(self, form: dict[str, str], choice: str) -> str:
        page = self._ask("POST", f"{self._path}submit/", form | {"choice": choice, "tag-hate": "no"})
        # The campaign of this test is open to everybody: every answer is kept, counted or not.
        if "aved" in page.partition('id="messages"')[2].partition("</ul>")[0]:
            self._diary.saved.append(form["key"])
        return page

    def skip(self) -> str:
        return self._ask("POST", f"{self._path}skip/", self.form | {"reason": "unsure"})

    def undo(self) -> str:
        """Open the last answer; submitting its form changes it."""
        return self._ask("GET", f"{self._path}?revise=last")

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> str:
        headers = {"Cookie": self._cookie, "HX-Request": "true", "Host": self._connection.host}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            headers["Cookie"] += f"; csrftoken={form.get('csrfmiddlewaretoken', '')}"
        self._connection.request(method, path, urlencode(form or {}), headers)
        answer = self._connection.getresponse()
        page = answer.read().decode()
        if answer.status != 200:
            self._diary.faults.append(f"{method} {path}: {answer.status} {page[:300]}")
        self.form = dict(HIDDEN.findall(page))
        if NOTHING_LEFT in page:
            self._diary.turned_away += 1
        return page

    def close(self) -> None:
        self._connection.close()


def label_until_nothing_is_left(tab: Tab, chance: random.Random) -> None:
    """Label as people do in a hurry: mostly submit, sometimes twice, sometimes late, sometimes undo or skip."""
    page, kept = tab.look(), dict[str, str]()
    while NOTHING_LEFT not in page and "assignment" in tab.form:
        form, choice, mood = tab.form, chance.choice(CHOICES), chance.random()
        if mood < 0.05:
            kept, page = form, tab.look()  # keeps the old page open, to be submitted when it is stale
            continue
        page = tab.undo() if mood < 0.12 else tab.skip() if mood < 0.13 else tab.submit(form, choice)
        if 0.13 <= mood < 0.20:
            page = tab.submit(form, choice)  # a double click
        if kept and mood > 0.9:
            page, kept = tab.submit(kept, choice), {}


def together(jobs: Sequence[Callable[[], None]]) -> list[BaseException]:
    """Run all jobs at once, each in a thread; return what they raised."""
    raised: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
