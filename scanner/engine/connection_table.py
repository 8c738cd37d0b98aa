"""Carry each connection from the SYN to the last 221.

A connection is a small object in a table by descriptor. It has no task, future or timer. It goes through

    CONNECTING -> WAITING (connected, no byte yet) -> READING (part of a greeting) -> LEAVING (QUIT sent) -> closed

Each phase has the same time limit for every connection, so a phase is a queue in order of entry. The head is the next
to expire, and leaving from the middle is O(1) (`OrderedDict`; a plain dict would walk over the holes at its front). The
total time limit is one more such queue.

The scanner never speaks first: nothing is sent before the final line of the greeting, because Sendmail answers early
talkers with 554 and logs an attack. Then it sends QUIT and waits briefly for the reply, so that the server logs a clean
end and sees no reset. The result is reported before that wait. A server that has already closed its side gets no QUIT:
it would answer with a reset.

A connection is handed over to a dialogue (see `speaking`) instead of closed when its greeting was 220 and the settings
ask for one, and when TLS comes first on its port, as soon as it is made.

The sockets are watched by one edge-triggered epoll (epoll(7)). Each is registered once, reports every change, and
leaves the epoll when it is closed.
"""

import errno
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll

from scanner.engine.connection import Connection, Phase, Trace
from scanner.engine.transport import connect_status, connection_error, error_name, read_status, start_connection
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.smtp import ReplyReader, is_whole_greeting

log = logging.getLogger(__name__)

#: Bytes of one read. A greeting has 40 to 400; a shorter read means that the socket is empty.
READ_SIZE = 4096
#: Events taken from the kernel at once.
BATCH = 512

#: Registered once, reported on every change.
_INTEREST = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
#: The other side has finished sending: bytes may still be waiting, nothing comes after them.
_ENDED = EPOLLRDHUP | EPOLLHUP
_READABLE = EPOLLIN | _ENDED | EPOLLERR


