"""Lines that people can call, by country, from ``help_lines.toml``; kept by hand, with the day of the last look."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import phonenumbers
from django.core import checks
from phonenumbers import shortnumberinfo

FILE = Path(__file__).parent / "help_lines.toml"
# A line that nobody looked up for so long may be gone.
STALE = timedelta(days=365)

# Names of the countries in their own languages: who looks for one knows it by that.
COUNTRIES = {
    "AT": ("Österreich", "de"),
    "AU": ("Australia", "en"),
    "CA": ("Canada", "en"),
    "CH": ("Schweiz, Suisse, Svizzera", "de"),
    "DE": ("Deutschland", "de"),
    "ES": ("España", "es"),
    "FR": ("France", "fr"),
    "GB": ("United Kingdom", "en"),
    "IE": ("Ireland", "en"),
    "JP": ("日本", "ja"),
    "NZ": ("New Zealand", "en"),
    "US": ("United States", "en"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``number`` is +E.164, or a short one that is dialled in its country alone."""

    country: str
    name: str
    number: str
    address: str
    languages: tuple[str, ...]
    source: str
    checked: date

    @property
    def shown(self) -> str:
        """The number as it is written in its country."""
        if not self.number.startswith("+"):
            return f"{self.number[:3]} {self.number[3:]}" if len(self.number) == 6 else self.number
        return phonenumbers.format_number(phonenumbers.parse(self.number), phonenumbers.PhoneNumberFormat.NATIONAL)

    @property
    def is_valid(self) -> bool:
        """Whether the country's numbering plan has such a number."""
        if self.number.startswith("+"):
            parsed = phonenumbers.parse(self.number)
            return phonenumbers.is_valid_number_for_region(parsed, self.country)
        parsed = phonenumbers.parse(self.number, self.country)
        return bool(shortnumberinfo.is_valid_short_number_for_region(parsed, self.country))


@dataclass(frozen=True, slots=True)
class Country:
    """A country with its lines, under its own name in the language ``spoken``."""

    code: str
    name: str
    spoken: str
    lines: tuple[Line, ...]


@cache
def content() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def lines() -> tuple[Line, ...]:
    return tuple(Line(**{**line, "languages": tuple(line["languages"])}) for line in content()["lines"])


def by_country(language: str) -> list[Country]:
    """The countries by their names, first those where a line speaks ``language``."""
    found: dict[str, list[Line]] = {}
    for line in lines():
        found.setdefault(line.country, []).append(line)
    countries = [Country(code, *COUNTRIES[code], tuple(listed)) for code, listed in found.items()]
    spoken = language.partition("-")[0]
    return sorted(countries, key=lambda one: (not _answers(one, spoken), one.name))


def stale(today: date) -> list[str]:
    """Sentences about lines that were not looked up for too long."""
    old = [line for line in lines() if today - line.checked > STALE]
    return [f"{line.name}, {line.country}, {line.number}: last looked up on {line.checked}" for line in old]


def check_lines(**_: Any) -> list[checks.CheckMessage]:
    """A warning for each line that is to be looked up again."""
    hint = f"Look it up where its source says, and write the day into {FILE.name}."
    return [checks.Warning(words, hint=hint, id="annotate.W001") for words in stale(date.today())]


def _answers(country: Country, language: str) -> bool:
    return any(language in line.languages for line in country.lines)
