"""Claims about `engine.connection_table` at moments that no real server hits on purpose: what the sockets report is
scripted here, the sockets are real."""

import errno
import select
import socket
from collections.abc import Iterator
from select import EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import cast

import pytest

from scanner.engine import connection_table
from scanner.engine.connection import Phase
from scanner.engine.connection_table import ConnectionTable
from scanner.model import Status, Target
from scanner.settings import Settings

ENDED = EPOLLRDHUP | EPOLLHUP
GREETING = b"220 mx.example ESMTP\r\n"


class Script:
    """An epoll whose reports are the test's."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int]] = []

    def register(self, fd: int, eventmask: int) -> None:
        pass

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        events, self.events = self.events, []
        return events


class OurSocket(socket.socket):
    """The engine's end of a connection, which is reset when a test says so."""

    is_reset = False

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if self.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        return super().recv(bufsize, flags)


class Host:
    """The other end of the one connection of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, trace: bool = False, fails: bool = False) -> None:
        ours, self.sock = socket.socketpair()
        self.our_socket = OurSocket(fileno=ours.detach())
        self.our_socket.setblocking(False)
        self.fd = self.our_socket.fileno()
        monkeypatch.setattr(connection_table, "start_connection", lambda *_: (self.our_socket, 0))
        self.script = Script()
        self.said: list[tuple[str, bytes]] = []
        self._fails = fails
        self.ours = ConnectionTable(
            Settings(),
            cast("select.epoll", self.script),
            clock=lambda: 0.0,
            trace=self._hear if trace or fails else None,
        )
        assert self.ours.open(Target(0, "127.0.0.1", 25), 1) == 0

    def report(self, *masks: int) -> None:
        self.script.events = [(self.fd, mask) for mask in masks]
        self.ours.drain()

    def _hear(self, _target: Target, direction: str, data: bytes, _after_s: float) -> None:
        self.said.append((direction, data))
        if self._fails and direction == "closed":
            raise RuntimeError("a mistake of the listener's")

    def ended(self) -> list[tuple[Status | None, bytes]]:
        return [(attempt.status, attempt.raw) for attempt in self.ours.take_ended()]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    one = Host(monkeypatch)
    yield one
    one.ours.close_all()
    one.sock.close()


def test_a_host_that_hangs_up_before_our_quit_has_greeted_all_the_same(host: Host) -> None:
    host.sock.sendall(GREETING)
    host.sock.close()
    host.report(EPOLLOUT | EPOLLIN)

    assert host.ended() == [(None, GREETING)]
    assert len(host.ours) == 0


def test_what_is_reported_of_a_connection_that_was_closed_in_the_same_moment_is_left_alone(host: Host) -> None:
    host.sock.sendall(GREETING)
    host.sock.close()
    host.report(EPOLLOUT | EPOLLIN, EPOLLIN | ENDED)

    assert host.ended() == [(None, GREETING)]


def test_a_farewell_that_says_nothing_yet_is_waited_for_and_half_a_line_too(host: Host) -> None:
    host.sock.sendall(GREETING)
    host.report(EPOLLOUT | EPOLLIN)
    host.report(EPOLLIN)
    host.sock.sendall(b"221 b")
    host.report(EPOLLIN)
    assert host.ours.count(Phase.LEAVING) == 1

    host.sock.sendall(b"ye\r\n")
    host.report(EPOLLIN)
    assert (len(host.ours), host.ended(), host.sock.recv(100)) == (0, [(None, GREETING)], b"QUIT\r\n")


def test_a_farewell_that_is_a_reset_ends_it_as_any_other(host: Host) -> None:
    host.sock.sendall(GREETING)
    host.report(EPOLLOUT | EPOLLIN)
    host.our_socket.is_reset = True
    host.report(EPOLLIN | ENDED)

    assert (len(host.ours), host.ended()) == (0, [(None, GREETING)])


def test_whoever_listens_hears_the_farewell_too(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, trace=True)
    host.sock.sendall(GREETING)
    host.report(EPOLLOUT | EPOLLIN)
    host.sock.sendall(b"221 bye\r\n")
    host.report(EPOLLIN)
    host.sock.close()

    assert [said for said in host.said if said[1]] == [("<", GREETING), (">", b"QUIT\r\n"), ("<", b"221 bye\r\n")]


def test_a_listener_that_fails_when_a_connection_is_closed_costs_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, fails=True)
    host.sock.sendall(GREETING)
    host.sock.close()
    host.report(EPOLLOUT | EPOLLIN)

    assert (host.ended(), len(host.ours)) == ([(None, GREETING)], 0)
