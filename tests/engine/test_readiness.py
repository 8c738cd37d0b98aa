"""Claims about `scanner.engine.readiness`: both pollers tell the same story in epoll's words."""

import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from scanner.engine.readiness import (
    ENDED,
    ERR,
    IN,
    INTEREST,
    OUT,
    EpollReadiness,
    Readiness,
    SelectorReadiness,
    best_readiness,
)


@pytest.fixture(params=[EpollReadiness, SelectorReadiness], ids=["epoll", "selector"])
def readiness(request: pytest.FixtureRequest) -> Iterator[Readiness]:
    kind: Callable[[], Readiness] = request.param
    tested = kind()
    yield tested
    tested.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def events(tested: Readiness, fd: int) -> int:
    """Return the mask reported of the only socket that is ready; 0 when there is none."""
    found = tested.poll(0.0, 10)
    assert {number for number, _ in found} <= {fd}
    return found[0][1] if found else 0


def test_its_own_descriptor_is_readable_when_a_socket_is_ready(
    readiness: Readiness, pair: tuple[socket.socket, socket.socket]
) -> None:
    with selectors.DefaultSelector() as outer:
        outer.register(readiness.fileno(), selectors.EVENT_READ)
        assert outer.select(0) == []
        readiness.register(pair[0].fileno(), INTEREST)
        assert [key.fd for key, _ in outer.select(0)] == [readiness.fileno()]


def test_connected_data_and_end_come_one_after_the_other(
    readiness: Readiness, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    fd = ours.fileno()
    readiness.register(fd, INTEREST)
    assert events(readiness, fd) & OUT
    readiness.connected(fd)
    assert events(readiness, fd) == 0

    theirs.sendall(b"220 ")
    assert events(readiness, fd) & IN
    assert ours.recv(100) == b"220 "
    assert events(readiness, fd) == 0

    theirs.close()
    assert events(readiness, fd) & (IN | ENDED | ERR)
    assert ours.recv(100) == b""


def test_a_socket_that_is_forgotten_and_closed_is_not_reported_again(
    readiness: Readiness, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    readiness.register(ours.fileno(), INTEREST)
    readiness.connected(ours.fileno())
    theirs.sendall(b"x")

    readiness.forget(ours.fileno())
    ours.close()

    assert readiness.poll(0.0, 10) == []


def test_the_number_of_a_closed_descriptor_can_be_watched_again(readiness: Readiness) -> None:
    numbers = set()
    for _ in range(3):
        ours, theirs = socket.socketpair()
        numbers.add(ours.fileno())
        readiness.register(ours.fileno(), INTEREST)
        assert events(readiness, ours.fileno()) & OUT
        readiness.forget(ours.fileno())
        ours.close()
        theirs.close()

    assert len(numbers) == 1


def test_no_more_events_than_asked_for_come_at_once(readiness: Readiness) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    for ours, _ in pairs:
        readiness.register(ours.fileno(), INTEREST)

    assert len(readiness.poll(0.0, 3)) == 3
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_epoll_is_chosen_where_there_is_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    found = best_readiness()
    found.close()
    monkeypatch.delattr("select.epoll")
    other = best_readiness()
    other.close()

    assert (type(found), type(other)) == (EpollReadiness, SelectorReadiness)
