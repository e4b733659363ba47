"""Personal information. The planted set is made here from the libraries' own example numbers, by a fixed seed."""

import csv
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.es import dni
from stdnum.iso7064 import mod_97_10

from sources import personal
from sources.rows import Turn
from tests import ROOT

Planter = Callable[[random.Random], str]


def kinds(text: str) -> list[tuple[str, str]]:
    """What is found, as (kind, the words)."""
    return [(hit.kind, text[hit.start : hit.end]) for hit in personal.find(text)]


def masked(text: str) -> str:
    turns = [Turn(role="human", text=text)]
    return personal.mask(turns, personal.spans(turns))[0]["text"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("email", "user.name+tag@sub.example.co.uk"),
        ("email", "用户@例子.广告"),
        ("iban", "DE89 3704 0044 0532 0130 00"),  # SWIFT's registry
        ("iban", "GB82WEST12345698765432"),
        ("iban", "fr14 2004 1010 0505 0001 3m02 606"),
        ("card", "4111 1111 1111 1111"),  # the card schemes' test numbers
        ("card", "5555-5555-5555-4444"),
        ("card", "378282246310005"),
        ("card", "3782 822463 10005"),
        ("ip", "81.2.69.142"),
        ("ip", "2a02:2770::21a:4aff:feb3:2ee"),
        ("id", "536-90-4399"),  # stdnum's own examples from here
        ("id", "390.533.447-05"),
        ("id", "54362315K"),
        ("id", "X2482300W"),
        ("id", "RCCMNL83S18D969H"),
        ("id", "ACUPA7085R"),
        ("id", "2341 2341 2346"),
        ("id", "36 574 261 809"),
        ("id", "2 95 10 99 126 111 93"),
        ("id", "11010219840406970X"),
        ("id", "880320-0016"),
        ("id", "131052-308T"),
        ("id", "710319/2745"),
        ("id", "756.9217.0769.85"),
        ("phone", "+44 20 7946 0958"),
        ("phone", "(415) 555-2671"),
        ("phone", "415.555.2671"),
        ("phone", "030 12345678"),
        ("phone", "+1 650-253-0000 ext. 12"),
        ("address", "221B Baker Street"),
        ("address", "350 Fifth Ave"),
        ("address", "12 north main street"),
        ("address", "P.O. Box 1138"),
        ("address", "Hauptstraße 12a"),
        ("address", "Alexanderplatz 5"),
        ("address", "12 bis, rue de la Paix"),
        ("address", "Calle de Alcalá, 42"),
        ("address", "ul. Długa 7"),
        ("address", "ул. Ленина, д. 5"),
        ("address", "中山路12号"),
    ],
)
def test_it_finds(kind: str, words: str) -> None:
    assert kinds(f"Look: {words} - and so on") == [(kind, words)]
    assert masked(f"Look: {words}, and") == f"Look: [{personal.KINDS[kind]}], and"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing at all.",
        "open 24/7 since 1984-1995, on 05.06.2019 at 10:30:45, or 2020-09-23 01:08",
        "It ended 3:2 and 112-98, odds 1,000,000 to 1; pi is 3.14159265358 and c is 299792458",
        "ISBN 978-3-16-148410-0, ISBN-10: 0-306-40615-2, https://example.org/2020/71/9128922",
        "IMEI 490154203237518, order 4111 1111 1111 1112",
        "version 81.2.69.142, section 8.2.3.4, Chrome/120.0.81.3, v8.8.8.8",
        "192.168.1.20 and 10.0.0.1 and 127.0.0.1 and 192.0.2.7 and ::1 and fe80::1 and 2001:db8::1 and 300.1.1.1",
        "std::vector<int> a::b 12:34:56",
        "a 2 way street, 100 days, 5 star place, 7 Oak trees",
        "logo@2x.png, user@localhost, @handle, p@$$w0rd, yyyy@yyyy",
        "1254690+12365988470=?",
        "DE89 3704 0044 0532 0130 01",
        "666-12-3456 and 000-12-3456 and 078-05-1120",
        "555-1234 is in my list",  # seven digits without a word that says what they are
        "54362315Z, 131052-308U",
    ],
)
def test_it_finds_nothing_in(text: str) -> None:
    assert kinds(text) == []
    assert masked(text) == text


def test_it_takes_seven_digits_for_a_telephone_only_after_a_word_that_says_so() -> None:
    assert kinds("call me at 555-0142!") == [("phone", "555-0142")]
    assert kinds("her cell phone (555-0142) is") == [("phone", "555-0142")]
    assert kinds("whatsapp: 4155552671") == [("phone", "4155552671")]


