"""People with several tabs, over real HTTP: each tab is a connection of its own that carries the person's session."""

from __future__ import annotations

import http.client
import json
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.db import connections
from django.test import Client

from annotate.models import Annotator, Campaign

HIDDEN = re.compile(r'name="(assignment|key|label_set|revises|csrfmiddlewaretoken)" value="([^"]+)"')
NOTHING_LEFT = "Nothing is left for you here now"
CHOICES = ("casual", "needs-caution", "needs-intervention")
# What the server says of an answer that it has stored.
STORED = ("saved", "changed", "surplus", "withdrawn", "already saved")
REPEATED = ("already saved", "already answered")


@dataclass
class Diary:
    """What the server told the tabs, gathered from all of them."""

    faults: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)  # keys of submits that the server said it saved
    outcomes: list[str] = field(default_factory=list)  # what the queue was told, each time
    turned_away: int = 0  # how often "nothing is left" was said


class Tab:
    """One tab of one person, with a session of its own."""

    def __init__(self, base: str, annotator: Annotator, campaign: Campaign, diary: Diary) -> None:
        self._annotator = annotator
        self._connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        self._path = f"/campaigns/{campaign.slug}/label/"
        self._diary = diary
        self.form: dict[str, str] = {}
        self._sign_in()

    def _sign_in(self) -> None:
        signed_in = Client()
        signed_in.force_login(self._annotator)
        self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in signed_in.cookies.items())

    def label_until_nothing_is_left(self, chance: random.Random) -> None:
        """Label as people do in a hurry; leave when the server says that nothing is left."""
        raise NotImplementedError

    def look(self, query: str = "") -> str:
        """Ask for the desk; remember its form."""
        return self._page("GET", self._path + query)

    def undo(self) -> str:
        """Open the last answer; submitting its form changes it."""
        return self.look("?revise=last")

    def skip(self) -> str:
        """Give back what the form is about: a text, or an answer for good."""
        return self._page("POST", f"{self._path}skip/", self.form | {"reason": "unsure"})

    def sign_out(self) -> None:
        """All leases of the person go back, those of their other tabs too; then they are here again."""
        self._ask("POST", "/sign-out/", self.form, expected=(200, 302))
        self._sign_in()

    def _page(self, method: str, path: str, form: dict[str, str] | None = None) -> str:
        page = self._ask(method, path, form)
        self.form = dict(HIDDEN.findall(page))
        if NOTHING_LEFT in page:
            self._diary.turned_away += 1
        return page

    def _ask(
        self,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        expected: tuple[int, ...] = (200,),
    ) -> str:
        headers = {"Cookie": self._cookie, "Host": self._connection.host, **(headers or {"HX-Request": "true"})}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            headers["Cookie"] += f"; csrftoken={form.get('csrfmiddlewaretoken', '')}"
        answer = self._answer_to(method, path, urlencode(form or {}), headers)
        page = answer.read().decode()
        if answer.status not in expected:
            self._diary.faults.append(f"{method} {path}: {answer.status} {page[:300]}")
        return page

    def _answer_to(self, method: str, path: str, body: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send it, once more if the server had ended the connection, which was idle for too long."""
        try:
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()
        except ConnectionError:
            self._connection.close()
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()


class FormTab(Tab):
    """A tab that posts forms, as htmx does, and as browsers do without any script."""

    def submit(self, form: dict[str, str], choice: str) -> str:
        page = self._page("POST", f"{self._path}submit/", form | {"choice": choice, "tag-hate": "no"})
        # The campaign of these tests is open to everybody: every answer is kept, counted or not.
        told = page.partition('id="messages"')[2].partition("</ul>")[0]
        if "aved" in told or "is changed" in told:
            self._diary.saved.append(form["key"])
        return page

    def label_until_nothing_is_left(self, chance: random.Random) -> None:
        """Mostly submit, sometimes twice, sometimes late, sometimes change, take back or skip."""
        page, kept = self.look(), dict[str, str]()
        while NOTHING_LEFT not in page and "assignment" in self.form:
            form, choice, mood = self.form, chance.choice(CHOICES), chance.random()
            if mood < 0.05:
                kept, page = form, self.look()  # keeps the old page open, to be submitted when it is stale
            elif mood < 0.12:
                page = self.undo()
            elif mood < 0.14:
                page = self.skip()
            elif mood < 0.15:
                self.sign_out()
                page = self.look()
            else:
                page = self.submit(form, choice)
                if mood < 0.22:
                    page = self.submit(form, choice)  # a double click
            if kept and mood > 0.9:
                page, kept = self.submit(kept, choice), {}


class QueueTab(Tab):
    """A tab that does as the page's script does: it has one text on the desk, one at hand, and an outbox."""

    def __init__(self, base: str, annotator: Annotator, campaign: Campaign, diary: Diary) -> None:
        super().__init__(base, annotator, campaign, diary)
        self.cards: dict[str, str] = {}  # keys by assignment
        self._outbox: list[dict[str, str]] = []

    def fetch(self) -> None:
        """Ask for texts without an answer."""
        self._post("cards/", {})

    def send(self, answer: dict[str, str]) -> str:
        """Send one answer, be given the next texts, and return what became of it."""
        outcome = str(self._post("submit/", answer)["outcome"])
        self._diary.outcomes.append(outcome)
        if outcome in STORED:
            self._diary.saved.append(answer["key"])
        return outcome

    def _post(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        holding = " ".join(number for number in self.cards if number != fields.get("assignment"))
        told = self._ask(
            "POST",
            self._path + path,
            {"csrfmiddlewaretoken": self.form["csrfmiddlewaretoken"], "holding": holding, **fields},
            {"Accept": "application/json"},
        )
        answer: dict[str, Any] = json.loads(told)
        leases = {str(lease["assignment"]): lease for lease in answer["leases"]}
        if len(leases) > 2:
            self._diary.faults.append(f"{self._annotator} was given {len(leases)} texts")
        unknown = [number for number, lease in leases.items() if not (lease["text"] or number in self.cards)]
        if unknown:
            self._diary.faults.append(f"{self._annotator} was given {unknown} without their texts")
        self.cards = {number: lease["key"] or self.cards.get(number, "") for number, lease in leases.items()}
        return answer

    def label_until_nothing_is_left(self, chance: random.Random) -> None:
        """Answer the first text at hand; sometimes twice, as after an answer that was lost; sometimes later."""
        self.look()
        self.fetch()
        while self.cards or self._outbox:
            mood = chance.random()
            if mood < 0.06:
                self._change(chance)
            elif mood < 0.08:
                self.sign_out()
                self.look()
                self.fetch()
            elif not self.cards or (self._outbox and mood < 0.2):
                self.send(self._outbox.pop())
            else:
                self._answer(chance, mood)
            if not self.cards:
                self.fetch()

    def _answer(self, chance: random.Random, mood: float) -> None:
        number, key = next(iter(self.cards.items()))
        answer = {"assignment": number, "key": key, "choice": chance.choice(CHOICES), "tag-hate": "yes"}
        if mood < 0.3:
            self._outbox.append(answer)  # the network is gone; the page goes on with the other text
            self.cards = dict(list(self.cards.items())[1:])
            return
        first = self.send(answer)
        # Another tab's answer may be taken back in between: then this one is an answer like any other.
        if mood < 0.4 and first != "already answered" and (again := self.send(answer)) not in REPEATED:
            self._diary.faults.append(f"the same answer twice was {first}, then {again}")

    def _change(self, chance: random.Random) -> None:
        """Change the last answer, or take it back."""
        self.undo()
        if "revises" in self.form and chance.random() < 0.2:
            self.skip()
        elif "revises" in self.form:
            named = ("assignment", "key", "label_set", "revises")
            self.send({name: self.form[name] for name in named} | {"choice": chance.choice(CHOICES)})


def together(jobs: Sequence[Callable[[], None]]) -> list[BaseException]:
    """Run all jobs at once, each in a thread with a connection of its own; return what they raised."""
    raised: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Meanwhile:
    """Does something again and again, in a thread with a connection of its own, while people label."""

    def __init__(self, act: Callable[[], None], pause: float) -> None:
        self.faults: list[str] = []
        self._act, self._pause = act, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause):
                self._act()
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.faults.append(f"{self._act}: {error!r}")
        finally:
            connections.close_all()
