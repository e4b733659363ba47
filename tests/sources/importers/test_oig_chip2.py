from tests.sources.importers.readers import outcomes, rows_of, taken


def test_it_reads_pairs_and_the_odd_entries() -> None:
    rows = rows_of(
        "oig-chip2",
        ["What is it?", "A thing.<|endoftext|>"],
        "User: Hello\nAssistant: Hi <|endoftext|>",
        "Only a text",
        ["chip2", "User: Hello\nAssistant: Hi"],
        ["rewriting", "<human>: Hello\n<bot>: Hi"],
        ["unified_chip2", "What is it?", "A thing."],
        ["hello", "Hi, how are you?"],
        ["User: Hello", "Assistant: Hi"],
        ["<human>: Hello", "Hi"],
    )
    assert outcomes(rows) == [
        "human: What is it? / bot: A thing.",
        "human: Hello / bot: Hi",
        "human: Only a text",
        "human: Hello / bot: Hi",
        "human: Hello / bot: Hi",
        "human: What is it? / bot: A thing.",
        "human: hello / bot: Hi, how are you?",
        "human: Hello / bot: Hi",
        "human: Hello / bot: Hi",
    ]
    assert [row.source_labels for row in taken(rows)] == [
        *[{}] * 3,
        {"source": "chip2"},
        {"source": "rewriting"},
        {"source": "unified_chip2"},
        *[{}] * 3,
    ]


def test_it_rejects_what_is_no_pair() -> None:
    rows = rows_of("oig-chip2", [], ["a", "b", "c", "d"], "chip2", ["a", 1], {"text": "a"}, None)
    assert outcomes(rows) == [
        "line 1: wrong number of fields",
        "line 2: wrong number of fields",
        "line 3: wrong number of fields",
        "line 4: wrong type",
        "line 5: wrong type",
        "line 6: wrong type",
    ]
