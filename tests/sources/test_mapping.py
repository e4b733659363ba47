"""What the labels of a source suggest, by declared tables."""

import re
import tomllib
from typing import Any

import pytest

from sources.mapping import MAX_TEXT, LabelMap, WrongMapping, read

TABLES = """
[labels]
note = {}
meta = {}

[labels.safety.values]
"casual" = { label = "casual" }
"probably" = { label = "probably-needs-caution" }
"grave" = { label = "needs-intervention", tags = ["abuse-related"] }
"other" = {}

[labels.flag.values]
"1" = { tags = ["hate"] }
"0" = { no = ["hate"] }

[labels.narrow.values]
"true" = { tags = ["hate"] }
"false" = {}

[labels.tags]
separator = "|"
values = { "probably" = { label = "probably-needs-caution" }, "sexual content" = { tags = ["sexual-content"] } }

[labels.insult]
share = ["abuse-related"]

[labels.threat]
share = ["abuse-related", "hate"]

[labels."means.spam.value"]
share = ["hate"]
"""
MAP = LabelMap.parse(tomllib.loads(TABLES)["labels"])


@pytest.mark.parametrize(
    ("labels", "suggestion", "unmapped"),
    [
        ({}, {}, []),
        ({"safety": "casual"}, {"label": "casual"}, []),
        ({"safety": " casual "}, {"label": "casual"}, []),
        ({"safety": "Casual"}, {}, ["safety=Casual"]),
        (
            {"safety": ["casual", "grave", "new"]},
            {"label": "needs-intervention", "tags": {"abuse-related": 1.0}},
            ["safety=new"],
        ),
        # Declared to suggest nothing: a value, a column, an object.
        ({"safety": "other", "note": "anything", "meta": {"a": {"b": 1}}}, {}, []),
        # A flag as JSON, CSV and Parquet write it; missing, null and blank are unknown, never no.
        ({"flag": 1}, {"tags": {"hate": 1.0}}, []),
        ({"flag": "1"}, {"tags": {"hate": 1.0}}, []),
        ({"flag": 1.0}, {"tags": {"hate": 1.0}}, []),
        ({"flag": 0}, {"tags": {"hate": 0.0}}, []),
        ({"flag": None}, {}, []),
        ({"flag": ""}, {}, []),
        ({"narrow": False}, {}, []),
        ({"flag": 0, "narrow": True}, {"tags": {"hate": 1.0}}, []),
        ({"narrow": True, "flag": 0}, {"tags": {"hate": 1.0}}, []),
        ({"flag": 2}, {}, ["flag=2"]),
        # Values between bars, and lists of such values.
        (
            {"tags": "probably | sexual content"},
            {"label": "probably-needs-caution", "tags": {"sexual-content": 1.0}},
            [],
        ),
        ({"tags": ["probably|", "hot"]}, {"label": "probably-needs-caution"}, ["tags=hot"]),
        # Shares of raters.
        ({"insult": 0.25}, {"tags": {"abuse-related": 0.25}}, []),
        ({"insult": "0.25", "threat": 0.5}, {"tags": {"abuse-related": 0.5, "hate": 0.5}}, []),
        ({"insult": 0.5, "threat": 0.25}, {"tags": {"abuse-related": 0.5, "hate": 0.25}}, []),
        ({"insult": 0, "threat": None}, {"tags": {"abuse-related": 0.0}}, []),
        ({"insult": 1.5, "threat": "much"}, {}, ["insult=1.5", "threat=much"]),
        ({"insult": True, "threat": float("nan")}, {}, ["insult=true", "threat=nan"]),
        ({"insult": ""}, {}, []),
        # What lies in objects.
        ({"means": {"spam": {"value": 0.5, "count": 3}}}, {"tags": {"hate": 0.5}}, ["means.spam.count"]),
        # No table: named without its value, which may be anything.
        ({"id": "8f14e45f"}, {}, ["id"]),
        ({"more": {}}, {}, ["more"]),
        ({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}, {}, ["a.b.c.d.e"]),
    ],
)
def test_it_suggests_what_is_declared_and_names_the_rest(
    labels: dict[str, Any], suggestion: dict[str, Any], unmapped: list[str]
) -> None:
    assert MAP.suggest(labels) == (suggestion, unmapped)


def test_it_keeps_what_it_names_short() -> None:
    _, unmapped = MAP.suggest({"safety": "x" * 1000, "y" * 1000: 1, "insult": "z" * 1000})
    assert [len(text) for text in unmapped] == [MAX_TEXT] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels = 3", "label mapping, table [labels]: 'labels' is no table: write [labels.COLUMN]"),
        ("[labels\n", "label mapping, table [labels]: 'mapping' is not TOML ("),
        ("[label.a]\n", "label mapping, table [labels]: 'label' stands beside it: leave it out"),
        ("[labels]\na = 1", "label mapping, table [labels]: 'a' is no table: write {} where it suggests nothing"),
        ("[labels.a]\nvalue = {}", "table [labels.a]: 'value' is not known: use values, separator, share"),
        ("[labels.a]\nvalues = 1", "table [labels.a]: 'values' is no table: write VALUE = {...}"),
        ("[labels.a]\nseparator = 1\nvalues = {}", "table [labels.a]: 'separator' is not text: write it as \"|\""),
        ("[labels.a]\nshare = ['hate']\nvalues = {b = {}}", "table [labels.a]: 'share' and values exclude each other"),
        ("[labels.a]\nshare = 'hate'", "table [labels.a]: 'share' is no list: write [\"abuse-related\"]"),
        ("[labels.a]\nshare = [1]", "table [labels.a]: 'share' names no tag of oig-safety: 1: use abuse-related,"),
        ("[labels.a.values]\nb = 'hate'", "table [labels.a.values]: 'b' is no table: write { label = \"...\" }"),
        ("[labels.a.values.b]\ntag = []", "table [labels.a.values.b]: 'tag' is not known: use label, tags, no"),
        (
            "[labels.a.values.b]\nlabel = 'bad'",
            "'label' is no label of oig-safety: 'bad': use one of casual, possibly-",
        ),
        ("[labels.a.values.b]\nlabel = ['casual']", "'label' is no label of oig-safety: ['casual']: use one of"),
        ("[labels.a.values.b]\nno = ['bad']", "'no' names no tag of oig-safety: 'bad': use abuse-related, personal-"),
    ],
)
def test_it_says_which_table_and_key_is_wrong(text: str, message: str) -> None:
    with pytest.raises(WrongMapping, match=re.escape(message)):
        read(text)


def test_it_reads_the_text_of_a_file() -> None:
    assert read(TABLES)[1].suggest({"safety": "casual"}) == ({"label": "casual"}, [])
    assert read("")[1].suggest({"a": 1}) == ({}, ["a"])
    assert read('[columns]\ntext = "q"\n[labels."a.b"]\n')[0] == {"text": "q"}


def test_it_names_the_columns_that_its_tables_may_be_for() -> None:
    assert LabelMap.parse({"a.b.c": {}, "a.d": {}, "e": {}}).columns == ["a", "a.b", "a.b.c", "a.d", "e"]


def test_it_takes_an_empty_list_of_shares_for_values_of_which_none_is_mapped() -> None:
    assert LabelMap.parse({"a": {"share": []}}).suggest({"a": "b"}) == ({}, ["a=b"])
