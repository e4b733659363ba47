from django.apps import AppConfig
from django.core import checks


class AnnotateConfig(AppConfig):
    name = "annotate"
    verbose_name = "Annotate: instructions become votes"

    def ready(self) -> None:
        from annotate import assignments, external, forgetting, help_lines
        from sources import chunks, removals

        # Imports run one way (annotate -> sources), so the writer of instructions is told here who writes votes, and
        # the take-down who holds what it takes.
        chunks.register_vote_writer(external.write_votes)
        checks.register(help_lines.check_lines)
        removals.register(assignments.concerned, forget=forgetting.forget, afterwards=assignments.release_withdrawn)
