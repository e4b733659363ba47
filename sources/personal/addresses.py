"""What is written like a street and a house number. No check exists for these: spellings of a few languages.

The finder yields where its findings start and end in a text whose digits are folded to ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

type Places = Iterator[tuple[int, int]]

_NUMBER = r"(?<![\w.,:/$€£#-])[1-9][0-9]{0,4}(?:-[0-9]{1,4}|[A-Za-z])?"
_HOUSE = r"[1-9][0-9]{0,3}(?:[ -]?[A-Za-z])?(?![\w%]|[.,:][0-9])"
_NAME = r"(?:[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]{0,24})"
_OF = (
    r"(?:(?:de|del|della|di|do|da|dos|das|du|des|la|le|les|los|las|el|den|der|van|von|zum|zur|am|im|y|e)[ ]"
    r"|d['’]|l['’]){0,3}"
)

_FORMS = [
    # 12 Baker Street; 350 Fifth Ave; 10 N Main St
    rf"""{_NUMBER},?[ ](?:(?:[NSEW]|North|South|East|West)\.?[ ])?(?:(?:{_NAME}|[0-9]{{1,3}}(?:st|nd|rd|th))[ ]){{1,3}}
    (?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Square|Sq|Close
    |Crescent|Parkway|Pkwy|Highway|Hwy|Circle|Gardens|Grove|Mews|Row|Walk|Hill)\b""",
    # 12 baker street: in lower case only with two digits and words that mean little else
    r"(?<![\w.,:/$€£#-])[1-9][0-9]{1,4}[ ](?:[a-z]{3,15}[ ]){1,2}(?:street|avenue|boulevard)\b",
    r"\b[Pp]\.?[ ]?[Oo]\.?[ ][Bb]ox[ ][0-9]{1,6}\b",
    # Hauptstraße 12; Kerkstraat 12; Storgatan 5; Alte Allee 3
    rf"""\b[A-ZÄÖÜ][\w-]{{1,24}}(?:straße|strasse|str\.|weg|gasse|platz|allee|damm|ufer|straat|laan|gracht|plein|kade
    |gatan|vägen|gata|veien|vej|gade)[ ]{_HOUSE}""",
    rf"\b[A-ZÄÖÜ][\w-]{{1,24}}[ ](?:Straße|Strasse|Str\.|Weg|Gasse|Platz|Allee|Damm|Ufer|Ring)[ ]{_HOUSE}",
    # 12 bis, rue de la Paix
    rf"""{_NUMBER}(?:[ ]bis|[ ]ter)?,?[ ](?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|cours|route)[ ]
    {_OF}{_NAME}(?:[ -]{_OF}{_NAME}){{0,2}}""",
    # Calle de Alcalá 12; Rua das Flores, 12; Via Roma 3; ul. Długa 7
    rf"""(?:\b(?:Calle|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrera|Rua|Travessa|Praça|Via|Viale|Piazza|Corso|ul\.|al\.)
    |\bC/)[ ]?{_OF}{_NAME}(?:[ ]{_OF}{_NAME}){{0,3}},?[ ](?:n\.?[º°o]\.?[ ]?|no\.?[ ]?)?{_HOUSE}""",
    # ул. Ленина, д. 5; Atatürk Caddesi No: 5; 中山路12号
    rf"""(?:ул\.|улица|пр\.|проспект|пер\.|переулок|вул\.)[ ]?[А-ЯЁІЇЄ][\w-]{{1,24}}(?:[ ][А-ЯЁ][\w-]{{1,24}})?
    ,?[ ](?:д\.[ ]?|дом[ ])?{_HOUSE}""",
    r"\b[A-ZÇĞİÖŞÜ]\w{1,24}[ ](?:Caddesi|Cad\.|Sokak|Sokağı|Sok\.|Bulvarı),?[ ](?:[Nn]o[ ]?[:.][ ]?)?[1-9][0-9]{0,3}\b",
    r"[\u4e00-\u9fff]{2,8}?(?:路|街|道|巷)[0-9]{1,4}[号號]",
]
_STREET = re.compile("|".join(f"(?:{form})" for form in _FORMS), re.VERBOSE)


def streets(text: str) -> Places:
    """Streets with a house number, and post boxes."""
    return (match.span() for match in _STREET.finditer(text))
