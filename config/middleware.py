"""What is refused before anybody reads it, and the language of what is answered."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers

# What is always in English: the admin's own words are, and Django's between them would be translated, so that every
# page were half of each; and what programs read must not depend on whose browser asked for it.
IN_ENGLISH = ("/admin/", "/api/")


class LanguageMiddleware(LocaleMiddleware):
    """Answers in the language that the visitor chose, else in one that the browser asks for, else in English."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(IN_ENGLISH):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Names the language of pages; files, charts and JSON are no page, and the same for everybody."""
        if response.headers.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
            response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        return response


class RequestSizeMiddleware:
    """Refuses requests whose body is large, or of a size that they do not tell, while the body is still unread.

    To check a form's token Django reads the form, with its files, and writes these to the disk: whoever may not upload
    could fill it. Only on the page that imports a file, and to those who may, UPLOAD_MAX_BYTES is the limit.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return HttpResponse("Send the request with its Content-Length.\n", status=411, content_type="text/plain")
        # Of anything but a number Django makes 0, and reads nothing.
        length = str(request.META.get("CONTENT_LENGTH") or "")
        limit = settings.REQUEST_MAX_BYTES
        if length.isdecimal() and int(length) > limit and int(length) > limit + _upload_limit(request):
            words = f"The request has {int(length):,} bytes, more than is taken here.\n"
            return HttpResponse(words, status=413, content_type="text/plain")
        return self._get_response(request)


def _upload_limit(request: HttpRequest) -> int:
    if request.path != reverse("admin:sources_importrun_add"):
        return 0
    may_upload = request.user.is_active and request.user.is_staff and request.user.has_perm("sources.add_importrun")
    return settings.UPLOAD_MAX_BYTES if may_upload else 0
