"""Who asks."""

from typing import cast

from django.http import HttpRequest

from annotate.models import Annotator


def annotator_of(request: HttpRequest) -> Annotator:
    """The signed-in person; LoginRequiredMiddleware lets nobody else come here."""
    return cast(Annotator, request.user)
