"""Releases as JSON: those that are published for everybody, the making of one for those who may (docs/api.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, override

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from rest_framework import generics, serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.models import Annotator, Campaign
from exports import snapshots, tasks
from exports.errors import SnapshotExists, SnapshotRefused
from exports.filters import LARGEST
from exports.formats import FORMS, PLAIN, Options
from exports.models import Snapshot
from exports.release_files import in_order
from sources import workers


class Conflict(APIException):
    """What is there already, or has ended, is not what was asked for."""

    status_code = status.HTTP_409_CONFLICT


class MayPublish(BasePermission):
    """Everybody may read; staff who may add snapshots in the admin may make and stop one."""

    @override
    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        may_add = user.is_active and user.is_staff and user.has_perm("exports.add_snapshot")
        return request.method in SAFE_METHODS or bool(may_add)


class SnapshotPages(CursorPagination):
    """Newest first; a page does not move when another is begun meanwhile."""

    ordering = "-id"
    page_size = 50


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    state = serializers.CharField(source="standing")
    reason = serializers.CharField(source="standing_reason")
    since = serializers.DateTimeField(source="standing_since")
    newer = serializers.SerializerMethodField()
    publishing = serializers.CharField(source="state")
    campaigns = serializers.SlugRelatedField[Campaign](slug_field="slug", many=True, read_only=True)
    forms = serializers.SerializerMethodField()
    filters = serializers.SerializerMethodField()
    instructions = serializers.SerializerMethodField()
    votes = serializers.SerializerMethodField()
    published_at = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Snapshot
        fields = [
            "version",
            "state",
            "reason",
            "since",
            "newer",
            "is_registered",
            "publishing",
            "percent",
            "error",
            "campaigns",
            "mask_personal",
            "forms",
            "filters",
            "instructions",
            "votes",
            "created_at",
            "published_at",
            "url",
        ]

    def get_newer(self, snapshot: Snapshot) -> str | None:
        """Asked only of what should not be used any more: otherwise a list would ask for each of its lines."""
        newer = snapshot.newer if snapshot.is_deprecated or snapshot.is_withdrawn else None
        return newer.version if newer else None

    def get_forms(self, snapshot: Snapshot) -> dict[str, Any]:
        found: dict[str, Any] = snapshot.options.get("forms", {})
        return found

    def get_filters(self, snapshot: Snapshot) -> dict[str, Any]:
        found: dict[str, Any] = snapshot.options.get("filters", {})
        return found

    def get_instructions(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("instructions")
        return counted

    def get_votes(self, snapshot: Snapshot) -> int | None:
        counted: int | None = snapshot.manifest.get("votes")
        return counted

    def get_published_at(self, snapshot: Snapshot) -> str | None:
        """What failed or was cancelled has ended too."""
        if snapshot.finished_at is None or not snapshot.is_published:
            return None
        return serializers.DateTimeField().to_representation(snapshot.finished_at)

    def get_url(self, snapshot: Snapshot) -> str | None:
        return snapshot.get_absolute_url() if snapshot.is_published else None


class WholeSnapshotSerializer(SnapshotSerializer):
    """One of them with what belongs to it. Of a withdrawn one the files are named, so that a copy can be told."""

    files = serializers.SerializerMethodField()
    statistics = serializers.SerializerMethodField()

    class Meta(SnapshotSerializer.Meta):
        fields = [*SnapshotSerializer.Meta.fields, "files", "manifest", "statistics"]

    def get_files(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        if not snapshot.is_published:
            return []
        known = snapshot.manifest["files"]
        return [{"name": name, **known[name], "url": _address(snapshot, name)} for name in in_order(snapshot)]

    def get_statistics(self, snapshot: Snapshot) -> dict[str, Any] | None:
        return None if snapshot.is_withdrawn else snapshot.statistics


class FiltersSerializer(serializers.Serializer[Any]):
    """The fields of ``filters.Filters``."""

    sources = serializers.ListField(child=serializers.CharField(), default=list)
    licenses = serializers.ListField(child=serializers.CharField(), default=list)
    languages = serializers.ListField(child=serializers.CharField(), default=list)
    statuses = serializers.ListField(child=serializers.CharField(), default=list)
    min_votes = serializers.IntegerField(default=1, min_value=1, max_value=1000)
    without_augmented = serializers.BooleanField(default=False)
    without_personal = serializers.BooleanField(default=False)
    without_disputed = serializers.BooleanField(default=False)


class FormsSerializer(serializers.Serializer[Any]):
    names = serializers.ListField(child=serializers.ChoiceField(list(FORMS)), default=list)
    seed = serializers.IntegerField(default=PLAIN.seed, min_value=-LARGEST, max_value=LARGEST)
    shard_bytes = serializers.IntegerField(default=PLAIN.shard_bytes, min_value=1, max_value=LARGEST)


class AskedSerializer(serializers.Serializer[Any]):
    """What is asked for when a version is begun: written as the answers say it."""

    version = serializers.CharField(max_length=20)
    allow_lower = serializers.BooleanField(default=False)
    campaigns = serializers.SlugRelatedField[Campaign](
        slug_field="slug", many=True, queryset=Campaign.objects.select_related("label_set"), required=False
    )
    mask_personal = serializers.BooleanField(default=False)
    forms = FormsSerializer(required=False)
    filters = FiltersSerializer(required=False)
    dry_run = serializers.BooleanField(default=False)

    @override
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            # Somebody who misspells a filter would publish what it was to leave out.
            _check_known(self, data)
        return super().to_internal_value(data)


class SnapshotList(generics.ListAPIView[Snapshot]):
    serializer_class = SnapshotSerializer
    permission_classes = [MayPublish]
    pagination_class = SnapshotPages

    @override
    def get_queryset(self) -> QuerySet[Snapshot]:
        return _shown_to(self.request).defer("statistics")

    def post(self, request: Request) -> Response:
        """Begin a version, or say with ``dry_run`` what would be in it."""
        serializer = AskedSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        options, campaigns = _options(asked), asked.get("campaigns", [])
        try:
            if asked["dry_run"]:
                found = snapshots.preview(campaigns, options, mask_personal=asked["mask_personal"])
                return Response(found)
            begun = snapshots.begin(
                asked["version"],
                campaigns,
                mask_personal=asked["mask_personal"],
                options=options,
                started_by=request.user if isinstance(request.user, Annotator) else None,
                allow_lower=asked["allow_lower"],
            )
        except SnapshotExists as error:
            raise Conflict(str(error)) from None
        except SnapshotRefused as error:
            raise ValidationError({"detail": str(error)}) from None
        _send(begun)
        return Response(WholeSnapshotSerializer(begun).data, status=status.HTTP_201_CREATED)


class SnapshotDetail(generics.RetrieveAPIView[Snapshot]):
    serializer_class = WholeSnapshotSerializer
    permission_classes = [MayPublish]
    lookup_field = "version"

    @override
    def get_queryset(self) -> QuerySet[Snapshot]:
        return _shown_to(self.request)


class SnapshotCancel(APIView):
    permission_classes = [MayPublish]

    def post(self, request: Request, version: str) -> Response:
        snapshot = generics.get_object_or_404(Snapshot, version=version)
        if not snapshots.cancel(snapshot):
            raise Conflict(f"{snapshot} had ended already: it is {snapshot.state}")
        return Response(WholeSnapshotSerializer(snapshot).data)


class SnapshotResume(APIView):
    permission_classes = [MayPublish]

    def post(self, request: Request, version: str) -> Response:
        snapshot = generics.get_object_or_404(Snapshot, version=version)
        if not snapshots.resume(snapshot):
            raise Conflict(f"{snapshot} is {snapshot.state}: only what failed or was cancelled is resumed")
        _send(snapshot)
        return Response(WholeSnapshotSerializer(snapshot).data)


def _shown_to(request: Request) -> QuerySet[Snapshot]:
    """What was published; for staff who may see snapshots in the admin drafts too."""
    user = request.user
    is_staff = user.is_active and user.is_staff and user.has_perm("exports.view_snapshot")
    shown = Snapshot.objects.all() if is_staff else Snapshot.objects.published()
    return shown.prefetch_related("campaigns")


def _options(asked: Mapping[str, Any]) -> Options:
    filters = {
        name: sorted(set(value)) if isinstance(value, list) else value
        for name, value in asked.get("filters", {}).items()
    }
    return Options.read({"forms": asked.get("forms", {}), "filters": filters})


def _check_known(serializer: serializers.Serializer[Any], data: Mapping[str, Any], path: str = "") -> None:
    for name, value in data.items():
        field = serializer.fields.get(name)
        if field is None:
            known = ", ".join(serializer.fields)
            raise ValidationError({f"{path}{name}": [f"There is no such field; there are: {known}"]})
        if isinstance(field, serializers.Serializer) and isinstance(value, Mapping):
            _check_known(field, value, f"{name}.")


def _send(snapshot: Snapshot) -> None:
    # Where the queue does not answer, beat sends it later.
    transaction.on_commit(lambda: workers.send(tasks.publish_snapshot, snapshot.pk) and None)


def _address(snapshot: Snapshot, name: str) -> str | None:
    return None if snapshot.is_withdrawn else reverse("download", args=[snapshot.version, name])
