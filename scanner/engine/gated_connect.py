"""Open one connection to one target, for callers that speak by other means than a sweep: a test mail, a second opinion.

The connection passes the same gate as every connection of a sweep. Exclusions are checked right before the socket is
opened, the turns of the global rate and of the target's network are awaited, and the same table turns what the network
says into a `Status`. There is no retry: a caller that asks for one connection gets one attempt.
"""

import asyncio
import errno
import socket
import time
from typing import NamedTuple

from scanner.engine.links import Links
from scanner.engine.pacing import Gate
from scanner.engine.transport import (
    Cause,
    cause_of,
    connect_status,
    connection_error,
    error_name,
    start_connection,
)
from scanner.errors import LocalError
from scanner.model import Status
from scanner.timeouts import patience

#: Results for which the target may be the cause, or our own network.
_OURS_TOO = frozenset({Status.CONNECT_TIMEOUT, Status.UNREACHABLE})


class GatedConnection(NamedTuple):
    """A connected non-blocking socket, which the caller closes; or None, and why there is none.

    `status` is REFUSED, RESET, CONNECT_TIMEOUT, UNREACHABLE or EXCLUDED, and None when there is a socket. `error` names
    the errno for people; None when there was none.
    """

    sock: socket.socket | None
    status: Status | None = None
    error: str | None = None


async def connect_through(
    gate: Gate, ip: str, port: int, *, source: str | None = None, timeout_s: float = 5.0
) -> GatedConnection:
    """Wait for the target's turn at the gate and connect; `timeout_s` counts from the start of the connection.

    Raises:
        LocalError: when this machine cannot open a connection: no descriptor, no free port, no way to the target; or
            its cable, interface or gateway was away meanwhile.
    """
    if gate.is_excluded(ip):
        return GatedConnection(None, Status.EXCLUDED)
    await _turn(gate, ip)
    if gate.is_excluded(ip):  # its network may have been closed while we waited
        return GatedConnection(None, Status.EXCLUDED)
    links = Links(source)
    links.update(time.monotonic())
    try:
        return await _connect(gate, ip, port, source, timeout_s, links)
    finally:
        links.close()


async def _connect(
    gate: Gate, ip: str, port: int, source: str | None, timeout_s: float, links: Links
) -> GatedConnection:
    begun = time.monotonic()
    try:
        plain, code = start_connection(ip, port, source)
    except OSError as error:
        return _failed_at_once(error.errno or errno.EIO, ip, source)
    if code:
        plain.close()
        return _failed_at_once(code, ip, source)
    gate.take()
    made, now = await _finished(plain, timeout_s), time.monotonic()
    if made.status in _OURS_TOO and (links.was_away(ip, begun, now) or links.has_lost_gateway(ip, now)):
        raise LocalError(f"the network of this machine was away while it connected to {ip}: check it, then run again")
    return made


async def _finished(plain: socket.SocketType, timeout_s: float) -> GatedConnection:
    """Wait for the end of a connection attempt that is in progress."""
    sock = socket.socket(plain.family, plain.type, plain.proto, fileno=plain.detach())
    sock.setblocking(False)  # noqa: FBT003  the standard library's signature; the object does not know it yet
    try:
        async with patience(timeout_s):
            code = await _outcome(sock)
    except TimeoutError:
        sock.close()
        return GatedConnection(None, Status.CONNECT_TIMEOUT)
    except BaseException:
        sock.close()
        raise
    if code:
        sock.close()
        return GatedConnection(None, connect_status(code), error_name(code))
    return GatedConnection(sock)


async def _turn(gate: Gate, ip: str) -> None:
    """Wait for the turn of the target's network, then until the global rate allows one more connection."""
    start = gate.reserve(ip, time.monotonic())
    while (now := time.monotonic()) < start:
        await asyncio.sleep(start - now)
        start = gate.confirm(ip, time.monotonic())
    while True:
        if gate.allowance(time.monotonic()) >= 1:
            return
        await asyncio.sleep(gate.next_allowance_in())


async def _outcome(sock: socket.socket) -> int:
    """Wait until a connection attempt has succeeded or failed; return its errno, 0 for success."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_writer(sock, wake)
    try:
        await done
    finally:
        loop.remove_writer(sock)
    return connection_error(sock)


def _failed_at_once(code: int, ip: str, source: str | None) -> GatedConnection:
    """Turn an error that connect(2) gave at once into the target's status or into an error of this machine."""
    cause = cause_of(code, ip, source)
    if cause is Cause.TARGET:
        return GatedConnection(None, connect_status(code), error_name(code))
    if cause is Cause.NO_WAY:
        raise LocalError(f"this machine has no way to {ip} ({error_name(code)}): check its routes, addresses, firewall")
    raise LocalError(f"this machine cannot open a connection: {error_name(code)}")
