"""Admin of imports and augmentations: forms that start one, and its page while it runs and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, override

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path

from sources import augmenters, importers, imports, ledger, parents, tasks, texts, workers
from sources.admin.base import LIVE, JobAdmin, duration
from sources.admin.import_forms import AugmentationForm, ImportForm
from sources.admin.workers import workers_view
from sources.errors import SourceError
from sources.jobs import JobState
from sources.models import ImportChunk, ImportRun
from sources.models.imports import SIZE

type Form = ImportForm | AugmentationForm

COUNTED = ("read", "added", "known", "rejected")


@admin.register(ImportRun)
class ImportRunAdmin(JobAdmin):
    """What starts an import or an augmentation, and those there were."""

    details_template = "admin/sources/importrun/details.html"
    verbs_template = "admin/sources/importrun/verbs.html"
    add_form_template = "admin/sources/importrun/start.html"
    change_list_template = "admin/sources/importrun/list.html"
    list_display = (
        "id",
        "source",
        "format",
        "state",
        "done",
        "read",
        "added",
        "known",
        "rejected",
        "created_at",
        "finished_at",
    )
    list_filter = (
        "state",
        ("augments", admin.EmptyFieldListFilter),
        "format",
        ("source", admin.RelatedOnlyFieldListFilter),
        "created_at",
    )
    search_fields = ("source__name", "origin", "upload")
    list_select_related = ("source",)
    view_on_site = False
    fields = readonly_fields = (
        "source",
        "format",
        "augments",
        "given_as",
        "chosen_options",
        "started_by",
        "created_at",
    )
    actions = ("import_again",)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        chunks = ImportChunk.objects.filter(run=OuterRef("pk")).order_by().values("run")
        finished = Q(state=JobState.FINISHED)
        sums = {f"n_{name}": Sum(name) for name in COUNTED}
        sums |= {"n_size": Sum(SIZE), "n_done": Sum(SIZE, filter=finished)}
        counts = {name: Coalesce(Subquery(chunks.annotate(n=counted).values("n")), 0) for name, counted in sums.items()}
        runs: QuerySet[ImportRun] = super().get_queryset(request)
        return runs.select_related("source", "augments").annotate(**counts)

    @override
    def get_urls(self) -> list[URLPattern | URLResolver]:  # type: ignore[override]
        own: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("augment/", self.augment_view, "augment"),
            ("about/", self.about_view, "about"),
            ("workers/", partial(workers_view, model_admin=self), "workers"),
            ("<int:pk>/cancel/", self.cancel_view, "cancel"),
            ("<int:pk>/resume/", self.resume_view, "resume"),
            ("<int:pk>/again/", self.again_view, "again"),
        ]
        named = [
            path(route, self.admin_site.admin_view(view), name=f"sources_importrun_{name}") for route, view, name in own
        ]
        return [*named, *super().get_urls()]

    @override
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.check_may_start(request)
        form = ImportForm(
            request.POST or None,
            request.FILES or None,
            initial=request.GET.dict(),
            may_name_path=bool(getattr(request.user, "is_superuser", False)),
            may_add_source=request.user.has_perm("sources.add_source"),
        )
        return self._answer(request, form, self._imported, title="Import a file", known=importers.known())

    def augment_view(self, request: HttpRequest) -> HttpResponse:
        self.check_may_start(request)
        if not request.user.has_perm("sources.add_source"):
            raise PermissionDenied
        form = AugmentationForm(request.POST or None, initial=request.GET.dict())
        title = "Augment a source"
        return self._answer(request, form, self._augmented, title=title, known=augmenters.known())

    def about_view(self, request: HttpRequest) -> HttpResponse:
        """What the chosen format or augmenter is, for the form."""
        self.check_may_start(request)
        return render(request, "admin/sources/importrun/about.html", {"about": _about(request.GET)})

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.asked(request, pk)
        if not imports.cancel(run):
            return self.back(request, run, f"{run} had ended already", messages.WARNING)
        return self.back(request, run, "Cancelled: what was written stays, and the rest can be resumed")

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.asked(request, pk)
        try:
            imports.resume(run)
        except SourceError as error:
            return self.back(request, run, texts.printable(str(error)), messages.ERROR)
        self.send(request, tasks.dispatch_jobs)
        return self.back(request, run, "Resumed: it goes on with what is left")

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self.asked(request, pk)
        try:
            return HttpResponseRedirect(self._again(request, run).get_absolute_url())
        except SourceError as error:
            return self.back(request, run, run.in_words(str(error)), messages.ERROR)

    @admin.action(description="Import again (known rows are only counted)", permissions=["add"])
    def import_again(self, request: HttpRequest, queryset: QuerySet[ImportRun]) -> None:
        for run in queryset:
            try:
                self._again(request, run)
            except SourceError as error:
                self.message_user(request, run.in_words(str(error)), messages.ERROR)

    @override
    def progress_of(self, job: Any) -> dict[str, Any]:
        left = job.seconds_left
        return {
            "state": _state(job),
            "rate": job.rows_per_second if job.state == JobState.RUNNING else None,
            "left": duration(left) if left is not None else "",
            "why_it_waits": workers.why_it_waits() if _waits(job) else "",
            "error": job.in_words(job.error),
            "remedy": _REMEDIES.get(job.state, ""),
        }

    @admin.display(description="Done, %", ordering="n_done")
    def done(self, run: Any) -> int:
        if run.state == JobState.FINISHED:
            return 100
        return min(99, 100 * run.n_done // run.n_size) if run.n_size else 0

    @admin.display(ordering="n_read")
    def read(self, run: Any) -> str:
        return f"{run.n_read:,}"

    @admin.display(ordering="n_added")
    def added(self, run: Any) -> str:
        return f"{run.n_added:,}"

    @admin.display(ordering="n_known")
    def known(self, run: Any) -> str:
        return f"{run.n_known:,}"

    @admin.display(ordering="n_rejected")
    def rejected(self, run: Any) -> str:
        return f"{run.n_rejected:,}"

    @admin.display(description="Given as")
    def given_as(self, run: ImportRun) -> str:
        return run.given_as

    @admin.display(description="Options")
    def chosen_options(self, run: ImportRun) -> str:
        return "\n".join(f"{name}={value}" for name, value in run.options.items()) or "none"

    def _answer(
        self, request: HttpRequest, form: Form, begin: Callable[..., ImportRun], *, title: str, known: Any
    ) -> HttpResponse:
        """The page of a form, or a way to the run that it began."""
        if form.is_valid():
            try:
                run = begin(request, form)
            except SourceError as error:
                form.tell(error)
            else:
                self._begun(request, run)
                return HttpResponseRedirect(run.get_absolute_url())
        chosen = {name: form[name].value() for name in ("format", "augmenter") if name in form.fields}
        return self.form_page(request, form, title=title, about=_about(chosen), all_known=known)

    def _imported(self, request: HttpRequest, form: ImportForm) -> ImportRun:
        asked = form.cleaned_data
        return imports.start(
            form.named_source(),
            asked["format"],
            origin=asked["address"] or asked.get("path") or "",
            upload=asked["upload"],
            options=asked["options"],
            started_by=request.user,
        )

    def _augmented(self, request: HttpRequest, form: AugmentationForm) -> ImportRun:
        asked = form.cleaned_data
        augmenters.get(asked["augmenter"]).reader(asked["options"])
        into = ledger.derived(asked["source"], asked["augmenter"], asked["name"])
        run = imports.augment(
            asked["source"], asked["augmenter"], into, options=asked["options"], started_by=request.user
        )
        if missing := parents.not_screened(asked["source"]):
            self.message_user(request, str(missing), messages.WARNING)
        return run

    def _again(self, request: HttpRequest, run: ImportRun) -> ImportRun:
        again = imports.again(run, started_by=request.user)
        self._begun(request, again)
        return again

    def _begun(self, request: HttpRequest, run: ImportRun) -> None:
        self.log_addition(request, run, "Started.")
        self.message_user(request, f"{str(run).capitalize()} has begun", messages.INFO)
        self.send(request, tasks.plan_import, run.pk)


_REMEDIES = {
    JobState.FAILED: (
        "What was written stays. If the cause lay outside the file (disk, network, a worker that was lost), remove it "
        "and resume: it goes on with what is left. If the file or an option is wrong, correct it and import it anew: "
        "rows that are known are only counted."
    ),
    JobState.CANCELLED: "What was written stays. Resume it to go on with what is left.",
}


def _about(chosen: Any) -> Any:
    """The format or the augmenter that is chosen, if there is one of that name."""
    try:
        if name := chosen.get("augmenter"):
            return augmenters.get(name)
        return importers.get(name) if (name := chosen.get("format")) else None
    except SourceError:
        return None


def _state(run: ImportRun) -> str:
    """What it is at, in words."""
    if run.state == JobState.QUEUED:
        return "Waiting for a worker"
    if run.state != JobState.RUNNING:
        return str(run.get_state_display()).capitalize()
    if run.planned_at is None:
        return "Preparing the files"
    return "Augmenting" if run.is_augmentation else "Importing"


def _waits(run: ImportRun) -> bool:
    """Whether nobody is at it."""
    if run.state not in LIVE:
        return False
    return not (run.lease_token or run.chunks.filter(state=JobState.RUNNING).exists())
