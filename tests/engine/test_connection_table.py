"""The connections under way: the sockets are looked at before the clock."""

import select
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from scanner.engine import connection_table
from scanner.engine.connection import Phase
from scanner.engine.connection_table import ConnectionTable
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from tests.support.greetings import POSTFIX

YEAR_S = 365 * 86_400.0


class Clock:
    """Time as an argument."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hosts:
    """A listening socket whose hosts greet when a test says so, and the engine's side of the connections."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.poller = select.epoll()
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=256)  # noqa: S104  all of 127.0.0.0/8
        self.tested = ConnectionTable(Settings(retries=0), self.poller, clock=self.clock)
        self.accepted: list[socket.socket] = []

    def open(self, count: int) -> None:
        port = self.listener.getsockname()[1]
        for number in range(count):
            assert self.tested.open(Target(number, f"127.62.0.{number}", port), 1) == 0
            self.accepted.append(self.listener.accept()[0])

    def greet(self, *numbers: int) -> None:
        for number in numbers:
            self.accepted[number].sendall(POSTFIX)

    def wait_until_it_has_arrived(self) -> None:
        """Return when the sockets have something to report; nothing is taken."""
        assert select.select([self.poller.fileno()], [], [], 10)[0]

    def suspended(self, seconds: float) -> dict[int, Attempt]:
        """Let the clock go on without a look at the sockets, then end what is over; return who ended, by position."""
        self.clock.now += seconds
        self.tested.expire(self.clock.now)
        return {attempt.target.position: attempt for attempt in self.tested.take_ended()}

    def close(self) -> None:
        self.tested.close_all()
        self.poller.close()
        for sock in (self.listener, *self.accepted):
            sock.close()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    made.close()


def test_a_greeting_that_is_there_is_read_before_its_time_out_is_looked_at(hosts: Hosts) -> None:
    hosts.open(40)
    hosts.greet(*range(40))
    hosts.wait_until_it_has_arrived()
    ended = hosts.suspended(YEAR_S)

    assert {attempt.raw for attempt in ended.values()} == {POSTFIX}
    assert len(ended) == 40


def test_all_that_is_there_is_read_however_many_batches_it_is(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_table, "BATCH", 8)
    hosts.open(100)
    hosts.greet(*range(100))
    hosts.wait_until_it_has_arrived()
    ended = hosts.suspended(YEAR_S)

    assert [attempt.status for attempt in ended.values()] == [None] * 100


def test_a_connection_that_was_made_meanwhile_has_its_whole_time_for_a_greeting(hosts: Hosts) -> None:
    hosts.open(3)
    hosts.wait_until_it_has_arrived()

    assert hosts.suspended(40.0) == {}
    assert (hosts.tested.count(Phase.CONNECTING), hosts.tested.count(Phase.WAITING)) == (0, 3)
    assert {attempt.status for attempt in hosts.suspended(30.0).values()} == {Status.SILENT}


def test_who_has_said_nothing_is_silent_as_before(hosts: Hosts) -> None:
    hosts.open(4)
    hosts.tested.drain()
    hosts.greet(1, 2)
    hosts.wait_until_it_has_arrived()
    ended = hosts.suspended(YEAR_S)

    assert {position: attempt.status for position, attempt in ended.items()} == {
        0: Status.SILENT,
        1: None,
        2: None,
        3: Status.SILENT,
    }


def test_nothing_is_read_for_a_time_out_that_is_not_due(hosts: Hosts) -> None:
    hosts.open(1)
    hosts.greet(0)
    hosts.wait_until_it_has_arrived()

    assert hosts.suspended(1.0) == {}
    assert hosts.tested.count(Phase.CONNECTING) == 1


def test_a_peer_that_reports_without_end_does_not_keep_the_clock_waiting(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []

    def endless() -> int:
        rounds.append(1)
        return connection_table.BATCH

    hosts.open(2)
    monkeypatch.setattr(hosts.tested, "drain", endless)

    assert {attempt.status for attempt in hosts.suspended(YEAR_S).values()} == {Status.CONNECT_TIMEOUT}
    assert len(rounds) == 2


class HungUp:
    """A poller that reports a hang-up with every event, as some network devices make the kernel do."""

    def __init__(self) -> None:
        self.real = select.epoll()
        self.register, self.unregister = self.real.register, self.real.unregister
        self.fileno, self.close = self.real.fileno, self.real.close

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        return [(fd, event | select.EPOLLHUP) for fd, event in self.real.poll(timeout, most)]


def test_a_hang_up_without_an_error_ends_nothing_and_all_that_is_there_is_read(hosts: Hosts) -> None:
    poller = HungUp()
    hosts.poller.close()
    hosts.poller = cast("select.epoll", poller)
    hosts.tested = ConnectionTable(Settings(retries=0), hosts.poller, clock=hosts.clock)
    hosts.open(1)
    hosts.accepted[0].sendall(POSTFIX[:9])
    hosts.wait_until_it_has_arrived()

    assert hosts.suspended(1.0) == {}
    hosts.tested.drain()
    hosts.accepted[0].sendall(POSTFIX[9:])
    hosts.wait_until_it_has_arrived()
    assert hosts.suspended(YEAR_S)[0].raw == POSTFIX
