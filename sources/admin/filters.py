"""Filters of the list of instructions. None reads more than the list itself: their choices are declared or sampled."""

from __future__ import annotations

from typing import Any, override

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from sources import curation, personal, wording
from sources.models import Instruction, InstructionState, NearDuplicate, PersonalFinding, Provenance, Source

UNKNOWN = "unknown"
# Languages are read from this share of the table's pages, and from all of a small table.
_LANGUAGES = """
    SELECT language, count(*) AS n FROM sources_instruction TABLESAMPLE SYSTEM (%s) REPEATABLE (1)
    WHERE language <> '' GROUP BY 1 ORDER BY 2 DESC LIMIT %s
"""
_ROWS_GUESSED = "SELECT reltuples FROM pg_class WHERE oid = 'sources_instruction'::regclass"
LANGUAGE_SAMPLE = 20_000
LANGUAGES_OFFERED = 30
MEMBERS_LISTED = 10_000

type Choices = list[tuple[str, str]]
type Rows = QuerySet[Instruction]


class Filter(admin.SimpleListFilter):
    """A filter whose value may be one that it does not offer, such as that of a link from a source's page."""

    @override
    def choices(self, changelist: ChangeList) -> Any:
        offered = list(super().choices(changelist))
        if (value := self.value()) and value not in [str(lookup) for lookup, _ in self.lookup_choices]:
            query = changelist.get_query_string({str(self.parameter_name): value})
            offered.append({"selected": True, "query_string": query, "display": value})
        return offered

    @override
    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        return self.chosen(queryset, value) if value else queryset

    def chosen(self, rows: Rows, value: str) -> Rows:
        raise NotImplementedError


class SourceFilter(Filter):
    title, parameter_name = "source", "source"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(str(source.pk), str(source)) for source in Source.objects.all()]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        if not value.isdigit():
            return rows.none()
        return rows.filter(pk__in=Provenance.objects.filter(source=int(value)).values("instruction"))


class LanguageFilter(Filter):
    title, parameter_name = "language", "language"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS_GUESSED)
            [(rows,)] = cursor.fetchall()
            share = min(100.0, 100 * LANGUAGE_SAMPLE / rows) if rows > 0 else 100.0
            cursor.execute(_LANGUAGES, [share, LANGUAGES_OFFERED])
            return [*((code, code) for code, _ in cursor.fetchall()), (UNKNOWN, UNKNOWN)]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        return rows.filter(language="" if value == UNKNOWN else value)


class StateFilter(Filter):
    """Only states whose texts may be shown: for the others there are the pages of reports and take-downs."""

    title, parameter_name = "state", "state"
    _STATES = (InstructionState.AVAILABLE, InstructionState.SET_ASIDE)

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(str(state.value), str(state.label)) for state in self._STATES]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        return rows.filter(state=int(value)) if value in [str(state.value) for state in self._STATES] else rows.none()


class AugmentedFilter(Filter):
    title, parameter_name = "origin", "made"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("0", "given by a source"), ("1", "made of another instruction")]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        return rows.filter(parent__isnull=value != "1")


class PersonalFilter(Filter):
    title, parameter_name = "personal information", "personal"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("any", "any kind"), *personal.KINDS.items(), ("none", "none found")]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        found = PersonalFinding.objects.order_by()
        if value == "none":
            return rows.filter(_without(found))
        return rows.filter(pk__in=(found if value == "any" else found.filter(kind=value)).values("instruction"))


class NearFilter(Filter):
    """By the newest finished search; ``of-7`` is the cluster that instruction 7 represents."""

    title, parameter_name = "near-duplicates", "near"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        if curation.newest_search() is None:
            return []
        return [
            ("member", "nearly the same as the one kept"),
            ("kept", "the one kept of several"),
            ("alone", "nothing like it"),
        ]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        found = NearDuplicate.objects.order_by().filter(search=curation.newest_search())
        if value.startswith("of-") and value[3:].isdigit():
            one = int(value[3:])
            members = found.filter(representative=one).values_list("instruction", flat=True)
            return rows.filter(pk__in=[one, *members[:MEMBERS_LISTED]])
        if value == "alone":
            return rows.filter(_without(found), _without(found, "representative"))
        column = {"member": "instruction", "kept": "representative"}.get(value)
        return rows.filter(pk__in=found.values(column)) if column else rows.none()


class LengthFilter(Filter):
    title, parameter_name = "length in characters", "length"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(f"{low}-{high or ''}", wording.length_name(low, high)) for low, high in wording.length_ranges()]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        low, _, high = value.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            return rows.none()
        longer = rows.filter(characters__gte=int(low))
        return longer.filter(characters__lte=int(high)) if high else longer


class SuggestionFilter(Filter):
    title, parameter_name = "label as the source suggests it", "suggested"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [*((code, wording.words(code)) for code in wording.label_codes()), ("none", "no label suggested")]

    @override
    def chosen(self, rows: Rows, value: str) -> Rows:
        given = Provenance.objects.order_by()
        if value == "none":
            return rows.filter(_without(given.filter(suggested__has_key="label")))
        return rows.filter(pk__in=given.filter(suggested__label=value).values("instruction"))


def _without(found: QuerySet[Any], column: str = "instruction") -> Any:
    """That none of ``found`` is of the instruction; NOT IN would keep a million ids in memory, or worse."""
    return ~Exists(found.filter(**{column: OuterRef("pk")}))


FILTERS = (
    SourceFilter,
    StateFilter,
    SuggestionFilter,
    LengthFilter,
    PersonalFilter,
    NearFilter,
    AugmentedFilter,
    LanguageFilter,
)
