"""What the commands for releases say where the disk, the database or the request is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from exports.errors import ExportError, LowerVersion

# A read that finds its connection closed is told otherwise than one during which that happens; psycopg's own errors
# come from connections that Django does not look after.
AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)

WRITING, READING = "choose another place or make room", "make it readable, or restore it from a backup"


@contextmanager
def in_one_line(place: Path | None = None, *, disk: str = READING, again: str = "try again") -> Iterator[None]:
    """Say what can go wrong in one line that tells what to do: about the ``disk``, or ``again`` with a database.

    ``place`` is where a file is that the system does not name.
    """
    try:
        yield
    except LowerVersion as error:
        raise CommandError(f"{error} (--allow-lower)") from None
    except ExportError as error:
        raise CommandError(str(error)) from None
    except ValidationError as error:
        raise CommandError(error.message) from None
    except OSError as error:
        where = error.filename or place or settings.SNAPSHOT_ROOT
        raise CommandError(f"{where}: {error.strerror}; {disk}") from None
    except AWAY as error:
        said = str(error).strip().partition("\n")[0]
        raise CommandError(f"The database went away ({said}); when it answers, {again}") from None
