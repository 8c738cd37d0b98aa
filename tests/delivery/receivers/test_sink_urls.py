"""Claims about `delivery.receivers.urls` and `delivery.secrets`: a URL is checked whole, and no secret shows."""

from dataclasses import FrozenInstanceError, asdict, dataclass
from pathlib import Path

import pytest

from scanner.delivery.receivers.options import CommonOptions, choice, option, seconds, url_options, whole, yes_no
from scanner.delivery.receivers.urls import SinkKind, SinkUrl, single_host
from scanner.delivery.secrets import Secret
from scanner.errors import InputError
from tests.support.receivers_fake import FakeReceiver


@dataclass(frozen=True, kw_only=True)
class SharedOptions(CommonOptions):
    text: str | None = option("anything")
    on: bool = option("on", "yes", yes_no)


@dataclass(frozen=True, kw_only=True)
class Options(SharedOptions):
    size: int = option("a size", "5", whole(1, 10))
    wait: float = option("seconds", "1.5", seconds(0, 60))
    kind: str = option("a kind", "a", choice("a", "b"))
    on: bool = option("on", "no", yes_no)


KIND = SinkKind(
    summary="x",
    example="x://host:1/path?a=1",
    formats=("native", "ecs"),
    make=lambda url: FakeReceiver(),
    options=Options,
    secrets=("token", "password"),
)


def url_of(text: str) -> SinkUrl[Options]:
    return SinkUrl(text, KIND)


def test_a_url_is_taken_apart_and_defaults_are_filled_in() -> None:
    url = SinkUrl("X://us%40er@h1:8088,[2001:db8::1]:9,h3/a%20b?size=7&text=a%26b&format=ecs", KIND)

    assert url.scheme == "x"
    assert url.hosts == [("h1", 8088), ("2001:db8::1", 9), ("h3", None)]
    assert (url.user, url.path) == ("us@er", "/a b")
    assert asdict(url.options) == {
        "name": None, "format": "ecs", "policy": "spool", "max_lag": 100_000,
        "size": 7, "wait": 1.5, "kind": "a", "on": False, "text": "a&b",
    }  # fmt: skip
    assert url.secret("token") is None


def test_options_are_listed_common_ones_first_then_the_kinds_own_then_those_it_shares() -> None:
    assert [(one.name, one.help, one.default) for one in url_options(Options)[4:]] == [
        ("size", "a size", "5"),
        ("wait", "seconds", "1.5"),
        ("kind", "a kind", "a"),
        ("text", "anything", None),
        ("on", "on", "no"),
    ]
    assert [one.name for one in url_options(Options)[:4]] == ["name", "format", "policy", "max_lag"]


def test_options_are_what_they_were_read_as() -> None:
    options = SinkUrl("x://h?on=yes", KIND).options
    assert (options.on, Options().on, Options().max_lag) == (True, False, 100_000)
    with pytest.raises(FrozenInstanceError):
        options.on = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x://h?size=0", r"size='0': must be a whole number from 1 to 10"),
        ("x://h?size=1e1", "must be a whole number"),
        ("x://h?size=٣", "must be a whole number"),
        ("x://h?wait=-1", "must be seconds from 0 to 60"),
        ("x://h?wait=nan", "must be seconds"),
        ("x://h?kind=c", "must be one of a, b"),
        ("x://h?on=true", "must be yes or no"),
        ("x://h?format=xml", "must be one of native, ecs"),
        ("x://h?policy=never", "must be one of required, spool, best_effort"),
        ("x://h?name=../x", "must be 1 to 40 of"),
        ("x://h?name=", "must be 1 to 40 of"),
        ("x://h?sise=1", "'sise' is not an option of it; known: name, format, policy, max_lag, size"),
        ("x://h?size=1&size=2", "'size' is given twice"),
        ("x://h?token=abc", "a secret must not stand in a URL: use token_env=NAME"),
        ("x://u:geheim@h", "a password must not stand in a URL"),
        ("x://h:0", "port 0 must be 1 to 65535"),
        ("x://h:70000", "port 70000 must be 1 to 65535"),
        ("x://", "is not a host or host:port"),
        ("x://h,,g", "is not a host or host:port"),
        ("x://[::1", "is not a URL of the form x://host:1/path"),
        ("x://h ost", "is not a host or host:port"),
        ("://h", "it has no scheme or no host"),
        ("x:h", "it has no scheme or no host"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        SinkUrl(text, KIND)

    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_the_options_that_are_known_include_where_secrets_are_read() -> None:
    with pytest.raises(InputError, match=r"known: .*, token_env, token_file"):
        SinkUrl("x://h?sise=1", KIND)


def test_a_secret_comes_from_the_environment_or_a_file_and_never_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEC", "s3cret")
    (tmp_path / "pw").write_text("other\n")
    url = SinkUrl(f"x://h?token_env=HEC&password_file={tmp_path / 'pw'}", KIND)

    token, password = url.secret("token"), url.secret("password")
    assert token is not None
    assert password is not None
    assert (token.reveal(), password.reveal()) == ("s3cret", "other")
    assert "s3cret" not in f"{token} {token!r} {[token]} {url.options}"
    assert url.shown == "x://h"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("token_env=NOT_THERE", "this environment variable is not set"),
        ("token_file=/nonexistent/x", "cannot be read"),
        ("token_env=A&token_file=b", "choose one"),
        ("token_file={empty}", "must hold the secret"),
        ("token_file={binary}", "must hold the secret"),
        ("token_file={large}", "must hold the secret"),
    ],
)
def test_a_secret_that_is_not_there_is_said(tmp_path: Path, query: str, problem: str) -> None:
    for name, data in (("empty", b"\n"), ("binary", b"\xff\xfe"), ("large", b"x" * 70_000)):
        (tmp_path / name).write_bytes(data)
        query = query.replace(f"{{{name}}}", str(tmp_path / name))

    with pytest.raises(InputError, match=problem):
        SinkUrl(f"x://h?{query}", KIND)


def test_one_host_is_one_host() -> None:
    assert single_host(url_of("x://h"), 514) == ("h", 514)
    assert single_host(url_of("x://h:5"), 514) == ("h", 5)
    with pytest.raises(InputError, match="must name one host"):
        single_host(url_of("x://h,g"), 514)


def test_a_secret_is_not_its_text() -> None:
    assert repr(Secret("abc")) == "Secret(...)"
