"""The connections under way: what happens to each from the SYN to the last 221.

A conversation is a small object in a table by descriptor; there is no task, future or timer for it. It goes through

    CONNECTING -> WAITING (connected, no byte yet) -> READING (part of a greeting) -> LEAVING (QUIT sent) -> closed

and each phase has one deadline for everybody, so a phase is a queue in order of entry: the head is the next to expire,
and leaving from the middle is O(1) (`OrderedDict`; a plain dict would walk over the holes at its front). The total
deadline is one more such queue.

We never speak first: nothing is sent before the final line of the greeting (Sendmail answers early talkers with 554
and logs an attack). Then QUIT, and a short wait for its reply, so that the server logs a clean end and sees no reset.
The result is handed over before that wait. A server that has closed its side already gets no QUIT: it would answer with
a reset.

With `--probe dialogue` a connection whose greeting was 220 is handed over instead of left (see `speaking`); so is one
to a port where TLS comes first, as soon as it is made.

A phase is read from the queue a conversation stands in; the pool decides what starts, what is tried again, and when.
"""

import errno
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from socket import SocketType

from scanner.engine.readiness import ENDED, ERR, HUP, IN, INTEREST, Readiness
from scanner.engine.transport import connect_status, connection_error, error_name, read_status, start_connection
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.smtp import ReplyReader, is_whole_greeting

log = logging.getLogger(__name__)

#: One read. A greeting is 40 to 400 bytes; less than asked for means that the socket is empty.
READ_SIZE = 4096
#: Events taken from the kernel in one go.
BATCH = 512

#: Called with the target, "connected", "<", ">" or "closed", the bytes, and the seconds since the connection started.
Trace = Callable[[Target, str, bytes, float], None]


class Phase(IntEnum):
    """Where a conversation stands; also the index of its queue."""

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
        """Sum up for the rest of the program."""
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


