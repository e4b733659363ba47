from collections import Counter
from pathlib import Path

from sources.rows import SourceVote
from tests.sources.importers.readers import outcomes, read, rows_of, taken, unique

CASE = {
    "": "0",
    "functionality": "derog_neg_emote_h",
    "case_id": "7",
    "templ_id": "1",
    "test_case": "What I hate. ",
    "label_gold": "hateful",
    "label_1": "hateful",
    "label_2": "",
    "label_10": "non-hateful",
    "count_label_h": "1",
    "label_annot_maj": "hateful",
}


def test_it_reads_the_votes_of_those_who_were_shown_the_case() -> None:
    (row,) = taken(rows_of("hatecheck", CASE))
    assert row.row == "case 7"
    assert row.votes == [
        SourceVote("annotator 1", "hateful", "case 7"),
        SourceVote("annotator 10", "non-hateful", "case 7"),
    ]
    assert row.source_labels == {
        "functionality": "derog_neg_emote_h",
        "templ_id": "1",
        "label_gold": "hateful",
        "label_annot_maj": "hateful",
    }


def test_it_rejects_cases_without_text_or_number() -> None:
    assert outcomes(rows_of("hatecheck", {"case_id": "1"}, {**CASE, "case_id": " "}, [])) == [
        "line 1: missing column",
        "line 2: missing column",
        "line 3: not an object",
    ]


def test_it_reads_the_published_cases(shared_data: Path) -> None:
    rows = taken(read("hatecheck", shared_data / "hatecheck" / "all_annotations.csv"))
    assert len(rows) == unique(rows) == len({row.row for row in rows}) == 3_901
    assert Counter(len(row.votes) for row in rows) == {5: 3_901}
    assert len({vote.annotator for row in rows for vote in row.votes}) == 10
    majority = [Counter(vote.choice for vote in row.votes).most_common(1)[0][0] for row in rows]
    assert majority == [row.source_labels["label_annot_maj"] for row in rows]
    assert Counter(row.source_labels["label_gold"] for row in rows) == {"hateful": 2_659, "non-hateful": 1_242}
