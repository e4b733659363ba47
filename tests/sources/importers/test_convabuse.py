from collections import Counter
from pathlib import Path

from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique

TEXTS = ["annotator_id", "conv_id", "prev_agent", "prev_user", "agent", "user"]
FLAGS = [f"is_abuse.{degree}" for degree in (1, 0, -1, -2, -3)] + ["type.sexist", "type.racist", "target.system"]


def record(line: str) -> dict[str, str]:
    return dict(zip([*TEXTS, *FLAGS], line.split(","), strict=True))


def test_it_reads_one_vote_from_each_row() -> None:
    rows = rows_of(
        "convabuse",
        record("A1,7.0,Hi,you,Go on.,no,1,0,0,0,0,0,0,0"),
        record("A2,7.0,_,_,Go on.,_,0,0,0,0,1,1,1,1"),
        record("A3,8,Hi,you,Go on.,no,1,1,0,0,0,0,0,0"),
        record(",8,Hi,you,Go on.,no,1,0,0,0,0,0,0,0"),
        {"annotator_id": "A1", "text": "hello"},
        [],
    )
    assert outcomes(rows) == [
        "bot: Hi / human: you / bot: Go on. / human: no",
        "bot: Go on. / human: _",
        "bot: Hi / human: you / bot: Go on. / human: no",
        "line 4: missing value",
        "line 5: missing column",
        "line 6: not an object",
    ]
    found = [row for row in rows if isinstance(row, InstructionRow)]
    assert [(vote.annotator, vote.choice) for row in found for vote in row.votes] == [
        ("A1", "not-abusive"),
        ("A2", "very-strongly-abusive"),
        ("A3", "is_abuse.1=1, is_abuse.0=1, is_abuse.-1=0, is_abuse.-2=0, is_abuse.-3=0"),
    ]
    assert [row.conversation for row in found] == ["7", "7", "8"]
    assert found[0].source_labels == {"conv_id": "7", "bot": ""}
    assert found[1].source_labels == {"conv_id": "7", "bot": "", "type": ["sexist", "racist"], "target": ["system"]}


def test_it_reads_the_same_from_numbers() -> None:
    as_text = record("A1,7.0,Hi,you,Go on.,no,1,0,0,0,0,1,0,0")
    as_numbers = {**as_text, "conv_id": 7.0, **{name: int(as_text[name]) for name in FLAGS}}
    assert rows_of("convabuse", as_numbers) == rows_of("convabuse", as_text)


def test_it_finds_the_units_of_the_published_file(shared_data: Path) -> None:
    rows = taken(read("convabuse", shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv"))
    assert len(rows) == 12_768
    assert unique(rows) == 4_185
    assert len({vote.annotator for row in rows for vote in row.votes}) == 8
    assert Counter(vote.choice for row in rows for vote in row.votes) == {
        "not-abusive": 10_068,
        "ambiguous": 671,
        "mildly-abusive": 813,
        "strongly-abusive": 934,
        "very-strongly-abusive": 282,
    }
