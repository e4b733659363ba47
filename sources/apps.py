from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "sources"
    verbose_name = "Sources: public datasets become instructions"

    def ready(self) -> None:
        from sources import checks, imports, jobs  # noqa: F401
        from sources.models import DuplicateSearch, Screening

        jobs.register(imports.waiting)
        jobs.register(jobs.each(Screening, "sources.tasks.screen"))
        jobs.register(jobs.each(DuplicateSearch, "sources.tasks.search_duplicates"))
