"""One connection through the gate: exclusions and turns hold for it as for a sweep's connections."""

import asyncio
import errno
import socket

import pytest

from scanner.engine import Gate, gated_connect, links
from scanner.engine.gated_connect import connect_through
from scanner.errors import LocalError
from scanner.model import Status
from scanner.targets import Ranges
from tests.support.servers import Peer, free_port, serving

NOBODY = Ranges.from_pairs()


def gate(*, excluded: Ranges = NOBODY, rate: float = 0, subnet_rate: float = 0) -> Gate:
    return Gate(excluded, rate=rate, subnet_rate=subnet_rate)


def say_hello(peer: Peer) -> None:
    peer.send(b"hello")
    peer.read_end()


@pytest.mark.parametrize("source", [None, "127.0.0.9"])
async def test_a_socket_is_connected_and_the_callers(source: str | None) -> None:
    with serving(say_hello) as server:
        made = await connect_through(gate(), "127.0.0.1", server.port, source=source)

        assert made.sock is not None
        assert (made.status, made.error) == (None, None)
        with made.sock as sock:
            assert sock.getblocking() is False
            assert source is None or sock.getsockname()[0] == source
            sock.settimeout(5)
            assert sock.recv(5) == b"hello"


async def test_an_excluded_address_is_not_visited() -> None:
    one = Ranges.from_pairs(((0x7F000001, 0x7F000001),))
    with serving(say_hello) as server:
        made = await connect_through(gate(excluded=one), "127.0.0.1", server.port)

        assert made == (None, Status.EXCLUDED, None)
        assert server.peers == []


async def test_a_network_that_is_closed_while_we_wait_for_its_turn_is_not_visited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = gate()
    answers = iter([False, True])
    monkeypatch.setattr(ours, "is_excluded", lambda _ip: next(answers))

    assert (await connect_through(ours, "127.0.0.1", 1)).status is Status.EXCLUDED


async def test_a_refused_connection_is_a_status_with_the_name_of_the_errno() -> None:
    assert await connect_through(gate(), "127.0.0.1", free_port()) == (None, Status.REFUSED, "ECONNREFUSED")


async def test_an_address_of_another_family_than_the_source_is_trouble_of_this_machine() -> None:
    with pytest.raises(LocalError, match=r"^this machine has no way to 127.0.0.1 \(EAFNOSUPPORT\): check its routes"):
        await connect_through(gate(), "127.0.0.1", 25, source="::1")


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM])
async def test_a_way_that_this_machine_has_not_is_no_status_of_the_target(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.SocketType] = []

    def start(*_: object) -> tuple[socket.SocketType, int]:
        made.append(socket.SocketType())
        return made[0], code

    monkeypatch.setattr(gated_connect, "start_connection", start)

    with pytest.raises(LocalError, match=rf"no way to 127.0.0.1 \({errno.errorcode[code]}\)"):
        await connect_through(gate(), "127.0.0.1", 25)
    assert made[0].fileno() == -1


async def test_a_refusal_that_comes_at_once_is_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gated_connect, "start_connection", lambda *_: (socket.SocketType(), errno.ECONNREFUSED))

    assert await connect_through(gate(), "127.0.0.1", 25) == (None, Status.REFUSED, "ECONNREFUSED")


async def test_a_connection_that_is_not_made_in_time_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:  # nobody accepts: the kernel drops what is more
        address = full.getsockname()
        kept = [socket.socket() for _ in range(4)]
        for sock in kept:
            sock.setblocking(False)
            sock.connect_ex(address)
        made = await connect_through(gate(), address[0], address[1], timeout_s=0.1)
        for sock in kept:
            sock.close()

    assert made == (None, Status.CONNECT_TIMEOUT, None)


async def test_a_wait_that_is_cancelled_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(sock: socket.socket) -> int:
        opened.append(sock)
        raise asyncio.CancelledError

    opened: list[socket.socket] = []
    monkeypatch.setattr(gated_connect, "_outcome", never)
    with serving(say_hello) as server, pytest.raises(asyncio.CancelledError):
        await connect_through(gate(), "127.0.0.1", server.port)

    assert [sock.fileno() for sock in opened] == [-1]


@pytest.mark.parametrize("trouble", ["was_away", "has_lost_gateway"])
@pytest.mark.parametrize("status", [Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.REFUSED])
async def test_what_failed_while_our_own_network_was_away_is_no_status_of_the_target(
    status: Status, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended(plain: socket.SocketType, _timeout_s: float) -> gated_connect.GatedConnection:
        plain.close()
        return gated_connect.GatedConnection(None, status)

    monkeypatch.setattr(gated_connect, "_finished", ended)
    monkeypatch.setattr(links.Links, trouble, lambda *_: True)
    with serving(say_hello) as server:
        if status is Status.REFUSED:
            assert (await connect_through(gate(), "127.0.0.1", server.port)).status is status
            return
        with pytest.raises(
            LocalError, match=r"^the network of this machine was away while it connected to 127\.0\.0\.1"
        ):
            await connect_through(gate(), "127.0.0.1", server.port)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EADDRNOTAVAIL])
async def test_trouble_of_this_machine_is_no_status_of_the_target(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise OSError(code, "here")

    monkeypatch.setattr(gated_connect, "start_connection", start)

    with pytest.raises(LocalError, match=f"^this machine cannot open a connection: {errno.errorcode[code]}$"):
        await connect_through(gate(), "127.0.0.1", 25)


async def test_the_turns_of_the_rates_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is a number that sleeping moves on: nothing waits here."""
    clock, slept = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock[0] += seconds

    monkeypatch.setattr("scanner.engine.gated_connect.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("scanner.engine.gated_connect.asyncio.sleep", sleep)
    port = free_port()
    shared = gate(rate=0.5, subnet_rate=0.2)
    for ip in ("127.0.0.1", "127.0.0.2", "127.0.1.1"):
        await connect_through(shared, ip, port)

    assert slept == [5.0, 2.0]  # the second: its network's turn; the third, elsewhere: the global rate


async def test_a_connection_that_is_made_while_we_give_it_up_disturbs_nobody() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        waiting = asyncio.create_task(gated_connect._outcome(ours))
        await asyncio.sleep(0)
        waiting.cancel()  # before the loop has looked at the socket, which can be written
        with pytest.raises(asyncio.CancelledError):
            await waiting
