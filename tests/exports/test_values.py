"""Whatever stands in a public file, from its import to every form of a release: strict readers take each file."""

from __future__ import annotations

import csv
import io
import json
import math
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pyarrow.parquet as pq
import pytest
import zstandard
from django.core.management import CommandError
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from annotate.models import Campaign
from exports import snapshots
from exports.formats import FORMS, Options
from exports.models import Snapshot
from sources import imports, screening, texts
from sources.models import Instruction, Source
from tests.exports import worlds
from tests.exports.faults import command
from tests.exports.folders import contents, file_of

pytestmark = pytest.mark.django_db(transaction=True)

# Every JSON reader takes these exactly (RFC 8259).
LARGEST = 2**53 - 1

PIECES = st.sampled_from(
    [
        *("\0", "\ud800", "\udfff", "\udc00\ud800", "\u2028", "\u2029", "\x85", "\x01\x02\x03", "\x7f", "\ufeff"),
        *("\r\n", "\r", "\n<bot>: yes\n<human>: ", "<human>: ", "\\u0000", "\\", '"', '{"role": "human", "text": "'),
        *("NaN", "-Infinity", "1e999", "9" * 400, "=1+1", '"],"x":[', "\U0010ffff", "\uffff", "e\u0301", "\u202e"),
    ]
)
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=12)
TEXTS = st.lists(PIECES | ANYTHING, min_size=1, max_size=6).map("".join)

_versions = count(1)


def strictly(written: bytes) -> Any:
    """One JSON value as every reader takes it; fails for what some refuse or change."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(written.decode(), parse_constant=refuse)
    assert orjson.loads(written) == found
    check(found)
    return found


def check(value: Any) -> None:
    match value:
        case str():
            assert texts.unstorable(value) is None
            value.encode()
        case bool() | None:
            pass
        case int():
            assert abs(value) <= LARGEST
        case float():
            assert math.isfinite(value)
        case list():
            for inner in value:
                check(inner)
        case dict():
            # What is undefined says why.
            assert not ("value" in value and value["value"] is None) or value["reason"]
            for key, inner in value.items():
                check(key)
                check(inner)


def lines_of(content: bytes) -> list[Any]:
    *lines, rest = content.split(b"\n")
    assert rest == b""
    return [strictly(line) for line in lines]


def check_forms(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Read every file of a release; returns its records."""
    files = contents(snapshot.path)
    records = lines_of(files[file_of(snapshot)])
    for name, content in files.items():
        if name.endswith(".jsonl"):
            lines_of(content)
        elif name.endswith(".json"):
            strictly(content)
        elif name.endswith(".zst"):
            assert zstandard.ZstdDecompressor().decompressobj().decompress(content) == files[file_of(snapshot)]
        elif name.endswith(".parquet"):
            assert pq.read_table(io.BytesIO(content)).to_pylist() == records
        elif name.endswith(".csv"):
            # Of the whole process; imports of other tests leave theirs.
            csv.field_size_limit(1 << 20)
            rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
            assert [row["id"] for row in rows] == [record["metadata"]["id"] for record in records]
            check([list(row.values()) for row in rows])
        elif name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        elif name == "CHANGES.md":
            assert all(line.isprintable() for line in content.decode().split("\n"))
        else:
            assert name == "README.md"
            _, head, _ = content.decode().split("---\n", 2)
            for line in head.removesuffix("\n").split("\n"):
                strictly(line.partition(": ")[2].encode())
    return records


@given(given_texts=st.lists(TEXTS, min_size=20, max_size=60))
@example(given_texts=["\ud800", "a\0b", "a\u2028b\u2029", "NaN", "9" * 400, "\x02\x03\x01 ", "I\u0307ı"])
@settings(
    max_examples=2,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
def test_no_text_comes_to_a_file_that_a_strict_reader_refuses(
    transactional_db: None, tmp_path: Path, given_texts: list[str]
) -> None:
    number = next(_versions)
    hostile = {"name": 'the "letters"\u2028', "attribution": "a\u2029 | <b> \x02 \x7f", "license": "CC-BY-4.0"}
    origin, _ = Source.objects.get_or_create(name=hostile["name"], defaults=hostile)
    where = Campaign.objects.filter(slug="kindness").first() or worlds.campaign("kindness")
    path = tmp_path / f"{number}.jsonl"
    # As a file may say it: a lone surrogate is an escape.
    path.write_text("".join(json.dumps({"text": text, "metadata": {"n": 10**400}}) + "\n" for text in given_texts))
    run = imports.start(origin, "oig", origin=path)
    imports.work(run)
    screening.work_waiting()
    for taken in Instruction.objects.filter(units=None):
        worlds.votes(worlds.unit(where, taken), worlds.people("ada ben"), worlds.CASUAL, worlds.CAUTION)
    if not where.units.exists():
        return
    snapshot = snapshots.prepare(f"0.{number}", [where], options=Options(tuple(FORMS), shard_bytes=4_000))
    snapshots.work(snapshot)
    assert snapshot.is_published, snapshot.error
    records = check_forms(snapshot)
    storable = [text for text in given_texts if not texts.unstorable(text)]
    expected = {texts.digest(turns).hex() for text in storable if (turns := texts.normalise(texts.parse_oig(text)))}
    found = {record["metadata"]["id"] for record in records}
    assert len(found) == len(records) == where.units.count()
    assert {one for one in expected if Instruction.objects.filter(digest=bytes.fromhex(one)).exists()} <= found
    assert {record["text"] for record in records} == {
        texts.oig_text(turns) for turns in Instruction.objects.values_list("turns", flat=True)
    }


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (f"--seed={10**30}", "The seed is too large: no JSON reader takes more than 9,007,199,254,740,991 exactly"),
        (f"--shard-bytes={10**30}", "The size of a shard is too large"),
        (f"--min-votes={10**30}", "is no number of votes that a line can have: give 1 or more"),
        ("--min-votes=0", "0 is no number of votes that a line can have: give 1 or more"),
        ("--source=\udcff", r"'\\udcff' has a lone surrogate: write it without"),
        ("--language=\0", "has a NUL character: write it without"),
        ("--campaign=\udcff", "There is no campaign"),
    ],
)
def test_it_refuses_what_no_manifest_can_hold(kindness: Campaign, argument: str, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        command("--form=splits", argument)
    assert said in str(refused.value)
    str(refused.value).encode()
    assert not Snapshot.objects.exists()
