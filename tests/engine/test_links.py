"""Claims about trouble of this machine's own network: what the kernel says of it, and whose visits it spoils."""

import errno
import socket
import struct

import pytest

from scanner.engine import links as module
from scanner.engine.away import MAX_AGAIN, Away
from scanner.engine.links import SETTLE_S, Links, Way, messages
from scanner.engine.no_way import NoWay
from scanner.model import Attempt, Status, Target
from scanner.sweeps.notices import away_notices
from tests.support.positions import Positions

UP, DOWN = 0x1 | 0x40, 0x1
ETH, OTHER = 2, 3
GATEWAY = socket.inet_aton("10.9.0.254")


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def link(number: int, flags: int, kind: int = 16) -> bytes:
    return message(kind, struct.pack("=BxHiII", 0, 1, number, flags, 0))


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


class Kernel:
    """The kernel's side of both sockets: events that wait to be read, and answers to questions."""

    def __init__(self) -> None:
        self.events: list[bytes | OSError] = []
        self.routes: dict[str, Way] = {}
        self.states: dict[bytes, int] = {}
        self.asked: list[int] = []
        self._answer = b""

    def open(self, groups: int) -> "Kernel":
        del groups
        return self

    def recv(self, size: int) -> bytes:
        assert size > 4096
        if self._answer:
            answer, self._answer = self._answer, b""
            return answer
        if not self.events:
            raise BlockingIOError
        event = self.events.pop(0)
        if isinstance(event, OSError):
            raise event
        return event

    def send(self, data: bytes) -> None:
        ((kind, body),) = messages(data)
        self.asked.append(kind)
        if kind == 26:
            way = self.routes.get(socket.inet_ntoa(body[16:20]))
            self._answer = message(2, struct.pack("=i", -errno.ENETUNREACH))
            if way is not None:
                gateway = attribute(5, way.gateway) if way.gateway else b""
                self._answer = message(24, bytes(12) + attribute(4, struct.pack("=I", way.link)) + gateway)
        if kind == 30:
            self._answer = message(28, struct.pack("=BxxxiHBB", 2, ETH, self.states.get(body[-4:], 2), 0, 0))

    def close(self) -> None:
        self.events = [OSError(errno.EBADF, "closed")]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    made.routes = {"10.9.0.5": Way(ETH, b""), "10.10.0.5": Way(ETH, GATEWAY), "10.11.0.5": Way(OTHER, b"")}
    made.events = [link(ETH, UP) + link(OTHER, UP)]
    monkeypatch.setattr(module, "_netlink", made.open)
    return made


@pytest.fixture
def links(kernel: Kernel) -> Links:
    made = Links()
    made.update(1.0)
    assert kernel.asked == [18]
    kernel.asked.clear()
    return made


def test_while_nothing_happens_nothing_is_asked(links: Links, kernel: Kernel) -> None:
    assert not links.was_away("10.9.0.5", 0.0, 9.0)
    assert not links.is_down("10.9.0.5")
    assert kernel.asked == []


def test_a_cable_that_is_out_spoils_what_goes_through_it_and_nothing_else(links: Links, kernel: Kernel) -> None:
    kernel.events = [link(ETH, DOWN)]

    assert links.was_away("10.9.0.5", 5.0, 6.0)
    assert links.was_away("10.10.0.5", 5.0, 6.0)
    assert not links.was_away("10.11.0.5", 5.0, 6.0)
    assert (links.is_down("10.9.0.5"), links.is_down("10.11.0.5"), links.is_down("10.99.0.1")) == (True, False, False)


def test_what_began_before_it_came_back_was_spoiled_and_what_begins_later_is_not(links: Links, kernel: Kernel) -> None:
    kernel.events = [link(ETH, DOWN), link(ETH, UP)]
    links.update(6.0)

    assert links.was_away("10.9.0.5", 5.9, 9.0)
    assert links.was_away("10.9.0.5", 6.0 + SETTLE_S, 9.5)
    assert not links.was_away("10.9.0.5", 6.1 + SETTLE_S, 9.5)
    assert not links.was_away("10.11.0.5", 5.9, 9.0)
    assert not links.is_down("10.9.0.5")


