"""One connection to one target: where it stands, when its moments were, and what was read from it."""

import time
from collections.abc import Callable
from enum import IntEnum
from socket import SocketType
from typing import TYPE_CHECKING

from scanner.model import Attempt, Status, Target

if TYPE_CHECKING:
    from scanner.smtp import ReplyReader

#: Called with the target, "connected", "<", ">" or "closed", the bytes, and the seconds since the connection started.
Trace = Callable[[Target, str, bytes, float], None]


class Phase(IntEnum):
    """Where a connection stands; also the index of its queue."""

    CONNECTING = 0
    WAITING = 1
    READING = 2
    LEAVING = 3


class Connection:
    """One connection to one target. Times are monotonic seconds, `wall` is Unix seconds."""

    __slots__ = ("connected_at", "fd", "first_byte_at", "phase", "phase_at", "raw", "reader", "sock", "started_at",
                 "target", "tries", "wall")  # fmt: skip

    def __init__(self, target: Target, tries: int, sock: SocketType, now: float) -> None:
        self.target = target
        self.tries = tries
        self.sock = sock
        self.fd = sock.fileno()
        self.phase = Phase.CONNECTING
        self.started_at = self.phase_at = now
        self.wall = time.time()
        self.connected_at: float | None = None
        self.first_byte_at: float | None = None
        self.reader: ReplyReader | None = None
        self.raw = b""

    def attempt(self, status: Status | None, now: float, error: str | None) -> Attempt:
        """Return what the rest of the program learns of this connection."""
        started_at, connected_at, first_byte_at = self.started_at, self.connected_at, self.first_byte_at
        return Attempt(
            self.target,
            status,
            self.raw,
            self.wall,
            None if connected_at is None else connected_at - started_at,
            None if first_byte_at is None else first_byte_at - started_at,
            now - started_at,
            self.tries,
            error,
        )
