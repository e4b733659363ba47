class ExportError(Exception):
    """Base of what can go wrong with a snapshot; str() is one sentence with its remedy."""


class SnapshotRefused(ExportError):
    """The snapshot cannot be published as asked; nothing was written."""


class SnapshotExists(SnapshotRefused):
    """The version is taken; a draft can be resumed, and what is published stays as it is."""


class LowerVersion(SnapshotRefused):
    """A higher version was published; a lower one has to be allowed."""


class NothingToPublish(SnapshotRefused):
    """No line would be in it."""


class NotReproducible(ExportError):
    """A published version gives other bytes now than when it was published; the message names what differs."""


class StandingRefused(ExportError):
    """The release cannot be deprecated, withdrawn or published again as asked; nothing changed."""


class PushRefused(ExportError):
    """The release cannot be put there; nothing that is there was changed, and asking again does not help."""


class PushInterrupted(ExportError):
    """Something on the way failed that may pass: the same command goes on from what has come."""