def test_a_link_that_was_down_from_the_start_is_down(kernel: Kernel) -> None:
    kernel.events = [link(ETH, DOWN) + link(OTHER, UP)]

    assert Links().was_away("10.9.0.5", 5.0, 6.0)


def test_an_address_or_interface_that_is_taken_away_spoils(links: Links, kernel: Kernel) -> None:
    kernel.events = [message(21, struct.pack("=BBBBI", 2, 24, 0, 0, ETH))]
    assert links.was_away("10.9.0.5", 5.0, 6.0)

    kernel.events = [link(OTHER, UP, 17)]
    del kernel.routes["10.11.0.5"]
    assert links.was_away("10.11.0.5", 7.0, 8.0)
    assert not links.was_away("10.11.0.5", 8.5 + SETTLE_S, 20.0)


def test_a_link_of_others_that_comes_and_goes_is_nobodys_trouble(links: Links, kernel: Kernel) -> None:
    kernel.events = [link(9, DOWN), link(9, UP), link(9, DOWN, 17), message(24, b""), message(16, b"short")]

    assert not links.was_away("10.9.0.5", 5.0, 6.0)


def test_more_events_than_were_kept_for_us_may_have_been_any(links: Links, kernel: Kernel) -> None:
    kernel.events = [OSError(errno.ENOBUFS, "No buffer space available"), link(ETH, UP)]

    assert links.was_away("10.11.0.5", 5.0, 6.0)
    assert kernel.asked[0] == 18
    assert not links.was_away("10.11.0.5", 6.5 + SETTLE_S, 20.0)


def test_a_gateway_that_does_not_answer_is_ours_and_a_host_that_does_not_is_its_own(
    links: Links, kernel: Kernel
) -> None:
    assert not links.has_lost_gateway("10.10.0.5", 5.0)
    kernel.states = {GATEWAY: 0x20}

    assert not links.has_lost_gateway("10.10.0.5", 5.01)  # not so soon again
    assert not links.has_lost_gateway("10.9.0.5", 6.0)
    assert not links.has_lost_gateway("10.99.0.5", 7.0)
    assert links.has_lost_gateway("10.10.0.5", 8.0)
    assert links.was_away("10.9.0.5", 7.0, 8.0)  # whatever else went that way meanwhile


def test_a_gateway_that_is_lost_is_looked_at_until_it_is_there_again(links: Links, kernel: Kernel) -> None:
    kernel.states = {GATEWAY: 0x20}
    assert links.has_lost_gateway("10.10.0.5", 5.0)
    links.update(5.05)
    links.update(9.0)
    kernel.states = {}
    links.update(10.0)
    links.update(11.0)

    assert kernel.asked.count(30) == 3
    assert links.was_away("10.10.0.5", 9.0 + SETTLE_S, 20.0)
    assert not links.was_away("10.10.0.5", 9.1 + SETTLE_S, 20.0)


def test_where_netlink_is_forbidden_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(groups: int) -> socket.socket:
        raise PermissionError(errno.EPERM, f"no netlink for {groups}")

    monkeypatch.setattr(module, "_netlink", refused)
    links = Links("127.0.0.1")
    links.update(1.0)

    assert not links.was_away("10.9.0.5", 0.0, 2.0)
    assert links.way("10.9.0.5") is None
    links.close()


def test_this_machine_says_how_it_gets_to_itself() -> None:
    links = Links("127.0.0.1")
    way = links.way("127.0.0.1")
    links.close()

    assert way == Way(socket.if_nametoindex("lo"), b"")
    assert links.way("127.0.0.1") is None


@pytest.mark.parametrize("data", [b"", b"x" * 15, b"\x08" + message(16, b"")[1:], b"\x63" + message(16, b"")[1:]])
def test_a_torn_message_is_none(data: bytes) -> None:
    assert list(messages(data)) == []


