"""The workers' page: who runs, what runs, what waits, and in words why nothing goes on."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sources import workers

TEMPLATE = "admin/sources/importrun/workers.html"


def workers_view(request: HttpRequest, *, model_admin: Any) -> HttpResponse:
    """The page at once, with what the workers say when they were asked: by htmx, or by its link without JavaScript."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    htmx: Any = getattr(request, "htmx", None)
    if htmx:
        part = "line" if "line" in request.GET else "found"
        return render(request, f"{TEMPLATE}#{part}", {"found": workers.look()})
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Workers",
        "opts": model_admin.opts,
        "found": workers.look() if "ask" in request.GET else None,
    }
    return render(request, TEMPLATE, context)
