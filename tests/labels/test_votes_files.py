from __future__ import annotations

from pathlib import Path

import pytest

from labels import votes_files
from labels.votes_files import UNKNOWN, RawVotes, VotesFileError

SCALE = ("casual", "needs caution", "needs intervention")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "votes.csv"


def said(votes: RawVotes) -> list[tuple[str, str, str]]:
    """What was taken: unit, annotator, label."""
    names = (*votes.annotators, "nobody")  # the last is UNKNOWN's
    rows = zip(votes.unit.tolist(), votes.annotator.tolist(), votes.option.tolist(), strict=True)
    return [(votes.units[unit], names[annotator], votes.options[option]) for unit, annotator, option in rows]


def test_it_reads_a_row_for_each_vote(file: Path) -> None:
    file.write_text("unit,annotator,label,comment\n7, anna ,casual,x\n7,ben,needs caution,\n8,anna,casual,\n")
    votes = votes_files.collect(votes_files.read(file), SCALE)
    assert said(votes) == [("7", "anna", "casual"), ("7", "ben", "needs caution"), ("8", "anna", "casual")]
    assert (votes.read, votes.taken, votes.repeated, votes.rejected.total()) == (3, 3, 0, 0)


def test_it_reads_a_column_for_each_annotator_where_an_empty_field_is_no_vote(file: Path) -> None:
    file.write_text("unit,anna,ben\n7,casual,\n8,needs caution,casual\n", encoding="utf-8-sig")
    votes = votes_files.collect(votes_files.read_wide(file))
    assert said(votes) == [("7", "anna", "casual"), ("8", "anna", "needs caution"), ("8", "ben", "casual")]


def test_it_takes_other_names_for_the_columns_and_does_without_that_of_annotators(file: Path) -> None:
    file.write_text("text,answer\nx,casual\nx,casual\n")
    with pytest.raises(VotesFileError, match="no column 'who' among 'text', 'answer'"):
        votes_files.collect(votes_files.read(file, ("text", "who", "answer")))
    votes = votes_files.collect(votes_files.read(file, ("text", "", "answer")))
    assert votes.annotator.tolist() == [UNKNOWN, UNKNOWN]
    assert votes.taken == 2, "nobody knows whether one person voted twice"


def test_it_accounts_for_every_vote(file: Path) -> None:
    file.write_text("unit,annotator,label\n7,anna,casual\n7,anna,needs caution\n7,ben,fine\n,ben,casual\n8,ben,\n")
    votes = votes_files.collect(votes_files.read(file), SCALE)
    assert votes.read == votes.taken + votes.repeated + votes.rejected.total() == 5
    assert said(votes) == [("7", "anna", "casual")], "the first vote of a person on a unit counts"
    assert votes.rejected == {
        "the label 'fine' is none of casual, needs caution, needs intervention": 1,
        "no unit is named": 1,
        "no label is given": 1,
    }
    assert votes.offenders[0] == "line 3: 'anna' voted before on '7'; the first vote counts"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; its first line names the columns, such as unit,annotator,label."),
        (b"unit,annotator\n1,x\n", "line 1: no column 'label' among 'unit', 'annotator'; name yours with --columns"),
        (b"unit,who,label\n1,x,y\n", "line 1: no column 'annotator' among 'unit', 'who', 'label'; name yours with"),
        (
            b"unit,annotator,label,label\n1,a,x,y\n",
            "line 1: column 'label' is there twice; give each a name of its own.",
        ),
        (
            b"unit,annotator,label\n1,a,x\n2,a\n",
            "line 3: has not as many fields as line 1; add what is missing, or quotes.",
        ),
        (
            b"unit,annotator,label\n1,a,x,y\n",
            "line 2: has not as many fields as line 1; add what is missing, or quotes.",
        ),
        (b'unit,annotator,label\n1,a,"x" y\n', "is not CSV"),
        (b"unit,annotator,label\n1,a,\xff\n", "is not UTF-8; save the file as UTF-8."),
    ],
)
def test_it_names_file_line_and_remedy(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(VotesFileError) as refused:
        votes_files.collect(votes_files.read(file))
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)


def test_it_says_that_there_is_no_such_file(file: Path) -> None:
    with pytest.raises(VotesFileError, match="cannot be read \\(No such file or directory\\)"):
        votes_files.collect(votes_files.read(file))


def test_labels_that_are_no_answers_are_refused_and_few_offenders_are_kept(file: Path) -> None:
    file.write_text("unit,annotator,label\n" + "".join(f"{n},anna,text {n}\n" for n in range(101)))
    with pytest.raises(VotesFileError, match="the votes are for 101 different labels; name those to measure"):
        votes_files.collect(votes_files.read(file))
    votes = votes_files.collect(votes_files.read(file), ("text 1",))
    assert (votes.taken, len(votes.offenders)) == (1, votes_files.MOST_OFFENDERS)
