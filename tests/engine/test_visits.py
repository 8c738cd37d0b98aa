"""The queue of visits; the clock is an argument."""

import pytest

from scanner.engine.pacing import Gate
from scanner.engine.visits import DueVisit, VisitQueue
from scanner.model import Target
from scanner.targets import Ranges
from tests.support.servers import ListSource


def paced(count: int, *, network: str = "192.0.2") -> tuple[Gate, VisitQueue]:
    """Return a gate of ten a second for each network, and that many hosts of one that wait for their turns."""
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=10, refusal_limit=3)
    visits = VisitQueue(ListSource([]), gate)
    for host in range(count):
        target = Target(host, f"{network}.{host}", 25)
        visits.defer(DueVisit(gate.reserve(target.ip, 100.0), target, 1))
    return gate, visits


def started(visits: VisitQueue, now: float) -> list[int]:
    """Take everybody who is due; return their positions."""
    found = []
    while (visit := visits.next_visit(now)) is not None:
        found.append(visit.target.position)
    return found


def test_each_comes_when_it_is_due_and_not_before() -> None:
    _, visits = paced(4)

    assert (started(visits, 100.0), started(visits, 100.05), started(visits, 100.25)) == ([0], [], [1, 2])
    assert visits.deferred == 1


def test_a_network_that_was_slowed_meanwhile_comes_later() -> None:
    gate, visits = paced(4)
    for host in range(3):
        gate.refused(f"192.0.2.{host}", 100.0)

    assert started(visits, 100.35) == []
    assert visits.deferred == 4
    assert len(started(visits, 110.0)) < 4


def test_a_network_that_got_its_pace_back_waits_no_longer_for_its_slow_turns() -> None:
    gate, visits = paced(0)
    for host in range(3):
        gate.refused(f"192.0.2.{host}", 100.0)
    for host in range(10):
        ip = f"192.0.2.{host}"
        visits.defer(DueVisit(gate.reserve(ip, 100.0), Target(host, ip, 25), 1))
    visits.defer(DueVisit(500.0, Target(99, "192.0.3.1", 25), 1))
    while gate.slowed:
        gate.greeted("192.0.2.77", 101.0)
    visits.renew(gate.take_lifted(), 101.0)

    assert started(visits, 101.95) == list(range(10))
    assert started(visits, 499.0) == []
    assert started(visits, 500.0) == [99]


def test_all_can_be_forgotten() -> None:
    _, visits = paced(3)
    visits.clear()

    assert (visits.deferred, visits.next_visit(1000.0)) == (0, None)


@pytest.mark.parametrize("tries", [1, 3])
def test_the_number_of_its_try_stays_with_a_visit(tries: int) -> None:
    _, visits = paced(0)
    visits.defer(DueVisit(1.0, Target(7, "192.0.2.7", 25), tries))

    assert visits.next_visit(1.0) == DueVisit(1.0, Target(7, "192.0.2.7", 25), tries)