class ConnectionTable:
    """All conversations, their queues and what their sockets have to say."""

    def __init__(
        self,
        settings: Settings,
        readiness: Readiness,
        *,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace | None = None,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
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
        """Return how many conversations are in a phase."""
        return len(self._queues[phase])

    def take_ended(self) -> list[Attempt]:
        """Return the attempts that have ended since the last call, in the order of their ends.

        They are handed over in batches: the code that parses and writes stays in the processor's caches while it works
        through one, and so does the code that talks to sockets.
        """
        ended, self._ended = self._ended, []
        return ended

    def take_handed(self) -> list[Connection]:
        """Return the conversations that others go on with since the last call; their sockets are the caller's."""
        handed, self._handed = self._handed, []
        return handed

    def open(self, target: Target, tries: int) -> int:
        """Start one connection; return 0, or the errno that prevented it (then there is no conversation)."""
        now = self._clock()
        try:
            sock, code = start_connection(target.ip, target.port, self._settings.source_address)
        except OSError as error:
            return error.errno or errno.EIO
        if code:
            sock.close()
            return code
        conversation = Connection(target, tries, sock, now)
        fd = conversation.fd
        self._readiness.register(fd, INTEREST)
        self._by_fd[fd] = self._queues[Phase.CONNECTING][fd] = self._total[fd] = conversation
        return 0

    def drain(self) -> int:
        """Work through what the sockets report; return how many events there were."""
        events = self._readiness.poll(0, BATCH)
        by_fd = self._by_fd
        for fd, event in events:
            conversation = by_fd.get(fd)
            if conversation is None:
                continue  # closed earlier in this batch
            try:
                if conversation.phase is Phase.CONNECTING and not self._on_connected(conversation, event):
                    continue
                if event & (IN | ENDED | ERR):
                    if conversation.phase is Phase.LEAVING:
                        self._on_farewell(conversation)
                    else:
                        self._on_readable(conversation, event)
            except Exception:  # one host's surprise must not end the sweep: it becomes that host's status
                log.exception("bug: the conversation with %s port %d failed", *conversation.target[1:3])
                self._on_bug(conversation)
        return len(events)

    def expire(self, now: float) -> None:
        """End every conversation whose phase or total time is over.

        Before one ends for that, all that the sockets have to report is worked through: when this process did not run
        for a while, what came in time is still waiting there.
        """
        if self._is_due(now):
            for _ in range(2 + len(self._by_fd) // BATCH):  # a socket reports a few times at most while nobody waits
                if self.drain() < BATCH:
                    break
        self._expire(now)

    def _is_due(self, now: float) -> bool:
        """Whether the head of any queue is at its end."""
        for phase, limit_s in self._time_limits.items():
            for conversation in self._queues[phase].values():
                if conversation.phase_at + limit_s <= now:
                    return True
                break
        for conversation in self._total.values():
            return conversation.started_at + self._settings.total_timeout_s <= now
        return False

    def _expire(self, now: float) -> None:
        for phase, limit_s in self._time_limits.items():
            queue = self._queues[phase]
            while queue:
                conversation = next(iter(queue.values()))
                if conversation.phase_at + limit_s > now:
                    break
                self._on_time_out(conversation, now, "idle" if phase is Phase.READING else None)
        while self._total:
            conversation = next(iter(self._total.values()))
            if conversation.started_at + self._settings.total_timeout_s > now:
                break
            self._on_time_out(conversation, now, None)

    def give_way(self) -> bool:
        """Close the conversation that has waited longest for the reply to QUIT; say whether there was one."""
        queue = self._queues[Phase.LEAVING]
        if not queue:
            return False
        self._close(next(iter(queue.values())))
        return True

    def close_all(self) -> None:
        """Abandon every conversation: nothing is reported, so these targets count as not visited."""
        for conversation in list(self._by_fd.values()):
            self._close(conversation)

    def _on_connected(self, conversation: Connection, event: int) -> bool:
        """Note that the attempt to connect is over; return whether there is a connection."""
        now = self._clock()
        if event & (ERR | HUP):
            code = connection_error(conversation.sock)
            if code:
                self._end(conversation, connect_status(code), now, error_name(code))
                return False
        conversation.connected_at = now
        self._readiness.connected(conversation.fd)
        self._enter(conversation, Phase.WAITING, now)
        if self._trace is not None:
            self._trace(conversation.target, "connected", b"", now - conversation.started_at)
        if conversation.target.port in self._tls_ports:
            self._hand_over(conversation)
            return False
        return True

    def _on_readable(self, conversation: Connection, event: int) -> None:
        while True:
            try:
                data = conversation.sock.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                code = error.errno or 0
                self._end(conversation, read_status(code), self._clock(), error_name(code))
                return
            now = self._clock()
            if not data:
                self._end(conversation, Status.CUT if conversation.raw else Status.CLOSED, now, None)
                return
            if self._on_data(conversation, data, now, may_answer=not event & ENDED):
                return
            if len(data) < READ_SIZE and not event & ENDED:
                return

    def _on_data(self, conversation: Connection, data: bytes, now: float, *, may_answer: bool) -> bool:
        """Take bytes of the greeting; return whether the conversation needs no more of them."""
        if self._trace is not None:
            self._trace(conversation.target, "<", data, now - conversation.started_at)
        if conversation.first_byte_at is None:
            conversation.first_byte_at = now
            if is_whole_greeting(data):
                conversation.raw = data
                self._greeted(conversation, now, may_answer=may_answer)
                return True
            settings = self._settings
            conversation.reader = ReplyReader(settings.max_greeting_bytes, settings.max_greeting_lines)
        reader = conversation.reader
        assert reader is not None  # noqa: S101  made with the first byte
        reader.receive_data(data)
        greeting = reader.reply
        conversation.raw = reader.raw
        if greeting is None:
            self._enter(conversation, Phase.READING, now)
            return False
        self._greeted(conversation, now, may_answer=may_answer and greeting.complete)
        return True

    def _greeted(self, conversation: Connection, now: float, *, may_answer: bool) -> None:
        """Report the greeting; then take leave, or just close, or let a dialogue follow."""
        if may_answer and self._speaks and conversation.raw.startswith(b"220"):
            self._hand_over(conversation)
            return
        if not (may_answer and self._quit and self._send_quit(conversation)):
            self._end(conversation, None, now, None)
            return
        if self._trace is not None:
            self._trace(conversation.target, ">", b"QUIT\r\n", now - conversation.started_at)
        del self._total[conversation.fd]
        self._enter(conversation, Phase.LEAVING, now)
        self._ended.append(conversation.attempt(None, now, None))

    @staticmethod
    def _send_quit(conversation: Connection) -> bool:
        try:
            conversation.sock.send(b"QUIT\r\n")
        except OSError:
            return False  # it hung up in this moment: its greeting is what counts
        return True

    def _on_farewell(self, conversation: Connection) -> None:
        """Read the reply to QUIT. Its end, a line end or an error closes; whatever it says changes nothing."""
        try:
            data = conversation.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and self._trace is not None:
            self._trace(conversation.target, "<", data, self._clock() - conversation.started_at)
        if not data or b"\n" in data:
            self._close(conversation)

    def _on_bug(self, conversation: Connection) -> None:
        if conversation.fd in self._by_fd:
            self._end(conversation, Status.BUG, self._clock(), None)

    def _on_time_out(self, conversation: Connection, now: float, error: str | None) -> None:
        if conversation.phase is Phase.LEAVING:
            self._close(conversation)
        elif conversation.phase is Phase.CONNECTING:
            self._end(conversation, Status.CONNECT_TIMEOUT, now, None)
        else:
            self._end(conversation, Status.SLOW if conversation.raw else Status.SILENT, now, error)

    def _enter(self, conversation: Connection, phase: Phase, now: float) -> None:
        fd = conversation.fd
        del self._queues[conversation.phase][fd]
        self._queues[phase][fd] = conversation
        conversation.phase = phase
        conversation.phase_at = now

    def _end(self, conversation: Connection, status: Status | None, now: float, error: str | None) -> None:
        self._ended.append(conversation.attempt(status, now, error))  # first, so that nothing can cost a host
        self._close(conversation)

    def _hand_over(self, conversation: Connection) -> None:
        self._drop(conversation)
        self._readiness.release(conversation.fd)
        self._handed.append(conversation)

    def _drop(self, conversation: Connection) -> None:
        fd = conversation.fd
        del self._by_fd[fd]
        del self._queues[conversation.phase][fd]
        self._total.pop(fd, None)

    def _close(self, conversation: Connection) -> None:
        self._drop(conversation)
        self._readiness.forget(conversation.fd)
        conversation.sock.close()
        if self._trace is not None:
            self._trace(conversation.target, "closed", b"", self._clock() - conversation.started_at)
