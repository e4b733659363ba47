from django.urls import path

from sources import api

urlpatterns = [
    path("imports/", api.ImportList.as_view(), name="api-imports"),
    path("imports/<int:pk>/", api.ImportDetail.as_view(), name="api-import"),
]
