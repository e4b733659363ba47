"""What is not about labelling: whether the site answers, and signing out."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
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


class SignOut(LogoutView):
    """Sign out, giving back what the person holds, so that nobody waits for it."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever comes here by a link, or after signing in again, is not signed out by it."""
        return redirect("front")

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.user.is_authenticated:
            assignments.release_all(request.user, Assignment.Reason.SIGNED_OUT)
        return super().post(request, *args, **kwargs)
