from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = "Exports: votes become snapshots"

    def ready(self) -> None:
        from annotate import progress
        from exports import comparing, contributions, derivation
        from exports.models import Snapshot
        from sources import jobs, removals

        jobs.register(jobs.each(Snapshot, "exports.tasks.publish_snapshot"))
        jobs.register(comparing.waiting)
        removals.register(derivation.concerned)
        progress.register(contributions.of_person)
