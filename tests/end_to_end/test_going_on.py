"""Claims about what an incomplete sweep is said to need: never the same command when that would not get any further."""

from pathlib import Path

import pytest

from scanner.cli.sweep import _with_hint
from scanner.delivery.local.descriptor import kept_error
from scanner.settings import Settings
from scanner.sweeps.known_names import ELSEWHERE
from scanner.sweeps.notices import names_reason
from scanner.sweeps.refusal_notices import refusal_reason
from scanner.sweeps.resolve import Unresolved

GONE = Unresolved("command line", f"leads to 192.0.2.9 by now, {ELSEWHERE}")
NEVER = Unresolved("command line", "no such name")


@pytest.mark.parametrize(
    "reason",
    [refusal_reason(9, 1, Settings()), kept_error("out", "removed"), names_reason({"a.example": GONE})],
    ids=["closed networks", "a lost output", "names that lead elsewhere"],
)
def test_where_the_same_command_gets_no_further_it_is_not_advised(reason: str) -> None:
    """With --refusal-action stop the same command was advised, and visited nobody, for ever."""
    assert _with_hint(reason, Path("s")) == reason


def test_names_that_may_be_resolved_later_are_worth_the_same_command() -> None:
    assert names_reason({"a.example": GONE, "b.example": NEVER}) == "2 names could not be resolved"
    assert _with_hint(names_reason({"b.example": NEVER}), Path("s")).endswith("run it again with --state s to continue")
