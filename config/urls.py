from django.contrib import admin
from django.urls import include, path

from annotate.views.site import healthz

admin.site.site_header = admin.site.site_title = "OIG Safety"
admin.site.index_title = "Administration"

urlpatterns = [
    path("", include("exports.urls")),
    path("", include("annotate.urls")),
    path("healthz", healthz, name="healthz"),
    path("api/v1/", include("sources.urls")),
    path("admin/", admin.site.urls),
]
