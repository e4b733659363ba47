from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.urls import path

from annotate import api
from annotate.models import KnownAnswer
from annotate.views import (
    adjudication,
    campaigns,
    care,
    desk,
    guidelines,
    preferences,
    progress,
    remarks,
    site,
    training,
)

sign_in = login_not_required(LoginView.as_view(template_name="annotate/sign_in.html", redirect_authenticated_user=True))

urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("i18n/setlang/", site.set_language, name="set_language"),
    path("sign-out/", site.SignOut.as_view(), name="sign-out"),
    path("consent/", care.consent, name="consent"),
    path("help/", care.lines, name="help-lines"),
    path("leave/", care.leave, name="leave"),
    path("away/", care.away, name="away"),
    path("preferences/", preferences.wishes, name="preferences"),
    path("progress/", progress.progress, name="progress"),
    path("campaigns/", campaigns.campaigns, name="campaigns"),
    path("campaigns/<slug:slug>/guidelines/", campaigns.guidelines, name="guidelines"),
    path("campaigns/<slug:slug>/guidelines/changes/", guidelines.changes, name="guideline-changes"),
    path("campaigns/<slug:slug>/practice/", training.train, {"phase": KnownAnswer.Phase.PRACTICE}, name="practice"),
    path(
        "campaigns/<slug:slug>/qualification/",
        training.train,
        {"phase": KnownAnswer.Phase.QUALIFICATION},
        name="qualification",
    ),
    path("campaigns/<slug:slug>/label/", desk.label, name="label"),
    path("campaigns/<slug:slug>/label/submit/", desk.submit, name="submit"),
    path("campaigns/<slug:slug>/label/skip/", desk.skip, name="skip"),
    path("campaigns/<slug:slug>/label/cards/", desk.cards, name="cards"),
    path("campaigns/<slug:slug>/label/flag/", remarks.flag, name="flag"),
    path("campaigns/<slug:slug>/label/report/", remarks.report, name="report"),
    path("campaigns/<slug:slug>/label/ask/", remarks.ask, name="ask"),
    path("campaigns/<slug:slug>/label/answers/", desk.answers, name="answers"),
    path("adjudication/", adjudication.campaigns, name="adjudication"),
    path("adjudication/<slug:slug>/", adjudication.queue, name="adjudication-queue"),
    path("adjudication/<slug:slug>/decided/", adjudication.decided, name="adjudication-decided"),
    path("adjudication/<slug:slug>/<int:unit>/", adjudication.unit, name="adjudication-unit"),
    path("adjudication/<slug:slug>/<int:unit>/take-back/", adjudication.take_back, name="adjudication-take-back"),
    path("adjudication/<slug:slug>/<int:unit>/known/", adjudication.known, name="adjudication-known"),
    path("adjudication/<slug:slug>/<int:unit>/example/", adjudication.example, name="adjudication-example"),
    path("api/v1/campaigns/<slug:slug>/agreement/", api.CampaignAgreement.as_view(), name="api-agreement"),
    path("api/v1/campaigns/<slug:slug>/annotators/", api.CampaignAnnotators.as_view(), name="api-annotators"),
]
