from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.urls import path

from annotate import views

sign_in = login_not_required(LoginView.as_view(template_name="annotate/sign_in.html", redirect_authenticated_user=True))

urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("campaigns/", views.campaigns, name="campaigns"),
    path("campaigns/<slug:slug>/guidelines/", views.guidelines, name="guidelines"),
    path("campaigns/<slug:slug>/label/", views.label, name="label"),
    path("campaigns/<slug:slug>/label/submit/", views.submit, name="submit"),
    path("campaigns/<slug:slug>/label/skip/", views.skip, name="skip"),
    path("campaigns/<slug:slug>/label/undo/", views.undo, name="undo"),
]
