"""docs/settings.md has a section for every variable that is read, with its default and bounds, and for no other."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests import ROOT

PAGE = (ROOT / "docs/settings.md").read_text()
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
READERS = {"text", "secret", "choice", "flag", "integer", "share", "names", "url", "path", "given"}
COMPOSE = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))


class Read(NamedTuple):
    """One call of a reader in config/env.py."""

    name: str
    reader: str
    arguments: dict[str, ast.expr]


def calls() -> Iterator[Read]:
    for path in sorted((ROOT / "config").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="env"), attr=reader),
                    args=[ast.Constant(value=name), *defaults],
                    keywords=keywords,
                ) if reader in READERS:
                    named = {word.arg: word.value for word in keywords if word.arg}
                    yield Read(str(name), reader, named | dict(zip(["default"], defaults, strict=False)))


CALLS = list(calls())
# env.database reads it by itself.
NAMES = {call.name for call in CALLS} | COMPOSE | {"DATABASE_URL"}


def test_it_has_found_the_variables() -> None:
    assert {"OIG_SECRET_KEY", "OIG_LOCAL_DIR", "OIG_PORT", "OIG_WEB_THREADS", "OIG_IMAGE", "REDIS_URL"} <= NAMES
    assert 'given("DATABASE_URL")' in (ROOT / "config/local.py").read_text()


def test_it_has_a_section_for_every_variable_and_for_no_other() -> None:
    assert NAMES - SECTIONS.keys() == set(), "these have no section"
    assert SECTIONS.keys() - NAMES == set(), "nothing reads these"


@pytest.mark.parametrize("name", sorted(SECTIONS.keys() - {"OIG_DATABASE_PASSWORD"}))
def test_it_names_the_default(name: str) -> None:
    effect, default, value = SECTIONS[name].partition("Default:")
    assert effect.strip()
    assert default, f"{name} has no default"
    assert value.strip()


@pytest.mark.parametrize("call", [call for call in CALLS if call.reader == "integer"], ids=lambda call: call.name)
def test_it_names_the_numbers_that_the_code_has(call: Read) -> None:
    numbers = {int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", SECTIONS[call.name].replace(", ", " "))}
    for which in ("default", "minimum", "maximum"):
        if which in call.arguments:
            assert ast.literal_eval(call.arguments[which]) in numbers, f"{call.name}: its {which} is not named"


@pytest.mark.parametrize("call", [call for call in CALLS if call.reader == "flag"], ids=lambda call: call.name)
def test_it_names_the_position_of_every_switch(call: Read) -> None:
    position = int(ast.literal_eval(call.arguments.get("default", ast.Constant(value=False))))
    assert re.search(rf"Default:\s+`{position}`", SECTIONS[call.name])


@pytest.mark.parametrize("call", [call for call in CALLS if call.reader == "choice"], ids=lambda call: call.name)
def test_it_names_every_choice(call: Read) -> None:
    for choice in ast.literal_eval(call.arguments["choices"]):
        assert f"`{choice}`" in SECTIONS[call.name]
