"""The lab's server: one process, one thread, every address of 127.0.0.0/8 a host of its own.

Approach: a listener on the wildcard address is bound to the loopback device, so that each loopback address answers and
nothing outside the machine can connect. The local address of an accepted connection says which host is meant;
`scanner.lab.personality` says what that host is. The lab must cost less than the scanner that it measures, so a plain
host is served by five system calls on a bare descriptor: accept, write, read, write, close. Everything else is a
`Conversation` on a non-blocking socket, with its delays in one heap.

Left out: refused, dark and unreachable hosts. A wildcard listener accepts everything; see `scanner.lab.netns`, or sweep
a range that the lab does not listen on.
"""

import errno
import heapq
import os
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from scanner.errors import InputError
from scanner.lab.behaviours import PLAIN, ScriptEnd
from scanner.lab.conversation import Conversation
from scanner.lab.listeners import listen
from scanner.lab.personality import Personality, population
from scanner.lab.statistics import Statistics

_ACCEPT_BATCH = 256  # connections taken before the others get their turn
_EVENT_BATCH = 512
_READ_BYTES = 4096
_QUIT = b"QUIT\r\n"
_GOODBYE = b"221 2.0.0 closing connection\r\n"
_RESERVED_DESCRIPTORS = 16  # for listeners, epoll and files; connections get the rest
_RETRY_S = 0.05  # until the listeners are asked again after descriptors ran out
_RESET = struct.pack("ii", 1, 0)  # struct linger: on, 0 s
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """What to simulate, and where. Port 0 takes a free one. Delays are multiplied by `time_scale`.

    `in_namespace` allows addresses beyond loopback, in a network namespace that has no way out. `count_visits` counts
    the connections of each address.
    """

    port: int = 2525
    bind: tuple[str, ...] = ("0.0.0.0",)  # noqa: S104 - kept to the loopback device by `listen`
    profile: str = "mixed"
    seed: int = 1
    silent: float = 0.0
    time_scale: float = 1.0
    in_namespace: bool = False
    count_visits: bool = False


@dataclass(slots=True, eq=False)
class _Peer:
    sock: socket.socket
    conversation: Conversation
    watched: int = select.EPOLLIN


