import pytest

from labels import taxonomy
from sources import importers
from sources.importers.convabuse import CHOICES
from sources.importers.importer import WrongOption
from sources.importers.prosocial_dialog import VOTES


def test_it_knows_its_formats_by_name() -> None:
    assert [known.name for known in importers.known()] == ["oig", "prosocial-dialog", "convabuse", "jsonl", "csv"]
    assert all(importers.get(known.name) is known for known in importers.known())


def test_it_lists_the_known_formats_and_the_closest_for_a_wrong_name() -> None:
    with pytest.raises(importers.UnknownFormat) as refusal:
        importers.get("prosocial")
    assert str(refusal.value) == (
        "format 'prosocial' is not known: did you mean prosocial-dialog? "
        "Known are oig, prosocial-dialog, convabuse, jsonl, csv"
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "jsonl",
            {"txt": "a"},
            r"option 'txt' of format jsonl: is not known: did you mean text\? Known are text, turns",
        ),
        ("convabuse", {"text": "a"}, "option 'text' of format convabuse: is not known: leave it out, there are none"),
        ("jsonl", {"text": " "}, "option 'text' of format jsonl: has no value: write text=VALUE"),
        ("jsonl", {"text": 7}, "option 'text' of format jsonl: has no value"),
    ],
)
def test_it_refuses_options_by_name(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(WrongOption, match=message):
        importers.get(name).check_options(options)


@pytest.mark.parametrize(("name", "table"), [("convabuse", CHOICES), ("prosocial-dialog", VOTES)])
def test_it_maps_votes_to_the_codes_of_the_shipped_label_set(name: str, table: dict[str, str]) -> None:
    shipped = {path.stem: taxonomy.read(path) for path in taxonomy.shipped()}
    label_set = importers.get(name).label_set
    assert label_set is not None
    assert [option.code for option in shipped[label_set].options] == list(table.values())
