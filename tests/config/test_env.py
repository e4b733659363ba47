from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

NAME = "OIG_SOMETHING"
NOT_LIBPQ = (
    "DATABASE_URL is not an address that PostgreSQL takes: check its parameters, and write unusual characters as in %20"
)


def refusal(call: str) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        eval(call, {"env": env, "NAME": NAME})
    return str(caught.value)


@pytest.mark.parametrize("value", ["", "  "])
def test_it_takes_an_empty_variable_for_an_unset_one(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.text(NAME, "default") == "default"
    assert env.integer(NAME, 7) == 7
    assert env.flag(NAME, True) is True
    assert env.share(NAME, 0.5) == 0.5
    assert env.names(NAME, ["a"]) == ["a"]
    assert env.path(NAME, Path("/x")) == Path("/x")


def test_it_refuses_a_missing_value_that_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert refusal("env.text(NAME)") == "OIG_SOMETHING must be set"


@pytest.mark.parametrize(
    ("value", "call", "message"),
    [
        ("soon", "env.integer(NAME, 1, minimum=1, maximum=1440)", 'a whole number from 1 to 1440, not "soon"'),
        ("0", "env.integer(NAME, 1, minimum=1, maximum=1440)", 'a whole number from 1 to 1440, not "0"'),
        ("1441", "env.integer(NAME, 1, minimum=1, maximum=1440)", 'a whole number from 1 to 1440, not "1441"'),
        ("1.5", "env.integer(NAME, 1)", 'a whole number, not "1.5"'),
        ("1_000", "env.integer(NAME, 1)", 'a whole number, not "1_000"'),
        ("-1", "env.integer(NAME, 1, minimum=0)", 'a whole number of 0 or more, not "-1"'),
        ("9", "env.integer(NAME, 1, maximum=8)", 'a whole number of 8 or less, not "9"'),
        ("\u0663", "env.integer(NAME, 1)", 'a whole number, not "\\u0663"'),
        ("2\n3", "env.integer(NAME, 1)", 'a whole number, not "2\\n3"'),
        ("maybe", "env.flag(NAME)", '1 or 0 (or true/false, yes/no, on/off), not "maybe"'),
        ("nan", "env.share(NAME, 0.1)", 'a share from 0 to 1, not "nan"'),
        ("1.1", "env.share(NAME, 0.1)", 'a share from 0 to 1, not "1.1"'),
        ("green", "env.choice(NAME, 'red', ['red', 'blue'])", 'one of red, blue, not "green"'),
    ],
)
def test_it_refuses_nonsense_by_name(value: str, call: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)
    assert refusal(call) == f"{NAME} must be {message}"


@pytest.mark.parametrize(
    "value", ["redis", "redis://", "http://host", "redis://host:none", "//host", "unix:///", "redis://[::1"]
)
def test_it_refuses_an_address_without_repeating_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)
    message = refusal("env.url(NAME, schemes=['redis', 'unix'])")
    assert message == f"{NAME} must be an address that starts with redis:// or unix://"


@pytest.mark.parametrize("value", ["redis://host:6379/0", "unix:///run/valkey.sock?db=1", "redis://:secret@[::1]/2"])
def test_it_takes_an_address_as_it_is(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, f" {value} ")
    assert env.url(NAME, schemes=["redis", "unix"]) == value


@pytest.mark.parametrize("value", ["x", "abcdefghijklmnopqrstuvwxyz01234", "abcd" * 20])
def test_it_refuses_a_secret_that_can_be_guessed_without_repeating_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)
    message = refusal("env.secret(NAME, str)")
    assert message == (
        "OIG_SOMETHING must be 32 or more characters, 5 or more of them different: openssl rand -hex 32 makes one"
    )


def test_it_takes_a_secret_or_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "0123456789abcdef" * 2)
    assert env.secret(NAME, str) == "0123456789abcdef" * 2
    monkeypatch.delenv(NAME)
    assert env.secret(NAME, lambda: "made") == "made"


def test_it_reads_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " 12 ")
    assert env.integer(NAME, 1, minimum=12, maximum=12) == 12
    monkeypatch.setenv(NAME, "Off")
    assert env.flag(NAME, True) is False
    monkeypatch.setenv(NAME, "0.25")
    assert env.share(NAME, 1) == 0.25
    monkeypatch.setenv(NAME, "a.example, ,b.example,")
    assert env.names(NAME) == ["a.example", "b.example"]
    monkeypatch.setenv(NAME, "blue")
    assert env.choice(NAME, "red", ["red", "blue"]) == "blue"


def test_it_refuses_a_name_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a.example, *")
    with pytest.raises(ImproperlyConfigured, match=f'^{NAME} must be a list of entries such as a.b, not "\\*"$'):
        env.names(NAME, form=r"[a-z.]+", such_as="a.b")


def test_it_turns_a_database_address_into_django_s_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:s%40fe@db.example:5433/oig?sslmode=require")
    assert env.database(lambda: "") == {
        "ENGINE": "config.postgresql",
        "NAME": "oig",
        "USER": "ada",
        "PASSWORD": "s@fe",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_it_takes_the_default_database_on_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    found = env.database(lambda: "postgresql://oig@/oig?host=/run/some%20where")
    assert (found["HOST"], found["NAME"], found["PORT"], found["OPTIONS"]) == ("/run/some where", "oig", "", {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("sqlite:///oig.db", "DATABASE_URL must be an address that starts with postgresql:// or postgres://"),
        ("postgresql://host", "DATABASE_URL must name a database, as in postgresql://user:password@host:5432/oig"),
        ("postgresql://host/oig?sslmod=require", NOT_LIBPQ),
        ("postgresql://ada:my secret@host/oig", NOT_LIBPQ),
    ],
)
def test_it_refuses_a_wrong_database_address(value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", value)
    assert refusal("env.database(lambda: '')") == message
