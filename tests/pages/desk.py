"""The labelling page as a person with a keyboard uses it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from annotate.models import Annotation, Annotator, Campaign

# The element of the desk, which htmx replaces, and the assignment on it, which the page's queue replaces.
ON_DESK = "() => [document.querySelector('#desk'), document.querySelector('#answer [name=assignment]')?.value]"
IS_NEXT = "(before, after) => after[0] && (before[0] !== after[0] || before[1] !== after[1])"


class Desk:
    """One person's labelling page of one campaign, in one tab."""

    def __init__(self, page: Page, annotator: Annotator, campaign: Campaign) -> None:
        self.page, self.annotator, self.campaign = page, annotator, campaign

    def open(self) -> Desk:
        self.page.goto(self.campaign.get_absolute_url())
        return self

    @property
    def text(self) -> str:
        """The text that is judged, folded or not; "" where nothing is left."""
        return "".join(self.page.locator(".judged .words").all_text_contents())

    @property
    def message(self) -> str:
        return (self.page.locator("#messages").text_content() or "").strip()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def press_and_wait(self, *keys: str) -> None:
        """Press keys of which the last brings the next instruction, and wait for it."""
        self.wait_for_next(lambda: self.press(*keys))

    def wait_for_next(self, action: Callable[[], None]) -> None:
        """Wait until another text is on the desk, or the same anew, and the server has what was answered."""
        before = self.page.evaluate_handle(ON_DESK)
        action()
        self.page.wait_for_function(f"before => ({IS_NEXT})(before, ({ON_DESK})())", arg=before)
        self.wait_until_sent()

    def wait_until_sent(self) -> None:
        self.page.wait_for_function("() => outbox.size === 0 && !isPaused")

    def wait_until_ahead(self) -> None:
        """Wait until the next text is there, before it is asked for."""
        self.page.wait_for_function("() => held.length > 0")

    @property
    def waiting(self) -> int:
        """How many answers wait in this browser."""
        return int(self.page.evaluate("outbox.size"))

    def chosen(self) -> set[str]:
        """Values of what is chosen now: the answer's code, and "tag-code=yes" of each tag that is answered."""
        inputs = self.page.locator("#answer :checked").evaluate_all("all => all.map(one => [one.name, one.value])")
        return {value if name == "choice" else f"{name}={value}" for name, value in inputs if value}

    def focused(self) -> str:
        """The class of the element that has the focus, or its id, or its tag."""
        return str(
            self.page.evaluate("(({className, id, tagName}) => className || id || tagName)(document.activeElement)")
        )

    def said(self) -> list[tuple[str, str, dict[str, bool]]]:
        """What counts of this person in the database: text, base vote, tags; in the order of the votes."""
        tips = (
            Annotation.objects.counted().filter(annotator=self.annotator).select_related("choice", "unit__instruction")
        )
        return [
            (tip.unit.instruction.turns[-1]["text"], tip.choice.code if tip.choice else "", tip.tags)
            for tip in tips.order_by("id")
        ]
