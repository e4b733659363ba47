"""Numbers with a check digit or a strict form: bank accounts, cards, and identities of many countries.

Every finder yields where its findings start and end in a text whose digits are folded to ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from stdnum import iban, luhn, numdb

type Places = Iterator[tuple[int, int]]

# --- bank accounts: ISO 13616

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_BBAN_PART = re.compile(r"(\d+)!")


def ibans(text: str) -> Places:
    """International bank account numbers with the length, structure and check digits of their country."""
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0][:2].upper())
        end = _end_after(match[0], length)
        if end and not text[match.start() + end : match.start() + end + 1].isalnum() and iban.is_valid(match[0][:end]):
            yield match.start(), match.start() + end


@cache
def _iban_length(country: str) -> int:
    """How many characters an IBAN of the country has, by SWIFT's registry; 0 for a country without."""
    structure = dict(numdb.get("iban").info(country)[0][1]).get("bban", "")
    return 4 + sum(int(part) for part in _BBAN_PART.findall(structure)) if structure else 0


def _end_after(text: str, length: int) -> int:
    """Where the first ``length`` letters and digits end; 0 if there are fewer or none are wanted."""
    places = [place for place, character in enumerate(text, start=1) if character not in " -"]
    return places[length - 1] if 0 < length <= len(places) else 0


# --- cards: ISO/IEC 7812

_CARD = re.compile(r"(?<![\w.,])[0-9](?:[ -]?[0-9]){11,18}(?![\w]|[.,][0-9])")
_GROUPS = re.compile(r"[0-9]{12,19}|(?:[0-9]{4}([ -]))(?:[0-9]{4}\1){2,3}[0-9]{1,4}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}")
# First digits and lengths of the card schemes. Other numbers with a Luhn digit (IMEI, 15 digits from 35) are not cards.
_SCHEMES = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2}|8171)[0-9]{12,15}"  # Discover, UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{8,15}"  # Maestro
)


def cards(text: str) -> Places:
    """Payment cards: digits of a known scheme in its length and usual groups, with a right Luhn digit."""
    for match in _CARD.finditer(text):
        digits = match[0].replace(" ", "").replace("-", "")
        if _SCHEMES.fullmatch(digits) and _GROUPS.fullmatch(match[0]) and luhn.is_valid(digits):
            yield match.span()


# --- identities of persons

# How a number is written (9 a digit, A a letter, the rest as it is) -> the modules of stdnum that check it. Numbers
# whose check lets one of ten strangers through are only taken with the separators that people write them with.
_FORMS: dict[str, tuple[str, ...]] = {
    "999-99-9999": ("us.ssn",),
    "999.999.999-99": ("br.cpf",),
    "99999999A": ("es.dni",),
    "99999999-A": ("es.dni",),
    "A9999999A": ("es.nie",),
    "A-9999999-A": ("es.nie",),
    "AAAAAA99A99A999A": ("it.codicefiscale",),
    "AAAA999999AAAAAA99": ("mx.curp",),
    "AAAA999999AAAAAAA9": ("mx.curp",),
    "AAAAA9999A": ("in_.pan",),
    "9999 9999 9999": ("in_.aadhaar",),
    "9999-9999-9999": ("in_.aadhaar",),
    "99 999 999 999": ("de.idnr",),
    "999999999999999": ("fr.nir",),
    "9 99 99 99 999 999 99": ("fr.nir",),
    "99999999999999999A": ("cn.ric",),
    "999999999999999999": ("cn.ric",),
    "99999999999": ("pl.pesel", "tr.tckimlik", "no.fodselsnummer", "ee.ik", "gr.amka"),
    "999999 99999": ("no.fodselsnummer",),
    "9999999999999": ("ro.cnp", "za.idnr"),
    "999999 9999 999": ("za.idnr",),
    "9-9999-99999-99-9": ("th.pin",),
    "999999-9999": ("se.personnummer", "dk.cpr"),
    "99999999-9999": ("se.personnummer",),
    "999999-999A": ("fi.hetu",),
    "999999-9999999": ("kr.rrn",),
    "999999/9999": ("cz.rc",),
    "99.99.99-999.99": ("be.nn",),
    "999.9999.9999.99": ("ch.ssn",),
    "99.999.999-9": ("cl.rut",),
    "99.999.999-A": ("cl.rut",),
    "999-999-999": ("ca.sin",),
    "9999999A": ("ie.pps",),
    "9999999AA": ("ie.pps",),
}


def _pattern(form: str) -> str:
    return re.escape(form).replace("9", "[0-9]").replace("A", "[A-Z]")


def _forms() -> re.Pattern[str]:
    longest_first = sorted(_FORMS, key=len, reverse=True)
    return re.compile(rf"(?<![\w.,/-])(?:{'|'.join(map(_pattern, longest_first))})(?![\w/-]|[.,][0-9])")


_ID = _forms()
_SHAPE = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "9" * 10 + "A" * 26)


class _Checker(Protocol):
    """A module of stdnum."""

    def is_valid(self, number: str) -> bool: ...


def ids(text: str) -> Places:
    """Identity and tax numbers of persons, written in the form of their country and right by its check."""
    for match in _ID.finditer(text):
        if any(_checker(name).is_valid(match[0]) for name in _FORMS[match[0].translate(_SHAPE)]):
            yield match.span()


@cache
def _checker(name: str) -> _Checker:
    return cast(_Checker, import_module(f"stdnum.{name}"))
