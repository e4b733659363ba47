from pathlib import Path

import pytest

from sources.importers.importer import MissingColumn
from sources.rows import InstructionRow
from tests.sources.importers.readers import outcomes, read

LINES = """\
{"text": "<human>: Hello\\n<bot>: Hi\\n<human>: Bye", "metadata": {"source": "chip2"}}
{"text": "User: Hello\\nAssistant: Hi", "metadata": "{\\"source\\": \\"plugins\\"}"}
{"text": "Only a question?", "metadata": "no JSON"}
{"text": "No metadata"}
{"text": null}
["a", "list"]
{"metadata": {}}
{"text": "cut
"""


def test_it_reads_turns_and_metadata_as_oig_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "unified_small.jsonl"
    path.write_text(LINES)
    rows = read("oig", path, language="en")
    assert outcomes(rows) == [
        "human: Hello / bot: Hi / human: Bye",
        "human: Hello / bot: Hi",
        "human: Only a question?",
        "human: No metadata",
        "line 5: missing column",
        "line 6: not an object",
        "line 7: missing column",
        "line 8: broken JSON",
    ]
    taken = [row for row in rows if isinstance(row, InstructionRow)]
    assert [row.source_labels for row in taken] == [
        {"metadata": {"source": "chip2"}},
        {"metadata": {"source": "plugins"}},
        {"metadata": "no JSON"},
        {},
    ]
    assert {row.language for row in taken} == {"en"}
    assert [row.row for row in taken] == ["line 1", "line 2", "line 3", "line 4"]


def test_it_refuses_a_file_of_another_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a", "reply": "b"}\n')
    with pytest.raises(MissingColumn, match=r"line 1: column 'text' is missing: name one of 'prompt', 'reply'"):
        read("oig", path)
