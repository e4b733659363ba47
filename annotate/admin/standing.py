"""Admin of how a person stands in campaigns: why one is paused for them, the way back, and excluding them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, override

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotate import standing, tasks
from annotate.admin.quality import VOTES_PERMISSION
from annotate.errors import AnnotateError
from annotate.models import Annotator, Campaign, Participation


class AnnotatorStandingAdmin(UserAdmin[Annotator]):
    """The part of an annotator's admin that is about where they may label."""

    @override
    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.standing_view)
        return [path("<int:pk>/standing/", view, name="annotate_annotator_standing"), *super().get_urls()]

    @admin.display(description="Standing")
    def standing(self, annotator: Annotator) -> SafeString | str:
        if not annotator.pk:
            return "-"
        address = reverse("admin:annotate_annotator_standing", args=[annotator.pk])
        return format_html('<a href="{}">Practice, qualification, pauses and exclusion, by campaign</a>', address)

    def standing_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where a person stands in each campaign that they came to, and why; and what a curator can do about it."""
        annotator = get_object_or_404(Annotator, pk=pk)
        if not (self.has_change_permission(request, annotator) and request.user.has_perm(VOTES_PERMISSION)):
            raise PermissionDenied
        found = Participation.objects.filter(annotator=annotator, campaign__kind=Campaign.Kind.VOLUNTEER)
        if request.method == "POST":
            self._change(request, get_object_or_404(found, pk=_number(request.POST.get("participation", ""))))
            return redirect(request.path)
        here = found.select_related("campaign", "standing_by").order_by("campaign__title")
        context = {
            **self.admin_site.each_context(request),
            "title": f"Where {annotator} stands",
            "opts": self.opts,
            "annotator": annotator,
            "listed": [(one, standing.accuracy(one)) for one in here],
        }
        return render(request, "admin/annotate/annotator/standing.html", context)

    def _change(self, request: HttpRequest, here: Participation) -> None:
        by: Annotator = request.user  # type: ignore[assignment]
        verbs: dict[str, tuple[Callable[[], None], str]] = {
            "lift": (lambda: standing.lift(here, by), "The campaign is open for them again"),
            "take_back": (lambda: standing.take_back(here, by), "They may take part again; their votes stay withdrawn"),
            "give_tries": (lambda: standing.give_tries(here), "They may try to qualify again, at once"),
            "exclude": (
                lambda: standing.exclude(here, request.POST.get("why", ""), by),
                "They are excluded; a worker withdraws their votes",
            ),
        }
        verb, words = verbs.get(request.POST.get("verb", ""), (None, ""))
        if verb is None:
            return
        try:
            verb()
        except AnnotateError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.log_change(request, here.annotator, f"{here.campaign}: {words}. {request.POST.get('why', '')}".strip())
        if request.POST["verb"] == "exclude":
            tasks.withdraw_excluded.delay_on_commit()  # type: ignore[attr-defined]
        self.message_user(request, f"{here.campaign}: {words}", messages.SUCCESS)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
