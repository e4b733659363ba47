"""What is written like a street and a house number. No check exists for these: spellings of a few languages.

The finder yields where its findings start and end in a text whose digits are folded to ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

type Places = Iterator[tuple[int, int]]

_HOUSE = r"[1-9][0-9]{0,3}(?:[ -]?[A-Za-z])?(?![\w%]|[.,:][0-9])"
_NAME = r"(?:[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]{0,24})"
_OF = (
    r"(?:(?:de|del|della|di|do|da|dos|das|du|des|la|le|les|los|las|el|den|der|van|von|zum|zur|am|im|y|e)[ ]"
    r"|d['’]|l['’]){0,3}"
)

# The number first: 12 Baker Street; 350 Fifth Ave; 10 N Main St; 12 baker street (in lower case only with two digits
# and words that mean little else); 12 bis, rue de la Paix. It begins with a set of characters, so re can skip to them.
_NUMBER_FIRST = re.compile(
    rf"""[1-9](?<![\w.,:/$€£#-][0-9])[0-9]{{0,4}}(?:-[0-9]{{1,4}}|[A-Za-z])?,?[ ](?:
    (?:(?:[NSEW]|North|South|East|West)\.?[ ])?(?:(?:{_NAME}|[0-9]{{1,3}}(?:st|nd|rd|th))[ ]){{1,3}}
    (?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Square|Sq|Close
    |Crescent|Parkway|Pkwy|Highway|Hwy|Circle|Gardens|Grove|Mews|Row|Walk|Hill)\b
    |(?<=[0-9][0-9][ ])(?:[a-z]{{3,15}}[ ]){{1,2}}(?:street|avenue|boulevard)\b
    |(?:(?:bis|ter),?[ ])?(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|cours|route)[ ]
    {_OF}{_NAME}(?:[ -]{_OF}{_NAME}){{0,2}})""",
    re.VERBOSE,
)

_FORMS = [
    r"\b[Pp]\.?[ ]?[Oo]\.?[ ][Bb]ox[ ][0-9]{1,6}\b",
    # Hauptstraße 12; Kerkstraat 12; Storgatan 5; Alte Allee 3
    rf"""\b[A-ZÄÖÜ][\w-]{{1,24}}(?:straße|strasse|str\.|weg|gasse|platz|allee|damm|ufer|straat|laan|gracht|plein|kade
    |gatan|vägen|gata|veien|vej|gade)[ ]{_HOUSE}""",
    rf"\b[A-ZÄÖÜ][\w-]{{1,24}}[ ](?:Straße|Strasse|Str\.|Weg|Gasse|Platz|Allee|Damm|Ufer|Ring)[ ]{_HOUSE}",
    # Calle de Alcalá 12; Rua das Flores, 12; Via Roma 3; ul. Długa 7
    rf"""(?:\b(?:Calle|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrera|Rua|Travessa|Praça|Via|Viale|Piazza|Corso|ul\.|al\.)
    |\bC/)[ ]?{_OF}{_NAME}(?:[ ]{_OF}{_NAME}){{0,3}},?[ ](?:n\.?[º°o]\.?[ ]?|no\.?[ ]?)?{_HOUSE}""",
    # ул. Ленина, д. 5; Atatürk Caddesi No: 5; 中山路12号
    rf"""(?:ул\.|улица|пр\.|проспект|пер\.|переулок|вул\.)[ ]?[А-ЯЁІЇЄ][\w-]{{1,24}}(?:[ ][А-ЯЁ][\w-]{{1,24}})?
    ,?[ ](?:д\.[ ]?|дом[ ])?{_HOUSE}""",
    r"\b[A-ZÇĞİÖŞÜ]\w{1,24}[ ](?:Caddesi|Cad\.|Sokak|Sokağı|Sok\.|Bulvarı),?[ ](?:[Nn]o[ ]?[:.][ ]?)?[1-9][0-9]{0,3}\b",
    r"[\u4e00-\u9fff]{2,8}?(?:路|街|道|巷)[0-9]{1,4}[号號]",
]
_NAME_FIRST = re.compile("|".join(f"(?:{form})" for form in _FORMS), re.VERBOSE)
# What every one of these forms has in lower case: most texts have none, and looking for words is faster.
_SIGNS = (
    *(
        "box ",
        "straße",
        "strasse",
        "str.",
        "weg ",
        "gasse",
        "platz",
        "allee",
        "damm",
        "ufer ",
        "ring ",
        "straat",
        "laan ",
    ),
    *(
        "gracht",
        "plein",
        "kade ",
        "gatan",
        "vägen",
        "gata ",
        "veien",
        "vej ",
        "gade ",
        "calle",
        "avenida",
        "avda",
        "av.",
    ),
    *(
        "plaza",
        "paseo",
        "carrera",
        "rua ",
        "travessa",
        "praça",
        "via",
        "piazza",
        "corso",
        "ul.",
        "al.",
        "c/",
        "ул",
        "пр",
    ),
    *("пер", "caddesi", "cad.", "sokak", "sokağı", "sok.", "bulvarı", "路", "街", "道", "巷"),
)


def streets(text: str) -> Places:
    """Streets with a house number, and post boxes."""
    places = [match.span() for match in _NUMBER_FIRST.finditer(text)]
    lower = text.lower()
    if any(sign in lower for sign in _SIGNS):
        places += [match.span() for match in _NAME_FIRST.finditer(text)]
    end = 0
    for place in sorted(places):
        if place[0] >= end:
            yield place
            end = place[1]
