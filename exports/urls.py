from django.urls import path, register_converter

from exports import api, views
from exports.versions import VersionConverter

register_converter(VersionConverter, "version")

urlpatterns = [
    path("", views.front, name="front"),
    path("releases/", views.releases, name="releases"),
    path("releases/compare/", views.compare, name="compare"),
    path("releases/<version:version>/", views.release, name="release"),
    path("releases/<version:version>/since/<version:since>/", views.changes_between, name="changes"),
    path("releases/<version:version>/files/<str:name>", views.download, name="download"),
    path("releases/<version:version>/charts/<slug:chart>-<str:theme>.svg", views.chart, name="chart"),
    path("api/v1/snapshots/", api.SnapshotList.as_view(), name="api-snapshots"),
    path("api/v1/snapshots/<version:version>/", api.SnapshotDetail.as_view(), name="api-snapshot"),
    path("api/v1/snapshots/<version:version>/cancel/", api.SnapshotCancel.as_view(), name="api-snapshot-cancel"),
    path("api/v1/snapshots/<version:version>/resume/", api.SnapshotResume.as_view(), name="api-snapshot-resume"),
]
