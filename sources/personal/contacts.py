"""Where people are reached: e-mail addresses, telephone numbers, addresses of their machines.

Every finder yields where its findings start and end in a text whose digits are folded to ASCII.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from phonenumbers import Leniency, PhoneNumberMatcher

type Places = Iterator[tuple[int, int]]

# --- e-mail: RFC 5321's lengths, RFC 6531's letters

_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 255
_LOCAL_BACKWARDS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]*\w")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:xn--[a-z0-9-]{2,40}|[^\W\d_]{2,24})(?![\w-])")
_FILE = re.compile(r".*\.(?:png|jpe?g|gif|svg|webp|js|css)", re.IGNORECASE)  # icon@2x.png


def emails(text: str) -> Places:
    """E-mail addresses; those of example domains too, since nobody reading can be sure that they are invented."""
    at, done = text.find("@"), 0
    while at >= 0:
        local = _LOCAL_BACKWARDS.match(text[max(done, at - _LONGEST_LOCAL) : at][::-1])
        domain = _DOMAIN.match(text, at + 1, at + 1 + _LONGEST_DOMAIN)
        if local and domain and not _FILE.fullmatch(domain[0]):
            done = domain.end()
            yield at - len(local[0]), done
        at = text.find("@", domain.end() if domain else at + 1)


# --- IP addresses

_V4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_NUMBERED = re.compile(
    r"(?:\b(?:v|ver|version|release|build|firmware|driver|patch|update|section|chapter|clause|paragraph|figure|table)"
    r"\.?[ :=#-]{0,3}|§ ?|[A-Za-z][/_-])\Z",
    re.IGNORECASE,
)
_GLOBAL_UNICAST = 0b001  # the first bits of every IPv6 address that was given to anybody: RFC 4291


def ips(text: str) -> Places:
    """Addresses that belong to somebody: not private, local or documentation ones, no versions, no section numbers."""
    if text.count(".") >= 3:
        for match in _V4.finditer(text):
            if _is_public(match[0]) and not _NUMBERED.search(text, max(0, match.start() - 16), match.start()):
                yield match.span()
    if text.count(":") >= 2:
        yield from (match.span() for match in _V6.finditer(text) if _is_public(match[0]))


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and int(address) >> 125 != _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


# --- telephones

# Seven digits with little between them: PhoneNumberMatcher is slow, and is shown nothing else.
_RUN = re.compile(r"[+(]{0,2}[0-9](?:[ ()./~\t-]{0,3}[0-9]){6,}")
_PART = re.compile(r"\([^(]{6,}")
_LONGEST_RUN = 48
_CONTEXT = 12  # characters beside a run that the matcher may see: a letter or a currency sign there tells it is none
_CUE = re.compile(
    r"(?:phone|tel|telephone|telefon\w*|tél|call|calling|ring|dial|mobile|cell|handy|fax|whatsapp|text|sms|contact|reach"
    r"|number|numbers|no|nr|nummer|numéro|número|móvil|celular|☎|📞|📱)"
    r"[\s.:#(]{0,4}(?:(?:me|us|him|her|them|is|at|on|to|the|now|=)[\s:]{1,3}){0,3}\Z",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"[2-9][0-9]{2}[ .-][0-9]{4}")  # seven digits without an area code: only after a cue
# What is no telephone number though some country could have it: dates, and the form of a US social security number.
_OTHER = re.compile(
    r"(?:[0-3]?[0-9]([./ -])[01]?[0-9]\1(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}([./ -])[01]?[0-9]\2[0-3]?[0-9])(?: .*)?"
    r"|[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]+(?:/[0-9]+){2,}"
)
# What stands before or after a part of something longer (a decimal, a sum, a link), and words for other numbers.
_BEFORE = re.compile(
    r"(?:[0-9][.,·:]|[\w/=&#_-]|(?:isbn|issn|ean|doi|imei|isin|sku)(?:-1[03])?[\s:#.]{0,3})\Z", re.IGNORECASE
)
_AFTER = re.compile(r"[.,·:][0-9]|[/=&_]")
_SEPARATED = re.compile(r"[0-9][ ()/~\t-]+[0-9]|[0-9]{3}\.[0-9]{3}\.[0-9]{4}\Z")


def phones(text: str, regions: Sequence[str]) -> Places:
    """Telephone numbers that exist by their country's numbering plan.

    A national one is written in groups or with a leading 0, or follows a word such as "call": other long numbers are
    counts, prices and keys.
    """
    done = 0  # an extension ("ext. 12") may reach into the next run
    for start, end in _runs(text):
        if start < done:
            continue
        if local := _LOCAL.fullmatch(text, start + text.count("(", start, start + 2), end):
            if _is_cued(text, start):
                yield local.span()
        else:
            for place in _numbers_in(text, start, end, regions):
                done = place[1]
                yield place


def _runs(text: str) -> Places:
    """Where digits stand close together. A long run is a table, unless its numbers begin with brackets."""
    for run in _RUN.finditer(text):
        if len(run[0]) <= _LONGEST_RUN:
            yield run.span()
            continue
        for part in _PART.finditer(text, *run.span()):
            if len(part[0]) <= _LONGEST_RUN:
                yield part.span()


def _numbers_in(text: str, start: int, end: int, regions: Sequence[str]) -> Places:
    left = max(0, start - _CONTEXT)
    near = text[left : end + _CONTEXT]
    # None: only with its country code. Where there is one, no region need be asked.
    national = () if text.startswith("+", start) or not _is_written_as_phone(text, start, end) else regions
    for region in (None, *national):
        matches = PhoneNumberMatcher(near, region, Leniency.VALID)
        found = [(left + match.start + _is_open(match.raw_string), left + match.end) for match in matches]
        places = [place for place in found if place[0] < end and _is_written_as_phone(text, *place)]
        yield from places
        if places:
            return


def _is_open(raw: str) -> bool:
    """Whether it begins with a bracket that is closed somewhere behind it."""
    return raw.startswith("(") and ")" not in raw


def _is_written_as_phone(text: str, start: int, end: int) -> bool:
    if text[start] == "+":
        return not text[max(0, start - 1) : start].isdigit()  # else a sum
    if _OTHER.fullmatch(text, start, end) or _AFTER.match(text, end) or _BEFORE.search(text, max(0, start - 12), start):
        return False
    return text[start] == "0" or _SEPARATED.search(text, start, end) is not None or _is_cued(text, start)


def _is_cued(text: str, start: int) -> bool:
    return _CUE.search(text, max(0, start - 40), start) is not None
