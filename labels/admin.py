"""Label sets to look at: their content comes from reviewed TOML files and is not edited here."""

from typing import override

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from labels.models import Label, LabelSet


class LabelInline(admin.StackedInline[Label, LabelSet]):
    model = Label
    extra = 0
    can_delete = False

    @override
    def has_add_permission(self, request: HttpRequest, obj: LabelSet | None = None) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: LabelSet | None = None) -> bool:
        return False


@admin.register(LabelSet)
class LabelSetAdmin(admin.ModelAdmin[LabelSet]):
    list_display = ("name", "revision", "title", "rule", "options", "tags", "frozen_at")
    list_filter = ("rule", ("frozen_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "title", "question", "labels__name", "labels__definition")
    readonly_fields = ("digest", "frozen_at", "created_at")
    inlines = [LabelInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelSet]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                n_options=Count("labels", filter=Q(labels__kind=Label.Kind.OPTION)),
                n_tags=Count("labels", filter=Q(labels__kind=Label.Kind.TAG)),
            )
        )

    @admin.display(ordering="n_options")
    def options(self, label_set: LabelSet) -> int:
        return label_set.n_options  # type: ignore[attr-defined, no-any-return]

    @admin.display(ordering="n_tags")
    def tags(self, label_set: LabelSet) -> int:
        return label_set.n_tags  # type: ignore[attr-defined, no-any-return]

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: LabelSet | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: LabelSet | None = None) -> bool:
        return (obj is None or obj.frozen_at is None) and super().has_delete_permission(request, obj)
