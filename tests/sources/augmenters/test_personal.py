import ipaddress
import re

import pytest

from sources import personal
from sources.augmenters.personal import INVENTIONS, LOCALES
from tests.sources.augmenters.parents import marked, parent, rows, texts


def test_one_original_is_one_invention_wherever_it_is_said() -> None:
    record = marked(
        "I am ana@corp.example.", "Hello ana@corp.example!", "No, ANA@corp.example", email="ana@corp.example"
    )
    [row] = rows("personal", record)
    found = {address.rstrip(".!") for turn in row.turns for address in re.findall(r"\S+@\S+", turn["text"])}
    assert len(found) == 1
    assert found.pop().split("@")[1] in {"example.org", "example.com", "example.net"}
    assert row.source_labels["changes"] == [{"kind": "email", "count": 1}]
    assert row.source_labels["library"].startswith("faker ")


def test_numbers_are_of_ranges_that_belong_to_nobody() -> None:
    record = marked("Is 10.1.2.3 or fd00::7 mine? Call 030 901820.", ip="10.1.2.3", phone="030 901820")
    record["personal"] = [*record["personal"], *marked("Is 10.1.2.3 or fd00::7", ip="fd00::7")["personal"]]
    for text in texts("personal", record, {"copies": "20"}):
        four, six = re.findall(r"Is (\S+) or (\S+) mine", text)[0]
        assert ipaddress.ip_address(four).is_private
        assert ipaddress.ip_address(six) in ipaddress.ip_network("2001:db8::/32")
        assert re.search(r"Call \+1 \d{3}-555-01\d\d\.$", text)


def test_what_screening_found_it_finds_again_in_the_new_text() -> None:
    text = "Write to rosa@firm.example, pay to DE89370400440532013000 or 4111 1111 1111 1111, or ask 8.8.4.4."
    record = parent(text)
    record["personal"] = personal.spans(record["turns"])
    assert {span["kind"] for span in record["personal"]} == {"email", "iban", "card", "ip"}
    for row in rows("personal", record, {"copies": "20"}):
        # Screening passes over internet addresses that are kept for examples.
        assert [span["kind"] for span in personal.spans(row.turns)] == ["email", "iban", "card"]


def test_masked_texts_get_data_again() -> None:
    record = marked("Mail rosa@firm.example", email="rosa@firm.example")
    masked = parent(*(turn["text"] for turn in personal.mask(record["turns"], record["personal"])))
    assert masked["turns"][0]["text"] == "Mail [e-mail address]"
    assert re.fullmatch(r"Mail \S+@example\.(org|com|net)", texts("personal", masked)[0])


def test_a_kind_without_an_invention_keeps_its_shape() -> None:
    [text] = texts("personal", marked("My plate is B-OI 4711.", plate="B-OI 4711"))
    assert re.fullmatch(r"My plate is [A-Z]-[A-Z]{2} \d{4}\.", text)
    assert "B-OI 4711" not in text


def test_it_makes_nothing_where_the_original_cannot_be_got_rid_of() -> None:
    assert texts("personal", marked("-- and --", odd="--")) == []


def test_spans_that_overlap_are_one() -> None:
    record = parent("Call 030 901820 now")
    record["personal"] = [
        {"turn": 0, "start": 5, "end": 12, "kind": "phone"},
        {"turn": 0, "start": 9, "end": 15, "kind": "id"},
    ]
    assert re.fullmatch(r"Call \+1 \d{3}-555-01\d\d now", texts("personal", record)[0])


@pytest.mark.parametrize("language", LOCALES)
def test_every_language_has_data_of_every_kind(language: str) -> None:
    for kind in INVENTIONS:
        [text] = texts("personal", marked("Say 8.8.4.4, please", language=language, **{kind: "8.8.4.4"}))
        assert re.fullmatch(r"Say .{2,}, please", text)
