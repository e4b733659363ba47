from sources import importers
from tests.sources.importers.readers import outcomes, rows_of, taken

ROW = {
    "id": "59848",
    "target": "0.8",
    "comment_text": "What a comment.",
    "severe_toxicity": "0.02",
    "obscene": "0.0",
    "identity_attack": "0.25",
    "insult": "0.75",
    "threat": "0.5",
    "sexual_explicit": "0",
    "asian": "",
    "rating": "approved",
}


def test_it_keeps_shares_as_shares_and_takes_no_votes() -> None:
    (row,) = taken(rows_of("civil-comments", ROW))
    assert (row.row, row.votes) == ("59848", ())
    assert row.source_labels == {
        "target": 0.8,
        "severe_toxicity": 0.02,
        "obscene": 0.0,
        "identity_attack": 0.25,
        "insult": 0.75,
        "threat": 0.5,
        "sexual_explicit": 0.0,
    }
    label_map = importers.get("civil-comments").reader({}).label_map
    assert label_map is not None
    tags = {"abuse-related": 0.75, "hate": 0.25, "sexual-content": 0.0}
    assert label_map.suggest(row.source_labels) == ({"tags": tags}, [])


def test_it_reads_the_rows_of_the_hub() -> None:
    (row,) = taken(rows_of("civil-comments", {"text": "What a comment.", "toxicity": 0.5, "insult": None}))
    assert (row.row, row.source_labels) == ("line 1", {"toxicity": 0.5})


def test_it_leaves_what_is_no_share_as_it_stands_and_counts_it() -> None:
    (row,) = taken(rows_of("civil-comments", {**ROW, "threat": "high", "insult": "1.5"}))
    label_map = importers.get("civil-comments").reader({}).label_map
    assert label_map is not None
    suggestion, unmapped = label_map.suggest(row.source_labels)
    assert suggestion == {"tags": {"hate": 0.25, "sexual-content": 0.0}}
    assert unmapped == ["insult=1.5", "threat=high"]


def test_it_rejects_rows_without_a_comment() -> None:
    assert outcomes(rows_of("civil-comments", {"id": "1"}, {"text": 3}, "a")) == [
        "line 1: missing column",
        "line 2: missing column",
        "line 3: not an object",
    ]
