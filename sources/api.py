"""The progress of imports and augmentations as JSON, for those who may see them in the admin (docs/api.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, override

from django.db.models import QuerySet
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sources.jobs import JobState
from sources.models import ImportRun
from sources.models.imports import gather_reports


class MaySeeImports(BasePermission):
    """Staff who may see imports in the admin."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_active and user.is_staff and user.has_perm("sources.view_importrun"))


class ImportPages(CursorPagination):
    """Newest first; a page does not move when another import begins meanwhile."""

    ordering = "-id"
    page_size = 50


class ImportSerializer(serializers.ModelSerializer[ImportRun]):
    # REST framework takes it out of the class, which has a "source" of its own.
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    revision = serializers.CharField(source="source.revision")
    augments = serializers.CharField(source="augments.name", default=None)
    read = serializers.IntegerField(source="report.read")
    added = serializers.IntegerField(source="report.added")
    known = serializers.IntegerField(source="report.known")
    rejected = serializers.IntegerField(source="report.rejected")
    reasons = serializers.DictField(source="report.reasons")
    rows_per_second = serializers.SerializerMethodField()
    seconds_left = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    started_at = serializers.DateTimeField(source="planned_at")

    class Meta:
        model = ImportRun
        fields = [
            "id",
            "state",
            "source",
            "revision",
            "format",
            "augments",
            "percent",
            "read",
            "added",
            "known",
            "rejected",
            "reasons",
            "rows_per_second",
            "seconds_left",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]

    def get_rows_per_second(self, run: ImportRun) -> float | None:
        return round(run.rows_per_second, 1) if run.state == JobState.RUNNING else None

    def get_seconds_left(self, run: ImportRun) -> float | None:
        left = run.seconds_left
        return None if left is None else round(left, 1)

    def get_error(self, run: ImportRun) -> str:
        return run.in_words(run.error)


class ImportList(generics.ListAPIView[ImportRun]):
    queryset = ImportRun.objects.select_related("source", "augments")
    serializer_class = ImportSerializer
    permission_classes = [MaySeeImports]
    pagination_class = ImportPages

    @override
    def paginate_queryset(self, queryset: QuerySet[Any, Any] | Sequence[Any]) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        gather_reports(page or [])
        return page


class ImportDetail(generics.RetrieveAPIView[ImportRun]):
    queryset = ImportRun.objects.select_related("source", "augments")
    serializer_class = ImportSerializer
    permission_classes = [MaySeeImports]
