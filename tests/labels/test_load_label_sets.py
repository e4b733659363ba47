"""The command that loads label sets."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labels import loading
from labels.models import LabelSet
from labels.taxonomy import SHIPPED as FOLDER

pytestmark = pytest.mark.django_db


def printed(*paths: Path) -> list[str]:
    out = io.StringIO()
    call_command("load_label_sets", *paths, stdout=out)
    return out.getvalue().splitlines()


def test_it_prints_one_line_a_set() -> None:
    assert printed() == [
        "convabuse revision 1: created, 5 options, 0 tags",
        "hatecheck revision 1: created, 2 options, 0 tags",
        "oig-safety revision 2: created, 3 options, 4 tags",
        "oig-safety-direct revision 2: created, 5 options, 4 tags",
        "prosocial-dialog revision 1: created, 3 options, 0 tags",
    ]


def test_it_may_run_twice_and_says_what_is_frozen() -> None:
    path = FOLDER / "oig-safety.toml"
    printed(path)
    assert printed(path) == ["oig-safety revision 2: in place, 3 options, 4 tags"]
    loading.freeze(LabelSet.objects.get())
    assert printed(path) == ["oig-safety revision 2: in place, 3 options, 4 tags, frozen"]


def test_it_fails_with_one_line_that_names_file_field_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((FOLDER / "oig-safety.toml").read_text("utf-8").replace('key = "h"', 'key = "u"'), "utf-8")
    with pytest.raises(
        CommandError, match=r"mine\.toml: field tags\[4\]\.key: 'u' is reserved .*; use another letter\.$"
    ):
        printed(path)
    with pytest.raises(CommandError, match=r"none\.toml: cannot be read"):
        printed(tmp_path / "none.toml")


def test_it_refuses_to_change_a_frozen_set(tmp_path: Path) -> None:
    printed(FOLDER / "convabuse.toml")
    loading.freeze(LabelSet.objects.get())
    path = tmp_path / "convabuse.toml"
    path.write_text((FOLDER / "convabuse.toml").read_text("utf-8").replace("How abusive", "How bad"), "utf-8")
    with pytest.raises(CommandError, match=r"convabuse revision 1 is frozen .* write revision = 2 in its TOML file"):
        printed(path)
