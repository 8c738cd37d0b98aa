"""Follow this machine's own network: interfaces that go down, cables that are pulled, a gateway that is lost.

A connection that times out or stays silent while our own cable is out says nothing about its target. connect(2) does
not tell, because the route stays when the cable is out. So a netlink socket (rtnetlink(7)) receives every interface
that goes down or comes back, and every address that is removed. `was_away` asks the kernel which way leads to a target,
only when there was such trouble at all, and says whether that way had it.

EHOSTUNREACH can also mean that our own ARP or neighbour discovery got no answer. On a network that this machine is
directly on that is a result: there is no such host. When it is the gateway that does not answer, it is not a result.
`has_lost_gateway` asks the kernel about that one neighbour, and repeats it until the neighbour is there again.

Where a sandbox forbids netlink, nothing is known and no visit counts as spoiled.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_NEWLINK, _DELLINK, _GETLINK, _DELADDR, _NEWROUTE, _GETROUTE, _NEWNEIGH, _GETNEIGH = 16, 17, 18, 21, 24, 26, 28, 30
_REQUEST, _DUMP = 0x1, 0x300
#: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_GROUPS = 0x1 | 0x10 | 0x100
#: Seconds after trouble in which neighbours are still being resolved and switches open their ports.
SETTLE_S = 3.0
#: Seconds between two questions about a gateway.
_GATEWAY_EVERY_S = 0.1
#: IFF_UP and IFF_RUNNING: switched on, and with a carrier.
_RUNS = 0x1 | 0x40
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _NDA_DST = 1, 2, 4, 5, 1
#: NUD_INCOMPLETE and NUD_FAILED: there was no answer.
_UNANSWERED = 0x1 | 0x20
_HEADER = struct.Struct("=IHHII")
_READ_BYTES = 1 << 16


class Way(NamedTuple):
    """How packets leave: the number of the interface, and the address of the gateway as bytes (b"" for none)."""

    link: int
    gateway: bytes


class Links:
    """The trouble of our interfaces, by the time at which it was read. Call `update` often; close it after use."""

    def __init__(self, source: str | None = None) -> None:
        """Begin to listen, if this machine allows it; `source` is the address that connections come from."""
        self._source = source
        self._events: socket.socket | None = None
        self._queries: socket.socket | None = None
        self._down: set[int] = set()
        self._known: set[int] = set()
        self._trouble_at: dict[int, float] = {}
        self._any_at = self._all_at = self._asked_at = float("-inf")
        self._lost: Way | None = None
        with suppress(OSError):
            self._queries = _netlink(0)
            self._events = _netlink(_GROUPS)
            self._ask_for_all(self._events)

    def close(self) -> None:
        """Stop listening."""
        for sock in (self._events, self._queries):
            if sock is not None:
                sock.close()
        self._events = self._queries = None

    def update(self, now: float) -> None:
        """Read what has happened since the last call."""
        if self._lost is not None and now - self._asked_at >= _GATEWAY_EVERY_S:
            self._look_at_gateway(self._lost, now)
        while self._events is not None:
            try:
                data = self._events.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                self._any_at = self._all_at = now  # the kernel dropped events: any interface may be concerned
                self._ask_for_all(self._events)
                continue
            for kind, body in messages(data):
                self._take(kind, body, now)

    def was_away(self, ip: str, since: float, now: float) -> bool:
        """Whether the way to an address has trouble now, or had it after `since` or shortly before."""
        self.update(now)
        since -= SETTLE_S
        if self._any_at < since and not self._down:
            return False
        way = self.way(ip)
        if way is None:
            return self._any_at >= since
        return way.link in self._down or max(self._trouble_at.get(way.link, since - 1), self._all_at) >= since

    def is_down(self, ip: str) -> bool:
        """Whether the interface that leads to an address is down, or has no carrier."""
        return bool(self._down) and (way := self.way(ip)) is not None and way.link in self._down

    def has_lost_gateway(self, ip: str, now: float) -> bool:
        """Whether an address lies behind a gateway that does not answer our ARP or neighbour discovery.

        Most visits fail for other reasons, so this asks ten times a second at most.
        """
        if now - self._asked_at < _GATEWAY_EVERY_S:
            return False  # `was_away` knows what the last question has found
        self._asked_at = now
        way = self.way(ip)
        return way is not None and bool(way.gateway) and self._look_at_gateway(way, now)

    def _look_at_gateway(self, way: Way, now: float) -> bool:
        self._asked_at, self._lost = now, None
        family = socket.AF_INET6 if len(way.gateway) == 16 else socket.AF_INET
        body = struct.pack("=BxxxiHBB", family, way.link, 0, 0, 0) + _attribute(_NDA_DST, way.gateway)
        for kind, found in self._answers(_GETNEIGH, body):
            if kind == _NEWNEIGH and len(found) >= 10 and struct.unpack_from("=H", found, 8)[0] & _UNANSWERED:
                self._trouble(way.link, now)
                self._lost = way
        return self._lost is not None

    def way(self, ip: str) -> Way | None:
        """Ask the kernel how packets to an address leave now; None when it knows no way, or cannot be asked."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        address = socket.inet_pton(family, ip)
        body = struct.pack("=BBBBBBBBI", family, 8 * len(address), 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_DST, address)
        if self._source is not None and (":" in self._source) == (":" in ip):
            body += _attribute(_RTA_SRC, socket.inet_pton(family, self._source))
        for kind, found in self._answers(_GETROUTE, body):
            if kind == _NEWROUTE:
                known = dict(_attributes(found[12:]))
                if len(known.get(_RTA_OIF, b"")) == 4:
                    return Way(struct.unpack("=I", known[_RTA_OIF])[0], known.get(_RTA_GATEWAY, b""))
        return None

    def _take(self, kind: int, body: bytes, now: float) -> None:
        if kind in (_NEWLINK, _DELLINK) and len(body) >= 16:
            link, flags = struct.unpack_from("=4xiI", body)
            is_down = kind == _DELLINK or flags & _RUNS != _RUNS
            if link in self._known and is_down != (link in self._down):
                self._trouble(link, now)
            self._known.add(link)
            (self._down.add if is_down and kind == _NEWLINK else self._down.discard)(link)
            if kind == _DELLINK:
                self._known.discard(link)
        elif kind == _DELADDR and len(body) >= 8:
            self._trouble(struct.unpack_from("=4xI", body)[0], now)

    def _trouble(self, link: int, now: float) -> None:
        self._trouble_at[link] = self._any_at = now

    def _ask_for_all(self, events: socket.socket) -> None:
        """Have the kernel report every interface as it is now."""
        with suppress(OSError):
            events.send(_message(_GETLINK, _REQUEST | _DUMP, struct.pack("=BxHiII", 0, 0, 0, 0, 0)))

    def _answers(self, kind: int, body: bytes) -> list[tuple[int, bytes]]:
        """Send a question to the kernel and return its answers, which are there before `send` returns."""
        if self._queries is None:
            return []
        try:
            self._queries.send(_message(kind, _REQUEST, body))
            return list(messages(self._queries.recv(_READ_BYTES)))
        except OSError:
            return []


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each netlink message; an incomplete one is left out."""
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield kind, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if not 4 <= length <= len(data):
            return
        yield kind, data[4:length]
        data = data[_aligned(length) :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value  # addresses need no padding


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _netlink(groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock
