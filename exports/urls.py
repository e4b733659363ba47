from django.urls import path

from exports import views

urlpatterns = [
    path("", views.front, name="front"),
    path("releases/", views.releases, name="releases"),
    path("releases/<str:version>/", views.release, name="release"),
    path("releases/<str:version>/files/<str:name>", views.download, name="download"),
    path("releases/<str:version>/charts/<slug:chart>-<str:theme>.svg", views.chart, name="chart"),
]
