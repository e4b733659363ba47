"""What is not about labelling: whether the site answers, the language of its pages, and signing out."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views import i18n
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from annotate import assignments
from annotate.models import Assignment


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process can reach the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@csrf_exempt
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language that was chosen, in a cookie, and go back to the page.

    Without a token, since the form stands on every page and each stranger would get a cookie for reading one. What a
    foreign site could do with it, it is not let: browsers say where a form was sent from.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise PermissionDenied
    return i18n.set_language(request)


class SignOut(LogoutView):
    """Sign out, giving back what the person holds, so that nobody waits for it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever comes here by a link, or after signing in again, is not signed out by it."""
        return redirect("front")

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        person = request.user
        response = super().post(request, *args, **kwargs)
        # After the session has ended: another tab of it could claim something in between.
        if person.is_authenticated:
            assignments.release_all(person, Assignment.Reason.SIGNED_OUT)
        return response