@pytest.mark.parametrize(
    "answer",
    [
        message(24, bytes(12)),
        message(24, bytes(12) + attribute(4, b"x")),
        message(24, bytes(12) + b"\xff\x00\x04\x00"),
        OSError(errno.EINTR, "no answer"),
    ],
    ids=["no interface", "half a number", "torn", "none"],
)
def test_an_answer_that_says_nothing_is_no_way(
    links: Links, monkeypatch: pytest.MonkeyPatch, answer: bytes | OSError
) -> None:
    class Mute:
        def send(self, data: bytes) -> None:
            del data
            if isinstance(answer, OSError):
                raise answer

        def recv(self, size: int) -> bytes:
            assert size > 4096
            assert isinstance(answer, bytes)
            return answer

    monkeypatch.setattr(links, "_queries", Mute())

    assert links.way("10.9.0.5") is None


def test_a_socket_that_fails_ends_a_look(links: Links, kernel: Kernel) -> None:
    kernel.events = [OSError(errno.EBADF, "Bad file descriptor"), link(ETH, DOWN)]
    links.update(5.0)

    assert not links.is_down("10.9.0.5")


def test_a_group_that_is_refused_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    class Refusing:
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EPERM, f"no {address}")

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(socket, "socket", lambda *_: Refusing())
    Links()

    assert closed == [True]


def attempt(status: Status | None, *, error: str | None = None, ip: str = "10.9.0.5") -> Attempt:
    return Attempt(Target(7, ip, 25), status, b"", 0.0, None, None, 3.0, 1, error)


@pytest.fixture
def away(links: Links, monkeypatch: pytest.MonkeyPatch) -> Away:
    made = Away(NoWay(Positions(), lambda _: True, patience_s=1.0), None)
    monkeypatch.setattr("scanner.engine.away.Links", lambda _source: links)
    made.begin()
    return made


def test_a_bad_end_while_the_network_was_away_is_spoiled_and_an_answer_is_not(away: Away, kernel: Kernel) -> None:
    assert not away.has_spoiled(attempt(Status.SILENT), 4.0)
    kernel.events = [link(ETH, DOWN)]

    spoiled = {status for status in Status if away.has_spoiled(attempt(status), 5.0)}
    assert spoiled == {
        Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.SILENT, Status.SLOW, Status.RESET, Status.CUT
    }  # fmt: skip
    assert not away.has_spoiled(attempt(None), 5.0)


def test_no_route_to_host_is_the_hosts_unless_the_gateway_is_gone(away: Away, kernel: Kernel) -> None:
    gone = attempt(Status.UNREACHABLE, error="EHOSTUNREACH", ip="10.10.0.5")
    assert not away.has_spoiled(gone, 4.0)
    kernel.states = {GATEWAY: 0x1}

    assert away.has_spoiled(gone, 5.0)
    assert not away.has_spoiled(attempt(Status.UNREACHABLE, error="ENETUNREACH", ip="10.11.0.5"), 5.0)


def test_a_visit_is_made_again_only_so_often_and_that_is_said(away: Away) -> None:
    target = Target(7, "10.9.0.5", 25)
    assert away_notices(away) == []

    assert [away.may_try_again(target) for _ in range(MAX_AGAIN + 1)] == [True] * MAX_AGAIN + [False]
    assert (away.times(target), away.again, away.given_up) == (MAX_AGAIN, MAX_AGAIN, 1)
    (said,) = away_notices(away)
    assert said == (
        "3 visits were made again: this machine's network was away meanwhile (interface, address or gateway); "
        "1 target was not visited: this machine's network was away during each visit"
    )


def test_it_listens_from_its_beginning_to_its_end(kernel: Kernel) -> None:
    away = Away(NoWay(Positions(), lambda _: True, patience_s=1.0), None)
    away.begin()
    away.update(1.0)
    kernel.events = [link(ETH, DOWN)]
    away.update(2.0)

    assert away.is_down("10.9.0.5")
    away.close()


def test_before_it_listens_nothing_is_spoiled() -> None:
    away = Away(NoWay(Positions(), lambda _: True, patience_s=1.0), None)
    away.update(1.0)
    away.close()

    assert not away.has_spoiled(attempt(Status.SILENT), 4.0)
    assert not away.is_down("10.9.0.5")
