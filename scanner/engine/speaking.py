"""Run the dialogues of a pool, a bounded number at a time, beside the sweep.

The pool hands over a connection when its greeting was read. Each dialogue is a task of its own: there are few of them,
and they wait most of the time. Its result is one more attempt in `take_ended`, announced by a call of `wake`.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

from scanner.engine.connection import Connection, Trace
from scanner.engine.dialogue import Speaker
from scanner.model import Attempt, Status
from scanner.settings import Settings

log = logging.getLogger(__name__)


class Dialogues:
    """The dialogues of one pool, which calls `cancel` and `wait_closed` before the loop ends."""

    def __init__(
        self,
        settings: Settings,
        wake: Callable[[], None],
        trace: Trace | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._trace = trace
        self._free = asyncio.Semaphore(settings.dialogue_concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: list[Attempt] = []

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether as many wait as speak: then no further target should be admitted."""
        return len(self._tasks) >= 2 * self._settings.dialogue_concurrency

    def begin(self, connection: Connection) -> None:
        """Take over a connection; its dialogue begins when one of the places is free."""
        task = asyncio.get_running_loop().create_task(self._run(connection))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def take_ended(self) -> list[Attempt]:
        """Return the attempts whose dialogue has ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def cancel(self) -> None:
        """Drop all dialogues without a result."""
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until every socket is closed."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, connection: Connection) -> None:
        sock = _as_socket(connection.sock)
        try:
            async with self._free:
                attempt = await self._hold(connection, sock)
            self._ended.append(attempt)  # after the wait: `take_ended` may replace the list meanwhile
        except Exception:  # an error with one host must not end the sweep: it is that host's status
            log.exception("bug: the dialogue with %s port %d failed", *connection.target[1:3])
            self._ended.append(connection.attempt(Status.BUG, self._clock(), None))
        finally:
            sock.close()

    async def _hold(self, connection: Connection, sock: socket.socket) -> Attempt:
        target, implicit = connection.target, not connection.raw
        speaker = Speaker(sock, self._settings, target.host, self._listener(connection), self._clock)
        read_at = self._clock()
        dialogue = await speaker.hold(implicit_tls=implicit)
        if not implicit:
            return connection.attempt(None, read_at, None)._replace(dialogue=dialogue)
        connection.raw, connection.first_byte_at = speaker.greeting, speaker.greeted_at
        ended_at = speaker.greeted_at or self._clock()
        return connection.attempt(_ending(speaker), ended_at, dialogue.error)._replace(dialogue=dialogue)

    def _listener(self, connection: Connection) -> Callable[[str, bytes], None]:
        trace, target, started_at, clock = self._trace, connection.target, connection.started_at, self._clock
        if trace is None:
            return lambda _direction, _data: None
        return lambda direction, data: trace(target, direction, data, clock() - started_at)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._wake()


def _ending(speaker: Speaker) -> Status | None:
    """Return how a visit with TLS first ended; None when there is a greeting to judge by."""
    if speaker.greeting:
        return None
    if isinstance(speaker.problem, ConnectionError):
        return Status.CLOSED  # as Postfix and Exim do where their certificate cannot be loaded
    return Status.SILENT if isinstance(speaker.problem, TimeoutError) else Status.NOT_SMTP


def _as_socket(sock: socket.SocketType) -> socket.socket:
    """Return a `socket.socket`, which asyncio needs, that takes over the descriptor of the engine's plain one."""
    return socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
