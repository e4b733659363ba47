from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "sources"
    verbose_name = "Sources: public datasets become instructions"

    def ready(self) -> None:
        from sources import checks, jobs  # noqa: F401
        from sources.models import ImportRun

        jobs.register(ImportRun, "sources.tasks.import_run")
