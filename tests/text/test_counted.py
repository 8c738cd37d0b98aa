"""Claims about numbers in messages, and about what is said of how to go on."""

from pathlib import Path

import pytest

from scanner.cli.sweep import _with_hint
from scanner.text.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 targets"), (1, "1 target"), (2, "2 targets"), (2048, "2,048 targets")]
)
def test_only_one_is_not_a_plural(number: int, said: str) -> None:
    assert counted(number, "target") == said


def test_a_plural_of_its_own_is_taken() -> None:
    assert [counted(number, "address", "addresses") for number in (1, 2)] == ["1 address", "2 addresses"]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("interrupted", "interrupted; run it again with --state s to continue"),
        ("no route: check its network, then run again", "no route: check its network, then run again with --state s"),
        ("full: then run it again (with --state it goes on)", "full: then run it again (with --state it goes on)"),
    ],
)
def test_how_to_go_on_is_said_once(reason: str, said: str) -> None:
    assert _with_hint(reason, Path("s")) == said
    assert _with_hint(reason, None) == reason