def test_it_knows_national_numbers_only_of_the_regions_that_are_named() -> None:
    text = "ring 06 12 34 56 78"
    assert [hit.kind for hit in personal.find(text, ("FR",))] == ["phone"]
    assert personal.find(text, ("US",)) == []
    assert [hit.kind for hit in personal.find("+33 6 12 34 56 78", ())] == ["phone"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("電話：＋４４　２０　７９４６　０９５８", "＋４４　２０　７９４６　０９５８"),
        ("اتصل بي على ‎+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨‎ الآن", "+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨"),
        ("फ़ोन +९१ ९८१०१ २३४५६ पर", "+९१ ९८१०१ २३४५६"),
        ("call 415\u2011555\u20112671 🙂", "415\u2011555\u20112671"),
        ("\u202e(415) 555-2671\u202c", "(415) 555-2671"),
    ],
)
def test_it_reads_digits_of_every_script_and_says_where_they_stand(text: str, words: str) -> None:
    assert kinds(text) == [("phone", words)]


def test_it_says_the_turn_and_masks_each_kind() -> None:
    turns = [
        Turn(role="human", text="I am a@b.example.org, who are you?"),
        Turn(role="bot", text="Call +44 20 7946 0958 or write to c@d.example.org."),
    ]
    found = personal.spans(turns)
    assert [(span["turn"], span["kind"]) for span in found] == [(0, "email"), (1, "phone"), (1, "email")]
    assert [turn["text"] for turn in personal.mask(turns, found)] == [
        "I am [e-mail address], who are you?",
        "Call [telephone number] or write to [e-mail address].",
    ]
    assert personal.mask(turns, []) == turns


PARTS = st.sampled_from(
    [
        "a@b.co",
        "@",
        "415 555 2671",
        "555-0142",
        "tel ",
        "+44 20 7946 0958",
        "4111 1111 1111 1111",
        "8.8.8.8",
        "::",
        "(",
        ")",
        "536-90-4399",
        "DE89370400440532013000",
        "12 Baker Street",
        "[e-mail address]",
        "[",
        "]",
        " ",
        ".",
        "-",
        "v",
        "٤",
        "１",
        "ext. 1234567",
        "\u202e",
        "\n",
        "0",
        "9",
        "Hauptstraße 1",
        ",",
        "/",
        "+",
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PARTS, max_size=12).map("".join))


@given(TEXTS)
@example("0@0.AA@0.AA")  # the end of one address could begin the next
def test_it_finds_places_in_order_inside_the_text_without_overlap(text: str) -> None:
    end = 0
    for hit in personal.find(text):
        assert end <= hit.start < hit.end <= len(text)
        assert hit.kind in personal.KINDS
        end = hit.end


@given(TEXTS)
def test_it_leaves_a_masked_text_as_it_is(text: str) -> None:
    assert kinds(masked(text)) == []
    assert masked(masked(text)) == masked(text)


# --- a planted set

FIRST, SURNAMES = ("anna", "jo.e", "li", "mo_h", "zoë"), ("smith", "garcía", "kim-lee", "o.brien", "42")
STREETS = ("Elm Street", "Old Mill Rd", "N Shoreline Blvd", "St James Avenue", "Kings Court", "W 46th St")
COUNTRIES = ("US", "GB", "IN", "DE", "FR", "ES", "BR", "JP", "NG", "EG", "RU", "AU", "MX", "TR", "KE")


def an_email(rnd: random.Random) -> str:
    domain = rnd.choice(("example.org", "mail.example.co.uk", "x1.example.de"))
    return f"{rnd.choice(FIRST)}.{rnd.choice(SURNAMES)}{rnd.randrange(100)}@{domain}"


def a_telephone(rnd: random.Random) -> str:
    number = phonenumbers.example_number_for_type(rnd.choice(COUNTRIES), phonenumbers.PhoneNumberType.MOBILE)
    assert number
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def a_national_telephone(rnd: random.Random) -> str:
    number = phonenumbers.example_number(rnd.choice(personal.REGIONS))
    assert number
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)


def a_card(rnd: random.Random) -> str:
    digits = rnd.choice(("4", "51", "55", "2221", "6011")).ljust(15, "x")
    digits = "".join(rnd.choice("0123456789") if digit == "x" else digit for digit in digits)
    digits += luhn.calc_check_digit(digits)
    return rnd.choice(("", " ", "-")).join(digits[place : place + 4] for place in range(0, 16, 4))


def an_iban(rnd: random.Random) -> str:
    account = f"{rnd.randrange(10**18):018}"
    number = f"DE{98 - int(mod_97_10.checksum(account + 'DE00')):02}{account}"
    return rnd.choice((number, " ".join(number[place : place + 4] for place in range(0, 22, 4))))


