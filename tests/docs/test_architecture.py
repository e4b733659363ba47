"""ARCHITECTURE.md names constraints, triggers, tests, modules and libraries: what it names must exist."""

import re
import tomllib

import pytest

from tests import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def source_of(*patterns: str) -> str:
    return "\n".join(path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern)))


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = set(re.findall(r"def (test_\w+)\(", source_of("tests/**/*.py")))
    assert named
    assert named <= there


def test_every_rule_of_the_database_that_it_names_exists() -> None:
    rules = section("Rules that cannot bend")
    named = {
        name
        for kinds in re.findall(r"(?:CHECK|unique|triggers?) ((?:`\w+`(?: and )?)+)", rules)
        for name in kinds.split("`")[1::2]
    }
    assert len(named) > 8
    migrations = source_of("*/migrations/*.py")
    assert [name for name in named if name not in migrations] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", PAGE))))
def test_every_path_that_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists() or path == ".local/" or any(ROOT.glob(f"*/{path}"))


def test_every_module_of_an_app_that_it_names_exists() -> None:
    for app, cells in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section("The apps"), re.MULTILINE):
        for module in re.findall(r"`(\w+)/?`", cells):
            assert (ROOT / app / f"{module}.py").exists() or (ROOT / app / module).is_dir(), f"{app}.{module}"


def test_it_says_why_of_every_library() -> None:
    runs, development = section("Why each library").split("For development only:")
    groups = PROJECT["dependency-groups"]
    assert libraries(runs) == names_of([*PROJECT["project"]["dependencies"], *groups["local"]])
    assert libraries(development) <= names_of(groups["dev"])


def libraries(text: str) -> set[str]:
    """The first cells of a table, without its head."""
    return set(re.findall(r"^\| ([\w-]+) \| ", text, re.MULTILINE)) - {"library"}


def names_of(requirements: list[str | dict[str, str]]) -> set[str]:
    return {re.split(r"[\[=]", line)[0] for line in requirements if isinstance(line, str)}


def test_its_contents_list_its_sections() -> None:
    listed = re.findall(r"^- \[(.+)\]\(#", PAGE, re.MULTILINE)
    assert listed == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
