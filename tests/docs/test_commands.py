import re
from argparse import SUPPRESS

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests import ROOT

OWN_APPS = ("annotate", "exports", "labels", "sources")
COMMANDS = sorted(name for name, app in get_commands().items() if app in OWN_APPS)
PAGE = (ROOT / "docs/commands.md").read_text()


def section(heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = heading.index(" ")
    found = re.search(rf"^{heading}$\n(.*?)(?=^#{{1,{level}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no heading {heading!r}"
    return found[1]


def described(text: str) -> set[str]:
    """The names at the beginning of the list entries of a text."""
    return {
        name
        for names in re.findall(r"^- ((?:`[^`]+`(?:, )?)+)", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }


def own_arguments(name: str) -> set[str]:
    command = load_command_class(get_commands()[name], name)
    common = {action.dest for action in BaseCommand().create_parser("manage.py", "any")._actions} - {"version"}
    own = [action for action in command.create_parser("manage.py", name)._actions if action.dest not in common]
    return {(action.option_strings or [action.dest])[0] for action in own if action.help != SUPPRESS}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_describes_every_argument_of_a_command_and_no_other(name: str) -> None:
    whole = section(f"## {name}")
    arguments = described(whole.partition("\n### ")[0])
    # Django's --version is every command's; only those that replace it describe it.
    expected = own_arguments(name) - (set() if name in ("export_safety", "register_snapshot") else {"--version"})
    assert arguments == expected


def test_it_describes_no_command_that_is_not_there() -> None:
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == sorted(COMMANDS, key=PAGE.index)
    assert set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == set(COMMANDS)
