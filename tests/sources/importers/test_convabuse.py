from collections import Counter
from pathlib import Path

import pytest

from sources import texts
from sources.importers.importer import MissingColumn
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read

HEADER = (
    "annotator_id,conv_id,prev_agent,prev_user,agent,user,is_abuse.1,is_abuse.0,is_abuse.-1,is_abuse.-2,is_abuse.-3\n"
)


def test_it_reads_one_vote_from_each_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        HEADER
        + "A1,7.0,Hi,you,Go on.,no,1,0,0,0,0\n"
        + "A2,7.0,_,_,Go on.,_,0,0,0,0,1\n"
        + "A3,8,Hi,you,Go on.,no,1,1,0,0,0\n"
        + ",8,Hi,you,Go on.,no,1,0,0,0,0\n"
    )
    rows = read("convabuse", path)
    assert outcomes(rows) == [
        "bot: Hi / human: you / bot: Go on. / human: no",
        "bot: Go on. / human: _",
        "bot: Hi / human: you / bot: Go on. / human: no",
        "line 5: missing value",
    ]
    taken = [row for row in rows if isinstance(row, InstructionRow)]
    assert [(vote.annotator, vote.choice) for row in taken for vote in row.votes] == [
        ("A1", "not-abusive"),
        ("A2", "very-strongly-abusive"),
        ("A3", "is_abuse.1=1, is_abuse.0=1, is_abuse.-1=0, is_abuse.-2=0, is_abuse.-3=0"),
    ]
    assert [row.conversation for row in taken] == ["7", "7", "8"]


def test_it_names_the_column_that_a_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("annotator_id,text\nA1,hello\n")
    with pytest.raises(MissingColumn, match="line 1: column 'conv_id' is missing: name one of 'annotator_id', 'text'"):
        read("convabuse", path)


def test_it_finds_the_units_of_the_published_file(shared_data: Path) -> None:
    rows = read("convabuse", shared_data / "convabuse" / "ConvAbuseEMNLPfull.csv")
    taken = [row for row in rows if isinstance(row, InstructionRow)]
    assert len(rows) == len(taken) == 12_768
    assert len({texts.digest(texts.normalise(row.turns), row.conversation) for row in taken}) == 4_185
    assert Counter(vote.choice for row in taken for vote in row.votes) == {
        "not-abusive": 10_068,
        "ambiguous": 671,
        "mildly-abusive": 813,
        "strongly-abusive": 934,
        "very-strongly-abusive": 282,
    }
