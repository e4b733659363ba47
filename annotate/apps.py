from django.apps import AppConfig


class AnnotateConfig(AppConfig):
    name = "annotate"
    verbose_name = "Annotate: instructions become votes"

    def ready(self) -> None:
        from annotate import external
        from sources import chunks

        # Imports run one way (annotate -> sources), so the writer of instructions is told here who writes votes.
        chunks.register_vote_writer(external.write_votes)
