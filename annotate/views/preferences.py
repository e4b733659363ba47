"""What a person may wish of the texts they are given, of the keys they press, and of what releases tell of them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from annotate import preferences
from annotate.forms import PreferencesForm
from annotate.views.visitor import annotator_of


@require_http_methods(["GET", "HEAD", "POST"])
def wishes(request: HttpRequest) -> HttpResponse:
    annotator = annotator_of(request)
    form = PreferencesForm(
        annotator, preferences.offered(annotator), request.POST if request.method == "POST" else None
    )
    if form.is_valid():
        form.save()
        return redirect(f"{reverse('preferences')}?saved")
    status = 422 if form.is_bound else 200
    return render(request, "annotate/preferences.html", {"form": form, "saved": "saved" in request.GET}, status=status)
