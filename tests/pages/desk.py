"""The labelling page as a person with a keyboard uses it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from annotate.models import Annotation, Annotator, Campaign


class Desk:
    """One person's labelling page of one campaign, in one tab."""

    def __init__(self, page: Page, annotator: Annotator, campaign: Campaign) -> None:
        self.page, self.annotator, self.campaign = page, annotator, campaign

    def open(self) -> Desk:
        self.page.goto(self.campaign.get_absolute_url())
        return self

    @property
    def text(self) -> str:
        """The text that is judged; "" where nothing is left."""
        judged = self.page.locator(".judged .words")
        return judged.text_content() or "" if judged.count() else ""

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
        before = self.page.locator("#desk").element_handle()
        action()
        self.page.wait_for_function("before => !before.isConnected && document.querySelector('#desk')", arg=before)

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