class ConnectionTable:
    """All connections, in one queue for each phase. The epoll belongs to the caller."""

    def __init__(
        self,
        settings: Settings,
        poller: epoll,
        *,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._settings = settings
        self._poller = poller
        self._ended: list[Attempt] = []
        self._clock = clock
        self._trace = trace
        self._quit = not settings.passive
        self._speaks = settings.speaks
        self._tls_ports = frozenset(() if settings.passive else settings.tls_ports)
        self._handed: list[Connection] = []
        self._by_fd: dict[int, Connection] = {}
        self._total: OrderedDict[int, Connection] = OrderedDict()
        self._queues: tuple[OrderedDict[int, Connection], ...] = tuple(OrderedDict() for _ in Phase)
        self._time_limits = {
            Phase.CONNECTING: settings.connect_timeout_s,
            Phase.WAITING: settings.greeting_timeout_s,
            Phase.READING: settings.idle_timeout_s,
            Phase.LEAVING: settings.quit_timeout_s,
        }

    def __len__(self) -> int:
        return len(self._by_fd)

    def count(self, phase: Phase) -> int:
        """Return how many connections are in a phase."""
        return len(self._queues[phase])

    def take_ended(self) -> list[Attempt]:
        """Return the attempts that have ended since the last call, in the order in which they ended.

        They are handed over in batches, so that the code that parses and writes stays in the processor's caches, and so
        does the code that talks to sockets.
        """
        ended, self._ended = self._ended, []
        return ended

    def take_handed(self) -> list[Connection]:
        """Return the connections that were handed over since the last call; their sockets belong to the caller."""
        handed, self._handed = self._handed, []
        return handed

    def open(self, target: Target, tries: int) -> int:
        """Start one connection; return 0, or the errno that prevented it."""
        now = self._clock()
        try:
            sock, code = start_connection(target.ip, target.port, self._settings.source_address)
        except OSError as error:
            return error.errno or errno.EIO
        if code:
            sock.close()
            return code
        connection = Connection(target, tries, sock, now)
        fd = connection.fd
        self._poller.register(fd, _INTEREST)
        self._by_fd[fd] = self._queues[Phase.CONNECTING][fd] = self._total[fd] = connection
        return 0

    def drain(self) -> int:
        """Work through what the sockets report; return how many events there were."""
        events = self._poller.poll(0, BATCH)
        by_fd = self._by_fd
        for fd, event in events:
            connection = by_fd.get(fd)
            if connection is None:
                continue  # closed earlier in this batch
            try:
                if connection.phase is Phase.CONNECTING and not self._on_connected(connection, event):
                    continue
                if event & _READABLE:
                    if connection.phase is Phase.LEAVING:
                        self._on_farewell(connection)
                    else:
                        self._on_readable(connection, event)
            except Exception:  # an error with one host must not end the sweep: it is that host's status
                log.exception("bug: the connection to %s port %d failed", *connection.target[1:3])
                self._on_bug(connection)
        return len(events)

    def expire(self, now: float) -> None:
        """End every connection whose phase or total time is over.

        Before the first one is ended, everything that the sockets report is handled: when this process did not run for
        a while, data that came in time is still waiting there.
        """
        if self._is_due(now):
            for _ in range(2 + len(self._by_fd) // BATCH):  # a socket reports a few times at most
                if self.drain() < BATCH:
                    break
        self._expire(now)

    def _is_due(self, now: float) -> bool:
        """Whether the head of any queue has expired."""
        for phase, limit_s in self._time_limits.items():
            for connection in self._queues[phase].values():
                if connection.phase_at + limit_s <= now:
                    return True
                break
        for connection in self._total.values():
            return connection.started_at + self._settings.total_timeout_s <= now
        return False

    def _expire(self, now: float) -> None:
        for phase, limit_s in self._time_limits.items():
            queue = self._queues[phase]
            while queue:
                connection = next(iter(queue.values()))
                if connection.phase_at + limit_s > now:
                    break
                self._on_time_out(connection, now, "idle" if phase is Phase.READING else None)
        while self._total:
            connection = next(iter(self._total.values()))
            if connection.started_at + self._settings.total_timeout_s > now:
                break
            self._on_time_out(connection, now, None)

    def give_way(self) -> bool:
        """Close the connection that has waited longest for the reply to QUIT; return whether there was one."""
        queue = self._queues[Phase.LEAVING]
        if not queue:
            return False
        self._close(next(iter(queue.values())))
        return True

    def close_all(self) -> None:
        """Abandon every connection. Nothing is reported, so these targets count as not visited."""
        for connection in list(self._by_fd.values()):
            self._close(connection)

    def _on_connected(self, connection: Connection, event: int) -> bool:
        """Note that the attempt to connect is over; return whether to go on with the connection."""
        now = self._clock()
        if event & (EPOLLERR | EPOLLHUP):
            code = connection_error(connection.sock)
            if code:
                self._end(connection, connect_status(code), now, error_name(code))
                return False
        connection.connected_at = now
        self._enter(connection, Phase.WAITING, now)
        if self._trace is not None:
            self._trace(connection.target, "connected", b"", now - connection.started_at)
        if connection.target.port in self._tls_ports:
            self._hand_over(connection)
            return False
        return True

    def _on_readable(self, connection: Connection, event: int) -> None:
        while True:
            try:
                data = connection.sock.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                code = error.errno or 0
                self._end(connection, read_status(code), self._clock(), error_name(code))
                return
            now = self._clock()
            if not data:
                self._end(connection, Status.CUT if connection.raw else Status.CLOSED, now, None)
                return
            if self._on_data(connection, data, now, may_answer=not event & _ENDED):
                return
            if len(data) < READ_SIZE and not event & _ENDED:
                return

    def _on_data(self, connection: Connection, data: bytes, now: float, *, may_answer: bool) -> bool:
        """Take bytes of the greeting; return whether no more of them are needed."""
        if self._trace is not None:
            self._trace(connection.target, "<", data, now - connection.started_at)
        if connection.first_byte_at is None:
            connection.first_byte_at = now
            if is_whole_greeting(data):
                connection.raw = data
                self._greeted(connection, now, may_answer=may_answer)
                return True
            settings = self._settings
            connection.reader = ReplyReader(settings.max_greeting_bytes, settings.max_greeting_lines)
        reader = connection.reader
        assert reader is not None  # noqa: S101  made with the first byte
        reader.receive_data(data)
        greeting = reader.reply
        connection.raw = reader.raw
        if greeting is None:
            self._enter(connection, Phase.READING, now)
            return False
        self._greeted(connection, now, may_answer=may_answer and greeting.complete)
        return True

    def _greeted(self, connection: Connection, now: float, *, may_answer: bool) -> None:
        """Report the greeting and send QUIT, or close the connection, or hand it over to a dialogue."""
        if may_answer and self._speaks and connection.raw.startswith(b"220"):
            self._hand_over(connection)
            return
        if not (may_answer and self._quit and self._send_quit(connection)):
            self._end(connection, None, now, None)
            return
        if self._trace is not None:
            self._trace(connection.target, ">", b"QUIT\r\n", now - connection.started_at)
        del self._total[connection.fd]
        self._enter(connection, Phase.LEAVING, now)
        self._ended.append(connection.attempt(None, now, None))

    @staticmethod
    def _send_quit(connection: Connection) -> bool:
        try:
            connection.sock.send(b"QUIT\r\n")
        except OSError:
            return False  # it hung up at this moment: the greeting counts
        return True

    def _on_farewell(self, connection: Connection) -> None:
        """Read the reply to QUIT. A line end, the end of data or an error ends the connection."""
        try:
            data = connection.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and self._trace is not None:
            self._trace(connection.target, "<", data, self._clock() - connection.started_at)
        if not data or b"\n" in data:
            self._close(connection)

    def _on_bug(self, connection: Connection) -> None:
        if connection.fd in self._by_fd:
            self._end(connection, Status.BUG, self._clock(), None)

    def _on_time_out(self, connection: Connection, now: float, error: str | None) -> None:
        if connection.phase is Phase.LEAVING:
            self._close(connection)
        elif connection.phase is Phase.CONNECTING:
            self._end(connection, Status.CONNECT_TIMEOUT, now, None)
        else:
            self._end(connection, Status.SLOW if connection.raw else Status.SILENT, now, error)

    def _enter(self, connection: Connection, phase: Phase, now: float) -> None:
        fd = connection.fd
        del self._queues[connection.phase][fd]
        self._queues[phase][fd] = connection
        connection.phase = phase
        connection.phase_at = now

    def _end(self, connection: Connection, status: Status | None, now: float, error: str | None) -> None:
        self._ended.append(connection.attempt(status, now, error))  # first, so that no error can lose a host
        self._close(connection)

    def _hand_over(self, connection: Connection) -> None:
        self._drop(connection)
        self._poller.unregister(connection.fd)
        self._handed.append(connection)

    def _drop(self, connection: Connection) -> None:
        fd = connection.fd
        del self._by_fd[fd]
        del self._queues[connection.phase][fd]
        self._total.pop(fd, None)

    def _close(self, connection: Connection) -> None:
        self._drop(connection)
        connection.sock.close()  # this also takes it out of the epoll
        if self._trace is not None:
            self._trace(connection.target, "closed", b"", self._clock() - connection.started_at)
