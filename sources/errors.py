"""The exception base of this app."""


class SourceError(Exception):
    """{problem}: {remedy}. The docstring of each subclass is its message; trying again would not change it."""

    def __init__(self, **values: object) -> None:
        words = " ".join((type(self).__doc__ or "").split())
        super().__init__(words.format(**values))
