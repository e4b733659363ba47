"""Care for who reads: what is coming and whether they want it, leaving at once, and lines to call."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from annotate import care, help_lines
from annotate.models import Consent
from annotate.views.visitor import annotator_of


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """The quick exit. The script has gone to the neutral page by then; without it the browser is sent there."""
    care.leave(annotator_of(request))
    return redirect("away")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def away(request: HttpRequest) -> HttpResponse:
    """A page on which nobody sees what was read. A POST goes on labelling."""
    if request.method == "POST":
        care.come_back(annotator_of(request))
        return redirect("campaigns")
    return render(request, "annotate/away.html")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: HttpRequest) -> HttpResponse:
    """What kind of text is coming, in plain words, before the first; the way back is on the same page."""
    annotator = annotator_of(request)
    back = request.POST.get("next") or request.GET.get("next", "")
    if request.method == "POST" and "withdraw" in request.POST:
        care.withdraw_consent(annotator)
        return redirect("consent")
    version = request.POST.get("version", "")
    if version.isdecimal() and care.consent(annotator, int(version[:4])):
        is_own = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
        return redirect(back if is_own else "campaigns")
    given = Consent.objects.filter(annotator=annotator, withdrawn_at=None).first()
    told = {
        "version": care.CONSENT,
        "has_consented": care.has_consented(annotator),
        "given": given,
        "next": back,
    }
    return render(request, "annotate/consent.html", told)


@require_GET
def lines(request: HttpRequest) -> HttpResponse:
    """Lines to call, those that speak the language of the page first."""
    return render(request, "annotate/help_lines.html", {"countries": help_lines.by_country(get_language() or "en")})


def sent_elsewhere(request: HttpRequest) -> HttpResponse | None:
    """For a page that would show a text: where the person is sent instead, None if they may be shown one."""
    address = care.elsewhere(annotator_of(request), request.path if request.method == "GET" else "")
    if not address:
        return None
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else redirect(address)