def an_ip(rnd: random.Random) -> str:
    return ".".join(str(rnd.randrange(low, high)) for low, high in ((11, 100), (64, 168), (1, 255), (1, 255)))


def an_identity(rnd: random.Random) -> str:
    digits = f"{rnd.randrange(10**8):08}"
    return rnd.choice(
        (
            f"{rnd.randrange(1, 665):03}-{rnd.randrange(1, 99):02}-{rnd.randrange(1, 9999):04}",
            digits + dni.calc_check_digit(digits),
        )
    )


def an_address(rnd: random.Random) -> str:
    return f"{rnd.randrange(1, 9999)} {rnd.choice(STREETS)}"


PLANTERS: dict[str, tuple[Planter, ...]] = {
    "email": (an_email,),
    "phone": (a_telephone, a_national_telephone),
    "card": (a_card,),
    "iban": (an_iban,),
    "ip": (an_ip,),
    "id": (an_identity,),
    "address": (an_address,),
}
CARRIERS = ("Here it is: {}.", "({})", "she wrote {} and left", "My friend's is {}, I think", "{}", "a\n{}\nb", "«{}»")
DECOYS = (
    "In {n4} we sold {n7} units at ${n5}.99",
    "ISBN 978-3-16-14{n4}-0",
    "It ended {n2}:{n2} after {n2}/{n2}/20{n2}",
    "order #{n7}{n5}",
    "v{n2}.{n2}.{n2}.{n2}",
    "f(x) = {n4}.{n7} * 10^{n2}",
    "commit {n7}ab{n5}",
    "https://example.org/{n4}/{n2}/{n2}/{n7}",
)


def planted() -> list[tuple[str, str, str]]:
    """(text, kind, words); kind is "" where nothing is planted."""
    rnd = random.Random(20230321)
    texts = []
    for kind, planters in PLANTERS.items():
        for number in range(100):
            words = planters[number % len(planters)](rnd)
            texts.append((rnd.choice(CARRIERS).format(words), kind, words))
    for number in range(400):
        digits = {f"n{length}": "".join(rnd.choices("123456789", k=length)) for length in (2, 4, 5, 7)}
        texts.append((DECOYS[number % len(DECOYS)].format(**digits), "", ""))
    return texts


def test_it_has_the_precision_and_recall_that_its_page_states() -> None:
    right, wanted, found = Counter[str](), Counter[str](), Counter[str]()
    for text, kind, words in planted():
        hits = kinds(text)
        wanted[kind] += 1
        found.update(hit for hit, _ in hits)
        right[kind] += (kind, words) in hits
    for kind in PLANTERS:
        assert right[kind] / wanted[kind] >= 0.97, f"recall of {kind}"
        assert right[kind] / found[kind] >= 0.97, f"precision of {kind}"


def test_it_raises_few_alarms_on_real_texts(shared_data: Path) -> None:
    # Nobody can be reached by HateCheck. What is found in the replies of hh-rlhf was read one by one: all of it looks
    # like somebody's, and is what people there asked a machine to tell or to invent.
    with (shared_data / "hatecheck/all_annotations.csv").open() as lines:
        assert [row for row in csv.DictReader(lines) if personal.find(row["test_case"])] == []
    found = Counter[str]()
    with gzip.open(shared_data / "hh_rlhf_harmless/test.jsonl.gz", "rt") as lines:
        for line in lines:
            found.update(hit.kind for hit in personal.find(json.loads(line)["chosen"]))
    assert found.total() <= 45
    assert found["address"] >= 10


# --- hostile texts

LONG = 200_000


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "1-",
        "@",
        "a@",
        "a@a.",
        "a@b.co ",
        "DE00",
        "AA00 ",
        "4444 ",
        "1.2.",
        "2001:",
        "(",
        "(1",
        "+1",
        "1 A ",
        "Aaaa ",
        "Via de la ",
        "[e-mail ",
        "中",
        "１",
        "\u202e1",
        "call me at ",
        "AAAAAA99A99A999",
        "12345678 ",
        "1 Aaaa Bbbb Cccc ",
        "0 0",
        "x1:",
    ],
)
def test_it_ends_on_hostile_texts(unit: str) -> None:
    # A pattern that backtracks over the whole text would need hours for these.
    text = (unit * LONG)[:LONG]
    assert all(hit.end <= LONG for hit in personal.find(text))
    assert all(hit.end <= LONG + 2 for hit in personal.find(f"1{text}1"))


def test_its_page_describes_every_kind_and_its_mask() -> None:
    page = (ROOT / "docs/personal-information.md").read_text()
    described = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `")]
    assert described == [[f"| `{kind}`", f"`[{words}]`"] for kind, words in personal.KINDS.items()]