class Lab:
    """A simulated network of SMTP servers. Use as a context manager; `run` serves until `stop`.

    `statistics` may be read at any time.
    """

    def __init__(self, settings: LabSettings) -> None:
        """Open the listeners.

        Raises:
            InputError: when a setting makes no sense or an address cannot be listened on.
        """
        if not settings.time_scale >= 0:
            raise InputError(f"lab: --time-scale {settings.time_scale:g}: must be 0 or more")
        self.settings = settings
        self.statistics = Statistics()
        self._personality = population(settings.profile, settings.seed, settings.silent).personality
        self._visits = self.statistics.visits if settings.count_visits else None
        self._plain: dict[int, Personality] = {}
        self._peers: dict[int, _Peer] = {}
        self._timers: list[tuple[float, int, int, _Peer | None]] = []
        self._timer_number = 0
        self._running = True
        self._most = _raise_descriptor_limit() - _RESERVED_DESCRIPTORS
        self._listeners = {
            sock.fileno(): sock for sock in listen(settings.bind, settings.port, in_namespace=settings.in_namespace)
        }
        self.port: int = next(iter(self._listeners.values())).getsockname()[1]
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.settimeout(0)
        self._epoll = select.epoll()
        for fd in (self._wake_receiver.fileno(), *self._listeners):
            self._epoll.register(fd, select.EPOLLIN)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every socket."""
        self.close()

    def close(self) -> None:
        """Close the listeners and every connection."""
        for peer in self._peers.values():
            peer.sock.close()
        for fd in self._plain:
            os.close(fd)
        self._peers.clear()
        self._plain.clear()
        for sock in (*self._listeners.values(), self._wake_receiver, self._wake_sender):
            sock.close()
        self._epoll.close()

    def stop(self) -> None:
        """Make `run` return. Safe from another thread and from a signal handler."""
        self._running = False
        self.wake()

    def wake(self) -> None:
        """Make `run` call its `on_wake`. Safe from another thread and from a signal handler."""
        with suppress(OSError):
            self._wake_sender.send(b"w", socket.MSG_DONTWAIT)

    def run(self, on_wake: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop` is called."""
        wake_fd = self._wake_receiver.fileno()
        plain, listeners, poll = self._plain, self._listeners, self._epoll.poll
        while self._running:
            for fd, events in poll(self._fire_timers(), _EVENT_BATCH):
                if fd in plain:
                    self._serve_plain(fd)
                elif fd in listeners:
                    self._accept(listeners[fd])
                elif fd == wake_fd:
                    self._wake_receiver.recv(_READ_BYTES)
                    on_wake()
                elif fd in self._peers:
                    self._serve(fd, self._peers[fd], events)

    def _accept(self, listener: socket.socket) -> None:
        statistics, register = self.statistics, self._epoll.register
        for _ in range(_ACCEPT_BATCH):
            if len(self._plain) + len(self._peers) >= self._most:
                self._rest()
                return
            try:
                sock, _client = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    self._rest()
                    return
                continue  # a connection that died in the queue: accept(2), "Error handling"
            address = sock.getsockname()[0]
            host = self._personality(_number(address))
            statistics.connections += 1
            if self._visits is not None:
                self._visits[address] += 1
            if host.behaviour is not PLAIN:
                self._start(sock, host)
                continue
            fd = sock.detach()
            self._plain[fd] = host
            try:
                statistics.bytes_sent += os.write(fd, host.greeting)
            except OSError:
                self._drop_plain(fd)
                statistics.resets += 1
                continue
            register(fd, select.EPOLLIN)

    def _serve_plain(self, fd: int) -> None:
        statistics = self.statistics
        try:
            data = os.read(fd, _READ_BYTES)
            if data == _QUIT:
                statistics.bytes_sent += os.write(fd, _GOODBYE)
        except OSError:
            statistics.resets += 1
            self._drop_plain(fd)
            return
        if data == _QUIT:
            statistics.bytes_received += len(data)
            statistics.quits += 1
            self._drop_plain(fd)
        elif not data:
            statistics.hangups += 1
            self._drop_plain(fd)
        else:
            self._go_on_as_conversation(fd, data)

    def _drop_plain(self, fd: int) -> None:
        del self._plain[fd]
        os.close(fd)  # which also takes it out of the epoll

    def _go_on_as_conversation(self, fd: int, data: bytes) -> None:
        """Leave the short way: the client of a plain host wants to talk."""
        peer = _Peer(socket.socket(fileno=fd), Conversation(self._plain.pop(fd), self.statistics))
        peer.sock.settimeout(0)
        self._peers[fd] = peer
        peer.conversation.start_at_the_end()
        peer.conversation.receive(data)
        self._pump(fd, peer)

    def _start(self, sock: socket.socket, host: Personality) -> None:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each step leaves as a segment of its own
        peer = _Peer(sock, Conversation(host, self.statistics))
        fd = sock.fileno()
        self._peers[fd] = peer
        self._epoll.register(fd, peer.watched)
        self._pump(fd, peer)

    def _serve(self, fd: int, peer: _Peer, events: int) -> None:
        if events & ~select.EPOLLOUT:
            try:
                data = peer.sock.recv(_READ_BYTES)
            except BlockingIOError:
                pass
            except OSError:
                self.statistics.resets += 1
                self._drop(fd, peer)
                return
            else:
                if not data:
                    self.statistics.hangups += 1
                    self._drop(fd, peer)
                    return
                peer.conversation.receive(data)
        self._pump(fd, peer)

    def _pump(self, fd: int, peer: _Peer) -> None:
        """Send what there is to send; when all of it is out, end the connection or wait for the next step."""
        conversation = peer.conversation
        try:
            while conversation.outbox:
                sent = peer.sock.send(conversation.outbox)
                self.statistics.bytes_sent += sent
                del conversation.outbox[:sent]
        except BlockingIOError:
            self._watch(fd, peer, select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError:
            self.statistics.resets += 1
            self._drop(fd, peer)
            return
        self._watch(fd, peer, select.EPOLLIN)
        if conversation.ending:
            self._drop(fd, peer, reset=conversation.ending is ScriptEnd.RESET)
        elif conversation.wait_s is not None:
            self._set_timer(conversation.wait_s * self.settings.time_scale, fd, peer)
            conversation.wait_s = None

    def _watch(self, fd: int, peer: _Peer, events: int) -> None:
        if peer.watched != events:
            peer.watched = events
            self._epoll.modify(fd, events)

    def _drop(self, fd: int, peer: _Peer, *, reset: bool = False) -> None:
        del self._peers[fd]
        if reset:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        peer.sock.close()

    def _rest(self) -> None:
        """Stop accepting for a moment: no descriptor is left, and the listener would stay readable."""
        self.statistics.out_of_descriptors += 1
        for fd in self._listeners:
            self._epoll.modify(fd, 0)
        self._set_timer(_RETRY_S, -1, None)

    def _set_timer(self, delay_s: float, fd: int, peer: _Peer | None) -> None:
        self._timer_number += 1  # decides between equal times, so that peers are never compared
        heapq.heappush(self._timers, (time.monotonic() + delay_s, self._timer_number, fd, peer))

    def _fire_timers(self) -> float:
        """Do what is due; return the seconds until the next timer, -1 when there is none."""
        timers = self._timers
        if not timers:
            return -1
        now = time.monotonic()
        while timers and timers[0][0] <= now:
            _, _, fd, peer = heapq.heappop(timers)
            if peer is None:
                for listener_fd in self._listeners:
                    self._epoll.modify(listener_fd, select.EPOLLIN)
            elif self._peers.get(fd) is peer:
                peer.conversation.resume()
                self._pump(fd, peer)
        return max(0.0, timers[0][0] - now) if timers else -1


def _number(address: str) -> int:
    """Return an IPv4 or IPv6 address as a number."""
    try:
        return int.from_bytes(socket.inet_aton(address))
    except OSError:
        return int(ip_address(address))


def _raise_descriptor_limit() -> int:
    """Let this process open as many descriptors as it may (silent hosts keep their connections); return how many."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else sys.maxsize
