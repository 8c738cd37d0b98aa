"""Targets without a way from this machine: put back as positions, looked at again, given up in the end."""

import errno
import logging
from collections.abc import Iterable
from socket import inet_aton

import pytest

from scanner.engine import no_way
from scanner.engine.back_off import BACK_OFF_S
from scanner.engine.no_way import BATCH, IDLE_BATCH, NoWay
from scanner.model import Target
from scanner.sweeps.notices import no_way_notice, no_way_reason
from tests.support.positions import Positions, ip

TICK_S = 0.01


class Machine:
    """A machine whose routes are a set of positions, and a pool that visits what is returned."""

    def __init__(self, lost: Iterable[int], *, patience_s: float = 30.0, code: int = errno.ENETUNREACH) -> None:
        self.lost = set(lost)
        self.asked = list[str]()
        self.visited = list[int]()
        self.now = 1000.0
        self.code = code
        self.tested = NoWay(Positions(), self._has_way, patience_s=patience_s)
        for position in sorted(self.lost):
            self.put_back(position)

    def put_back(self, position: int) -> None:
        self.tested.add(Target(position, ip(position), 25), self.code, self.now)

    def _has_way(self, address: str) -> bool:
        self.asked.append(address)
        return int.from_bytes(inet_aton(address)) & 0xFFFFFF not in self.lost

    def tick(self, *, idle: bool = False) -> list[int]:
        """Let the pool's tick pass: look, and visit what is returned."""
        self.now += TICK_S
        found = [target.position for target in self.tested.find_ways(self.now, idle=idle)]
        for position in found:
            self.tested.started(position)
        self.visited += found
        return found

    def run(self, seconds: float, *, idle: bool = False) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.tick(idle=idle)


def test_who_has_a_way_again_is_returned_and_leaves() -> None:
    machine = Machine(range(10))
    machine.run(1.0)
    assert machine.visited == []

    machine.lost = {3, 4}
    machine.run(2.0)
    assert sorted(machine.visited) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (len(machine.tested), machine.tested.networks) == (2, {"10.0.0": 2})

    machine.lost = set()
    machine.run(2.0)
    assert sorted(machine.visited) == list(range(10))
    assert (len(machine.tested), machine.tested.networks) == (0, {})


def test_while_nothing_comes_of_it_the_looks_get_rarer() -> None:
    machine = Machine([1])
    machine.run(0.5)
    assert len(machine.asked) in {3, 4}  # after 0.05, 0.15, 0.35 s

    before = len(machine.asked)
    machine.run(30 * BACK_OFF_S[1])
    assert 28 <= len(machine.asked) - before <= 31


def test_when_a_connection_could_be_started_the_looks_come_one_after_the_other() -> None:
    machine = Machine(range(10 * BATCH))
    machine.run(5.0)
    machine.lost = set()
    machine.run(BACK_OFF_S[1] + 12 * TICK_S)

    assert sorted(machine.visited) == list(range(10 * BATCH))


def test_a_look_costs_the_same_however_many_wait() -> None:
    machine = Machine(range(20 * BATCH))
    machine.tick()
    machine.now += 10
    machine.tick()

    assert len(machine.asked) == BATCH


def test_all_have_their_turn_so_one_that_is_back_is_found_among_many_that_are_not() -> None:
    machine = Machine(range(4 * BATCH))
    machine.run(3.0)
    machine.lost.discard(4 * BATCH - 1)
    machine.run(5 * BACK_OFF_S[1])

    assert machine.visited == [4 * BATCH - 1]


def test_what_was_returned_and_has_not_been_started_holds_the_next_look() -> None:
    """Their network may be paced: more of them would only fill the memory."""
    machine = Machine(range(3 * BATCH))
    machine.lost = set()
    machine.now += 1
    assert len(machine.tested.find_ways(machine.now, idle=False)) == BATCH
    assert machine.tested.find_ways(machine.now + 60, idle=False) == []

    machine.tested.started(0)
    assert len(machine.tested.find_ways(machine.now + 60, idle=False)) == BATCH


def test_one_that_is_excluded_meanwhile_holds_nothing() -> None:
    machine = Machine([1, 2])
    machine.lost = {2}
    machine.now += 1
    assert [target.position for target in machine.tested.find_ways(machine.now, idle=False)] == [1]

    machine.tested.dropped(1)
    machine.lost = set()
    assert [target.position for target in machine.tested.find_ways(machine.now + 9, idle=False)] == [2]


def test_a_way_that_is_there_but_not_taken_is_not_tried_without_a_pause() -> None:
    """The routes say yes and connect(2) says no, as a firewall of ours may."""
    machine = Machine([1])
    machine.lost = set()
    for _ in range(3000):
        machine.now += TICK_S
        for target in machine.tested.find_ways(machine.now, idle=True):
            machine.put_back(target.position)

    assert 50 <= len(machine.asked) <= 72  # each time for the look, and when it comes back
    assert machine.tested.is_hopeless(machine.now + 1)


def test_patience_begins_when_all_else_is_done_and_ends() -> None:
    machine = Machine([1, 2], patience_s=30)
    machine.run(100)
    assert not machine.tested.is_hopeless(machine.now)

    machine.run(29, idle=True)
    assert not machine.tested.is_hopeless(machine.now)
    machine.run(2, idle=True)
    assert machine.tested.is_hopeless(machine.now)


def test_patience_begins_anew_when_something_comes_of_it() -> None:
    machine = Machine([1, 2], patience_s=30)
    machine.run(29, idle=True)
    machine.lost = {2}
    machine.run(2, idle=True)
    assert machine.visited == [1]

    machine.run(28, idle=True)
    assert not machine.tested.is_hopeless(machine.now)


def test_each_is_looked_at_once_more_before_it_is_given_up() -> None:
    machine = Machine(range(5 * IDLE_BATCH), patience_s=TICK_S)
    machine.run(3 * TICK_S, idle=True)
    machine.now += BACK_OFF_S[0]
    for _ in range(4):
        machine.tick(idle=True)
        assert not machine.tested.is_hopeless(machine.now)
    machine.tick(idle=True)

    assert machine.tested.is_hopeless(machine.now)
    assert set(machine.asked) == {ip(position) for position in range(5 * IDLE_BATCH)}


@pytest.mark.parametrize(("patience_s", "code"), [(0.0, errno.ENETUNREACH), (30.0, errno.EAFNOSUPPORT)])
def test_no_patience_is_wasted(patience_s: float, code: int) -> None:
    assert Machine([1], patience_s=patience_s, code=code).tested.is_hopeless(1000.0)


def test_it_is_known_since_when_the_way_to_a_network_was_missing() -> None:
    machine = Machine([1])

    assert machine.tested.was_lost("10.0.0.77", 999.0)
    assert not machine.tested.was_lost("10.0.0.77", 1001.0)
    assert not machine.tested.was_lost("10.0.1.77", 999.0)
    assert not Machine([]).tested.was_lost("10.0.0.77", 0.0)


def test_one_address_that_a_firewall_here_refuses_does_not_make_its_network_missing() -> None:
    machine = Machine([1], code=errno.EPERM)
    machine.lost = set()  # the kernel has a way, and yet the connection is refused
    for _ in range(3):
        machine.now += 5.0
        assert [target.position for target in machine.tested.find_ways(machine.now, idle=True)] == [1]
        machine.put_back(1)

    assert machine.tested.was_lost("10.0.0.77", 1000.0)
    assert not machine.tested.was_lost("10.0.0.77", 1001.0)


def test_the_networks_that_are_told_apart_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_way, "MAX_NETWORKS", 3)
    machine = Machine(range(0, 256 * 20, 256))
    assert (len(machine.tested), len(machine.tested.networks)) == (20, 3)

    machine.lost = set()
    machine.run(2.0)
    assert (len(machine.visited), machine.tested.networks) == (20, {})
    for first in range(4):
        for position in range(256 * 100 * first, 256 * 100 * first + 256 * 20, 256):
            machine.put_back(position)
        machine.run(2.0)
    assert len(machine.tested._lost_at) <= 6


def test_people_hear_of_it_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        machine = Machine([1, 2, 300])
        machine.tested.warn(machine.now)
        machine.tested.warn(machine.now)
        machine.lost = set()
        machine.run(1.0)
        machine.put_back(1)
        machine.tested.warn(machine.now)

    assert caplog.messages == [
        "this machine has no way to 10.0.0.0/24 (ENETUNREACH): its targets wait while the others are visited"
    ]
    machine.tested.warn(machine.now + 60)
    assert len(caplog.messages) == 2


def test_the_notice_names_the_networks_merged_and_a_bounded_number_of_them() -> None:
    machine = Machine([*range(0, 1024, 256), 70_000, *range(200_000, 200_000 + 40 * 512, 512)])
    machine.tested.add(Target(10**6, "2001:db8::1", 25), errno.EACCES, 0.0)

    assert no_way_reason(machine.tested, 46) == (
        "46 targets were not visited: this machine had no way there (ENETUNREACH, EACCES)"
    )
    assert no_way_notice(machine.tested, 46) == (
        "46 targets were not visited: this machine had no way there (ENETUNREACH, EACCES), in 10.0.0.0/22, "
        "10.1.17.0/24, 10.3.13.0/24, 10.3.15.0/24, 10.3.17.0/24, 10.3.19.0/24, 10.3.21.0/24, 10.3.23.0/24 "
        "and 35 more networks; run again when it has, or exclude what it can never reach (-x)"
    )


def test_one_target_is_not_a_plural() -> None:
    assert no_way_notice(Machine([1]).tested, 1).startswith("1 target was not visited: ")


def test_the_number_is_that_of_the_summary_when_not_all_of_them_were_tried() -> None:
    assert no_way_reason(Machine([1, 2]).tested, 543) == (
        "543 targets were not visited: this machine had no way to 2 of those that were tried (ENETUNREACH)"
    )
