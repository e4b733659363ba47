"""Settings read from environment variables, refusing nonsense by name.

Every reader takes the variable's name and what to use when it is unset or empty, and raises
`ImproperlyConfigured` with one line that names the variable, what it must be and what it was.
"""

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")
# Less than this somebody has typed, not drawn.
SECRET_LENGTH, SECRET_VARIETY = 32, 5


def given(name: str) -> str | None:
    """The variable's value without surrounding space, or None where it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def text(name: str, default: str | None = None) -> str:
    """The value as it is; without a default the variable must be set."""
    value = given(name)
    if value is not None:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} must be set")
    return default


def choice(name: str, default: str, choices: Collection[str]) -> str:
    """One of `choices`."""
    value = text(name, default)
    if value not in choices:
        raise _refusal(name, f"one of {', '.join(choices)}", value)
    return value


def flag(name: str, default: bool = False) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; in any case."""
    value = given(name)
    if value is None:
        return default
    if value.lower() not in TRUE + FALSE:
        raise _refusal(name, "1 or 0 (or true/false, yes/no, on/off)", value)
    return value.lower() in TRUE


def integer(name: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """A whole number within the bounds, both included."""
    value = given(name)
    if value is None:
        return default
    # int() alone would also take "1_000" and digits of other scripts.
    number = int(value) if value.isascii() and value.removeprefix("-").isdigit() else None
    if number is None or not _within(number, minimum, maximum):
        raise _refusal(name, f"a whole number{_bounds(minimum, maximum)}", value)
    return number


def share(name: str, default: float) -> float:
    """A share between 0 and 1, both included, such as 0.1."""
    value = given(name)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise _refusal(name, "a share from 0 to 1", value)
    return number


def names(name: str, default: Collection[str] = (), *, form: str = ".+", such_as: str = "a name") -> list[str]:
    """The non-empty entries of a comma-separated list, each of which has to match `form` (a regular expression)."""
    value = given(name)
    if value is None:
        return list(default)
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    for entry in entries:
        if not re.fullmatch(form, entry):
            raise _refusal(name, f"a list of entries such as {such_as}", entry)
    return entries


def url(name: str, default: str | None = None, *, schemes: Collection[str]) -> str:
    """An address with one of `schemes`; the refusal does not repeat the value, which may hold a password."""
    value = given(name)
    if value is None:
        return text(name, default)
    try:
        parts = urlsplit(value)
        complete = bool(parts.netloc or parts.path.strip("/")) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or parts.scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must be an address that starts with {_either(schemes)}")
    return value


def secret(name: str, default: Callable[[], str]) -> str:
    """A key nobody can guess, else what `default` returns; the refusal does not repeat the value."""
    value = given(name)
    if value is None:
        return default()
    if len(value) < SECRET_LENGTH or len(set(value)) < SECRET_VARIETY:
        wanted = f"{SECRET_LENGTH} or more characters, {SECRET_VARIETY} or more of them different"
        raise ImproperlyConfigured(f"{name} must be {wanted}: openssl rand -hex 32 makes one")
    return value


def database(default: Callable[[], str]) -> dict[str, Any]:
    """DATABASE_URL, else the address that `default` returns, as one entry of Django's DATABASES.

    The address is libpq's, so its parameters (`?sslmode=require`, `?host=/run/postgresql`) mean what they mean to psql.
    """
    address = url("DATABASE_URL", default(), schemes=("postgresql", "postgres"))
    try:
        found = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        # libpq's own words may quote the password.
        remedy = "check its parameters, and write unusual characters as in %20"
        raise ImproperlyConfigured(f"DATABASE_URL is not an address that PostgreSQL takes: {remedy}") from None
    if not found.get("dbname"):
        raise ImproperlyConfigured("DATABASE_URL must name a database, as in postgresql://user:password@host:5432/oig")
    named = {key.upper(): str(found.pop(key, "")) for key in ("user", "password", "host", "port")}
    return {"ENGINE": "config.postgresql", "NAME": found.pop("dbname"), **named, "OPTIONS": found}


def path(name: str, default: Path) -> Path:
    """An absolute path; a relative one is taken from the working directory."""
    return Path(given(name) or default).expanduser().absolute()


def _refusal(name: str, wanted: str, value: str) -> ImproperlyConfigured:
    # Escapes keep the message one line whatever the value holds.
    shown = value.encode("unicode_escape").decode()
    return ImproperlyConfigured(f'{name} must be {wanted}, not "{shown}"')


def _within(number: int, minimum: int | None, maximum: int | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _bounds(minimum: int | None, maximum: int | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of {minimum} or more"
    return f" of {maximum} or less" if maximum is not None else ""


def _either(schemes: Collection[str]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)
