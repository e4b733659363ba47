"""The image and the services of docker-compose.yml. No container engine is needed: the file is checked by the compose
specification, and the commands and health checks of the project's own services are run by hand, as they stand there."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from compose_spec import PyCompose

from tests import ROOT, servers
from tests.processes import Process

FILE = (ROOT / "docker-compose.yml").read_text()
SECRETS = {"OIG_SECRET_KEY": "of tests, " * 5, "OIG_DATABASE_PASSWORD": "secret", "OIG_QUEUE_PASSWORD": "secret"}
OWN = ("migrate", "web", "worker", "beat")
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}|\$\$")


class Missing(Exception):
    """A variable that the file demands is not set."""


def interpolated(given: Mapping[str, str]) -> str:
    """The file with ${NAME:-default} and ${NAME:?message} filled in, by the specification's rules."""

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        value = given.get(match["name"]) or (match["word"] if match["kind"] == "-" else None)
        if value is None:
            raise Missing(f"{match['name']}: {match['word']}")
        return value

    lines = (line for line in FILE.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    return "".join(VARIABLE.sub(fill, line) for line in lines)


def services(given: Mapping[str, str] = SECRETS) -> dict[str, Any]:
    return dict(yaml.safe_load(interpolated(given))["services"])


def test_it_follows_the_compose_specification() -> None:
    # Merge keys (<<) are YAML's own; the check wants them resolved.
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(interpolated(SECRETS)))).validate()


def test_the_specification_s_check_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="comand"):
        PyCompose.from_yaml("services: {web: {image: x, comand: y}}")


def test_every_volume_and_service_that_is_referred_to_exists() -> None:
    declared = set(yaml.safe_load(interpolated(SECRETS))["volumes"])
    used = {volume.split(":")[0] for service in services().values() for volume in service["volumes"]}
    files = {place for place in used if place.startswith("./")}
    assert used - files == declared
    assert all((ROOT / place).is_file() for place in files)
    for service in services().values():
        assert set(service.get("depends_on", {})) <= set(services())


@pytest.mark.parametrize("name", SECRETS)
def test_it_refuses_to_start_without_a_secret(name: str) -> None:
    with pytest.raises(Missing, match=f"^{name}: set it to "):
        services({key: value for key, value in SECRETS.items() if key != name})


def test_it_holds_no_secret() -> None:
    assert "secret" not in interpolated({**SECRETS, "OIG_DATABASE_PASSWORD": "x", "OIG_QUEUE_PASSWORD": "x"}).replace(
        "OIG_SECRET_KEY", ""
    )


def test_every_service_is_confined_and_says_whether_it_is_well() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert (name == "migrate") != ("healthcheck" in service), name
        assert "privileged" not in service
    assert all(services()[name]["cap_drop"] == ["ALL"] for name in OWN)


def test_the_site_is_no_superuser_and_nobody_comes_to_the_queue_without_a_password() -> None:
    made, web = services(), services()["web"]["environment"]
    assert urlsplit(web["DATABASE_URL"]).username != made["db"]["environment"]["POSTGRES_USER"]
    script = (ROOT / "deploy/database.sql").read_text()
    assert "CREATE ROLE oig LOGIN PASSWORD" in script
    assert "SUPERUSER" not in script
    command = made["valkey"]["command"]
    assert command[command.index("--requirepass") + 1] == urlsplit(web["REDIS_URL"]).password


def test_every_image_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    images = [service["image"] for service in services().values() if "build" not in service]
    for image in bases + images:
        assert re.search(r":\d+\.\d+", image), image


def test_the_published_port_is_closed_to_the_network_unless_it_is_opened() -> None:
    assert services()["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name, service in services().items() if "ports" in service] == ["web"]


def test_the_image_runs_as_its_own_user_on_locked_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    instructions = re.findall(r"^(USER|COPY|CMD|RUN) (.+)", dockerfile, re.MULTILINE)
    assert instructions.index(("USER", "oig")) > instructions.index(("COPY", ". ."))
    assert "--require-hashes -r /tmp/runtime.txt" in dockerfile
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert [path for path in kept if not (ROOT / path).exists()] == []
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert apps <= set(kept)


@pytest.fixture
def container(django_db_setup: None, valkey: object, tmp_path: Path) -> Iterator["Container"]:
    """Runs commands of the file with nothing of this process' environment but the way to its programs."""
    running = Container(tmp_path)
    yield running
    for process in running.processes:
        process.kill_group()


class Container:
    """The services' commands, on the test servers, a free port and a writable folder for /tmp/oig."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = str(listener.getsockname()[1])
        stands_for = {name: servers.environment()[name] for name in ("DATABASE_URL", "REDIS_URL", "OIG_STATIC_ROOT")}
        self.environment = {
            **{name: self._here(str(value)) for name, value in services()["web"]["environment"].items()},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOSTNAME": socket.gethostname(),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **stands_for,
        }

    def start(self, name: str) -> Process:
        process = Process(self._command(name), self.folder / f"{name}.log", self.environment)
        self.processes.append(process)
        return process

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        kind, *words = services()[name]["healthcheck"]["test"]
        words = [self._here(word) for word in words]
        return self.run(words if kind == "CMD" else ["/bin/sh", "-c", *words])

    def _command(self, name: str) -> list[str]:
        return [self._here(word) for word in services()[name]["command"]]

    def _here(self, word: str) -> str:
        return word.replace(":8000", f":{self._port}").replace("/tmp/oig", str(self.folder / "oig"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"), [("web", "Booting worker"), ("worker", " ready."), ("beat", "beat: Starting")]
)
def test_a_service_is_well_only_while_it_runs(name: str, words: str, container: Container) -> None:
    assert container.check(name).returncode != 0
    process = container.start(name)
    process.wait_for(words)
    # Beat makes its file right after it has said that it starts.
    checked = [container.check(name) for _ in range(2)][-1]
    assert checked.returncode == 0, checked.stdout + checked.stderr + process.output
    assert process.stop() in (0, -15)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_migrations_may_run_again(container: Container) -> None:
    process = container.start("migrate")
    assert process.wait() == 0, process.output
    assert "No migrations to apply" in process.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [("OIG_WEB_PROCESSES", "many"), ("OIG_HTTPS", "perhaps"), ("DATABASE_URL", "mysql://db")],
)
def test_a_service_refuses_nonsense_by_name(variable: str, value: str, container: Container) -> None:
    container.environment[variable] = value
    process = container.start("web")
    assert process.wait() != 0
    assert f"{variable} must be" in process.output
