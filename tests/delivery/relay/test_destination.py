"""Claims about `delivery.relay.destination`: from a URL to a sink that can be served, or one line that says why not."""

from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.relay import OverflowPolicy, destination
from scanner.delivery.relay.destination import GROUP, is_remote, kinds, make_destinations
from scanner.errors import InputError
from tests.support.receivers_fake import KIND

BUGGY = KIND
URL = "scriptfile://localhost/a"


def provide(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    """Let these kinds be installed and no others."""
    known = EntryPoints(EntryPoint(name, value, GROUP) for name, value in points)
    monkeypatch.setattr(destination, "entry_points", lambda group: known.select(group=group))


@pytest.fixture
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, ("scriptfile", "tests.support.receivers_fake:KIND"))


@pytest.mark.usefixtures("one_kind")
def test_a_url_says_everything_about_a_sink_and_the_rest_is_usual() -> None:
    usual, said = make_destinations([URL, f"{URL}?name=siem&format=ecs&policy=required&max_lag=7"])

    assert (usual.name, usual.format.name, usual.policy) == ("scriptfile-1", "native", OverflowPolicy.SPOOL)
    assert (said.name, said.format.name, said.policy, said.max_lag) == ("siem", "ecs", OverflowPolicy.REQUIRED, 7)
    assert (said.url, said.shown) == (f"{URL}?name=siem&format=ecs&policy=required&max_lag=7", URL)


@pytest.mark.usefixtures("one_kind")
def test_two_of_the_same_name_are_refused() -> None:
    with pytest.raises(InputError, match="name=siem is the name of another sink: choose another name"):
        make_destinations([f"{URL}?name=siem", f"{URL}b?name=siem"])


@pytest.mark.usefixtures("one_kind")
def test_only_what_has_the_scheme_of_an_installed_kind_is_remote() -> None:
    assert [is_remote(text) for text in (URL, "other://h/a", "sweep.jsonl", "-")] == [True, False, False, False]


@pytest.mark.usefixtures("one_kind")
def test_every_installed_kind_is_listed_by_its_scheme() -> None:
    assert kinds(pytest.fail) == {"scriptfile": KIND}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sweep.jsonl", "'sweep.jsonl': is not the URL of a remote sink"),
        ("other://h/a", "no sink of this kind is installed"),
        ("twice://h/a", "more than one installed package provides it"),
        ("broken://h/a", r"no_such_module:KIND cannot be used: ModuleNotFoundError: .*no_such_module"),
        ("empty://h/a", r"tests\.support\.receivers_fake:NOTHING cannot be used: AttributeError: .*NOTHING"),
    ],
)
def test_a_kind_that_cannot_be_had_is_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    one, other = "tests.support.receivers_fake:KIND", "tests.support.receivers_fake:FakeReceiver"
    broken = [("broken", "no_such_module:KIND"), ("empty", "tests.support.receivers_fake:NOTHING")]
    provide(monkeypatch, ("twice", one), ("twice", other), *broken)
    with pytest.raises(InputError, match=problem):
        make_destinations([text])


@pytest.mark.parametrize("error", [ValueError("bad: t0ps3cret!"), SystemExit(0)])
def test_a_receiver_that_cannot_be_made_is_one_line_without_its_secret(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    provide(monkeypatch, ("buggy", "tests.delivery.relay.test_destination:BUGGY"))
    monkeypatch.setenv("THEIR_TOKEN", "t0ps3cret!")

    def make(_: object) -> Receiver:
        raise error

    monkeypatch.setattr("tests.delivery.relay.test_destination.BUGGY", replace(KIND, make=make))

    with pytest.raises(InputError) as caught:
        make_destinations(["buggy://localhost/a?token_env=THEIR_TOKEN"])

    text = str(caught.value)
    assert text.startswith(
        f"-o buggy://localhost/a: tests.delivery.relay.test_destination:BUGGY cannot be used: {type(error).__name__}: "
    )
    assert "t0ps3cret" not in text
    assert "\n" not in text
