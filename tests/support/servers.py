"""Servers of the tests' own: a script for each connection, run in a thread on loopback, and what the peer did to it."""

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from scanner.model import Attempt, Target
from tests.support.ports import free_ports

#: The longest any script waits for its peer.
PATIENCE_S = 10.0


@dataclass(slots=True)
class Peer:
    """One accepted connection as its script sees it, and what is found out about the other side."""

    sock: socket.socket
    received: bytes = b""
    ended: str = "open"

    def send(self, data: bytes) -> None:
        with suppress(OSError):
            self.sock.sendall(data)

    def early_bytes(self, seconds: float) -> bytes:
        """Return what the peer says within some time without having been spoken to."""
        if select.select([self.sock], [], [], seconds)[0]:
            self.received += self.sock.recv(4096)
        return self.received

    def read_line(self) -> bytes:
        """Return bytes up to a line end, or what came before the end."""
        while b"\n" not in self.received:
            try:
                data = self.sock.recv(4096)
            except ConnectionResetError:
                self.ended = "reset"
                break
            if not data:
                self.ended = "closed"
                break
            self.received += data
        return self.received

    def read_end(self) -> str:
        """Wait until the peer is gone; say whether it closed in good order ("closed") or with "reset"."""
        while self.ended == "open":
            try:
                data = self.sock.recv(4096)
            except ConnectionResetError:
                self.ended = "reset"
            else:
                self.received += data
                if not data:
                    self.ended = "closed"
        return self.ended

    def reset(self) -> None:
        """Close with RST (zero linger)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Peer], None]


def greets(*pieces: bytes) -> Script:
    """Return a script of a plain server: its greeting in pieces, 221 after QUIT, then wait for the end."""

    def script(peer: Peer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.send(piece)
        if peer.read_line() == b"QUIT\r\n":
            peer.send(b"221 2.0.0 bye\r\n")
            peer.sock.shutdown(socket.SHUT_WR)
            peer.read_end()

    return script


def silent(peer: Peer) -> None:
    """Say nothing until the client hangs up."""
    peer.read_end()


def in_turn(*scripts: Script) -> Script:
    """Return a script that behaves differently on each connection."""
    left = iter(scripts)

    def script(peer: Peer) -> None:
        next(left)(peer)

    return script


@dataclass
class Server:
    """A listening socket on every loopback address, a thread for each connection."""

    script: Script
    peers: list[Peer] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("0.0.0.0", 0), backlog=1024)  # noqa: S104  all of 127.0.0.0/8
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._at_once = 0
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE_S)
            peer = Peer(sock)
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            with suppress(OSError):  # the peer went away in the middle: what it did is in `peer.ended`
                self.script(peer)
        finally:
            with self._lock:
                self._at_once -= 1
            peer.sock.close()

    def join(self) -> None:
        """Wait until every script has run to its end."""
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE_S)
        self.join()


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    """Run a server for the length of a with block."""
    server = Server(script)
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    """Return a port on which nobody listens."""
    return free_ports(1)[0]


class ListSource:
    """Targets from a list, and how many were taken."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = list(targets)
        self._by_position = {target.position: target for target in targets}
        self.taken = 0

    def take(self, n: int) -> list[Target]:
        taken, self._targets = self._targets[:n], self._targets[n:]
        self.taken += len(taken)
        return taken

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        return [self._by_position[position] for position in positions]


def loopback_targets(count: int, port: int) -> list[Target]:
    """Return that many different addresses, 256 to a /24."""
    return [Target(i, f"127.1.{i // 256}.{i % 256}", port) for i in range(count)]


def by_ip(attempts: Sequence[Attempt]) -> dict[str, Attempt]:
    """Index attempts; every address must come once."""
    index = {attempt.target.ip: attempt for attempt in attempts}
    assert len(index) == len(attempts)
    return index
