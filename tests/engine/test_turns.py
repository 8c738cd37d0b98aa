"""Visits that wait for their network's turn; the clock is an argument."""

import pytest

from scanner.engine.pacing import Gate
from scanner.engine.turns import DueVisit, Turns
from scanner.model import Target
from scanner.targets import Ranges


def paced(count: int, *, network: str = "192.0.2") -> tuple[Gate, Turns]:
    """Return a gate of ten a second for each network, and that many hosts of one that wait for their turns."""
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=10, refusal_limit=3)
    turns = Turns(gate)
    for host in range(count):
        target = Target(host, f"{network}.{host}", 25)
        turns.put(DueVisit(gate.reserve(target.ip, 100.0), target, 1))
    return gate, turns


def started(turns: Turns, now: float) -> list[int]:
    """Take everybody who is due; return their positions."""
    found = []
    while (visit := turns.maybe_due(now)) is not None:
        found.append(visit.target.position)
    return found


def test_each_comes_when_it_is_due_and_not_before() -> None:
    _, turns = paced(4)

    assert (started(turns, 100.0), started(turns, 100.05), started(turns, 100.25)) == ([0], [], [1, 2])
    assert len(turns) == 1


def test_a_network_that_was_slowed_meanwhile_comes_later() -> None:
    gate, turns = paced(4)
    for host in range(3):
        gate.refused(f"192.0.2.{host}", 100.0)

    assert started(turns, 100.35) == []
    assert len(turns) == 4
    assert len(started(turns, 110.0)) < 4


def test_a_network_that_got_its_pace_back_waits_no_longer_for_its_slow_turns() -> None:
    gate, turns = paced(0)
    for host in range(3):
        gate.refused(f"192.0.2.{host}", 100.0)
    for host in range(10):
        ip = f"192.0.2.{host}"
        turns.put(DueVisit(gate.reserve(ip, 100.0), Target(host, ip, 25), 1))
    turns.put(DueVisit(500.0, Target(99, "192.0.3.1", 25), 1))
    while gate.slowed:
        gate.greeted("192.0.2.77", 101.0)
    turns.renew(gate.take_lifted(), 101.0)

    assert started(turns, 101.95) == list(range(10))
    assert started(turns, 499.0) == []
    assert started(turns, 500.0) == [99]


def test_all_can_be_forgotten() -> None:
    _, turns = paced(3)
    turns.clear()

    assert (len(turns), turns.maybe_due(1000.0)) == (0, None)


@pytest.mark.parametrize("tries", [1, 3])
def test_the_number_of_its_try_stays_with_a_visit(tries: int) -> None:
    _, turns = paced(0)
    turns.put(DueVisit(1.0, Target(7, "192.0.2.7", 25), tries))

    assert turns.maybe_due(1.0) == DueVisit(1.0, Target(7, "192.0.2.7", 25), tries)
