"""Claims about `scanner.engine.descriptors`, made by processes with limits of their own."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scanner.engine import descriptor_budget
from scanner.engine import descriptors as module

CHILD = """
import json, os, resource, sys
soft, hard, concurrency, held = map(int, sys.argv[1:])
from scanner.engine import descriptor_budget
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(held)]
budget = descriptor_budget(concurrency)
print(json.dumps([*budget, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""
USER = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
from scanner.engine import descriptor_budget
print(len([socket.socket() for _ in range(descriptor_budget(10_000).sockets)]))
"""
#: Standard streams, and what the interpreter or a test's runner may have left open.
FEW = 12


class Outcome(NamedTuple):
    sockets: int
    connecting: int
    notice: str | None
    soft: int
    hard: int


def budget(soft: int, hard: int, concurrency: int, held: int = 0) -> Outcome:
    """Ask for a budget in a process that may open `hard` files and holds some already."""
    arguments = [str(number) for number in (soft, hard, concurrency, held)]
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, check=True, timeout=50)
    return Outcome(*json.loads(done.stdout))


def test_the_soft_limit_is_raised_to_the_hard_one_and_nothing_is_said() -> None:
    outcome = budget(64, 1000, 500)

    assert (outcome.soft, outcome.hard) == (1000, 1000)
    assert 1000 - 48 - FEW <= outcome.sockets <= 1000 - 48 - 3
    assert (outcome.connecting, outcome.notice) == (500, None)


def test_more_than_the_limit_is_lowered_with_a_notice_that_says_to_what_and_how_to_mend_it() -> None:
    outcome = budget(64, 256, 1000)

    assert outcome.soft == 256
    assert outcome.connecting == outcome.sockets < 256 - 48
    assert outcome.notice == (
        f"concurrency lowered from 1000 to {outcome.sockets}: this process may open 256 files "
        "(raise it with 'ulimit -n' or LimitNOFILE=)"
    )


def test_files_that_are_open_already_are_not_given_away() -> None:
    few, many = budget(256, 256, 1000), budget(256, 256, 1000, held=60)

    assert many.sockets == few.sockets - 60


@pytest.mark.parametrize("hard", [40, 48, 56])
def test_a_limit_that_is_too_low_leaves_a_useful_minimum(hard: int) -> None:
    outcome = budget(hard, hard, 1000)

    assert (outcome.sockets, outcome.connecting) == (8, 8)


def test_the_budget_can_really_be_opened() -> None:
    done = subprocess.run([sys.executable, "-c", USER], capture_output=True, check=True, timeout=50)

    assert 200 - 48 - FEW <= int(done.stdout) <= 200 - 48


@pytest.mark.parametrize(
    ("limits", "refused", "limit"),
    [
        ((64, 1000), False, 1000),
        ((64, 1000), True, 64),
        ((1000, 1000), True, 1000),
        ((64, resource.RLIM_INFINITY), False, 1 << 20),
    ],
)
def test_the_limit_is_the_hard_one_unless_the_machine_does_not_let_us(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], refused: bool, limit: int
) -> None:
    asked: list[tuple[int, int]] = []

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted)
        if refused:
            raise ValueError("not here")

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(map(Path, "012")))
    budget = descriptor_budget(1 << 30)

    assert budget.sockets == budget.connecting == max(module.MINIMUM, limit - module.RESERVED - 3)
    assert f"concurrency lowered from {1 << 30} to {budget.sockets}: " in str(budget.notice)
    assert asked == ([] if limits[0] == limits[1] else [(limits[1] if limits[1] != -1 else 1 << 20,) * 2])


def test_where_nobody_says_what_is_open_a_few_are_taken_for_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def iterdir(_: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    monkeypatch.setattr(Path, "iterdir", iterdir)

    assert descriptor_budget(1).sockets == 1000 - module.RESERVED - 16
