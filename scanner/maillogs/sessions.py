"""Assemble connections: the events of one connection become a `LoggedConnection` while the log is read.

Memory is bounded whatever the log holds. At most `MOST_OPEN` connections are open at a time; beyond that, the one that
was silent for longest is yielded as it is. So is a connection without a line for two hours of the log's own time (a
client may be silent for five minutes between two commands, RFC 5321 4.5.3.2).

Process ids and addresses are reused: a line that begins a connection ends the one before it, and so does a line of the
same process with another client's address.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from socket import AF_INET, inet_pton

from scanner.maillogs import exim as log_exim
from scanner.maillogs import others as log_others
from scanner.maillogs import postfix as log_postfix
from scanner.maillogs import sendmail as log_sendmail
from scanner.maillogs.events import EventKind, LineMeaning, LogEvent, LoggedConnection, LogPosition, LogSoftware, Manner
from scanner.maillogs.lines import LogLine
from scanner.text.escape import escape

#: Connections that are put together at the same time. Measured: some 1.5 KB each.
MOST_OPEN = 50_000
_IDLE_S = 7200.0
#: A place in postscreen is left for smtpd at once.
_HANDOVER_S = 60.0
_MOST_PLACES = 50
#: Connections side by side that nothing but their order tells apart.
_MOST_ALIKE = 100
_Key = tuple[str, LogSoftware, bytes]

_READERS = {
    LogSoftware.SENDMAIL: log_sendmail.maybe_seen,
    LogSoftware.POSTFIX: log_postfix.maybe_seen,
    LogSoftware.EXIM: log_exim.maybe_seen,
    LogSoftware.OPENSMTPD: log_others.maybe_opensmtpd_seen,
    LogSoftware.COURIER: log_others.maybe_courier_seen,
}


@lru_cache(maxsize=4096)
def maybe_address(raw: bytes) -> str | None:
    """Return an address as a mail server writes it in its shortest form; None when it is not an address."""
    try:
        text = raw.decode("ascii")
        inet_pton(AF_INET, text)  # a tenth of the time, and nearly all are IPv4
    except (OSError, ValueError):
        return _maybe_other_address(raw)
    return text


def _maybe_other_address(raw: bytes) -> str | None:
    try:
        address = ip_address(raw.decode("ascii").removeprefix("IPv6:"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def maybe_event(line: LogLine) -> LogEvent | None:
    """Return what a line says about a client's connection, None when it says nothing about one."""
    place, at, host, software, pid, text = line
    seen: LineMeaning | None = _READERS[software](text)
    if seen is None and software is LogSoftware.OPENSMTPD:  # Postfix's program is called so, too: macOS
        software = LogSoftware.POSTFIX
        seen = log_postfix.maybe_seen(text)
    if seen is None:
        return None
    kind, raw, name, session, commands, complete, final, messages, said = seen
    address = None
    if raw is not None and (address := maybe_address(raw)) is None:
        return None
    server = escape(host)
    if session is None:  # without a process to tell connections apart, the client does
        session = pid or (raw or b"")
    key = (server, software, session)
    named = None if name is None or name in {b"unknown", b"<unknown>"} else escape(name)
    return LogEvent(
        at, software, kind, place, server, key, address, named, commands, complete, final, messages, escape(said)
    )


def _apart(one: float | None, other: float | None) -> float:
    """Return how many seconds lie between two times; 0 where the log has no times."""
    return 0.0 if one is None or other is None else abs(one - other)


class _Draft:
    """A connection that may have further lines."""

    __slots__ = ("address", "commands", "complete", "ended", "events", "first_at", "greeting", "kinds", "last_at",
                 "lines", "messages", "name", "places", "queued")  # fmt: skip

    def __init__(self, event: LogEvent, address: str) -> None:
        self.address = address
        self.name = event.name
        self.first_at = self.last_at = event.at
        self.kinds: set[EventKind] = set()
        self.commands: set[str] = set()
        self.complete = False
        self.messages = self.queued = self.lines = 0
        self.greeting: str | None = None
        self.places: list[LogPosition] = []

    def add(self, event: LogEvent) -> None:
        if event.at is not None:
            self.first_at = event.at if self.first_at is None else min(self.first_at, event.at)
            self.last_at = event.at if self.last_at is None else max(self.last_at, event.at)
        self.kinds.add(event.kind)
        if len(self.commands) < 100:  # a client that invents verbs must not fill the memory
            self.commands.update(event.commands)
        self.complete = self.complete or event.complete
        self.messages += event.messages
        self.queued += event.kind is EventKind.QUEUED
        if event.kind is EventKind.GREETED:
            self.greeting = self.greeting or event.text
        self.name = self.name or event.name
        self.add_place(event.place)

    def add_place(self, place: LogPosition) -> None:
        self.lines += 1
        if len(self.places) < _MOST_PLACES:
            self.places.append(place)

    @property
    def over(self) -> bool:
        """Whether the end of the connection was logged."""
        return EventKind.ENDED in self.kinds or EventKind.NO_MAIL in self.kinds

    def connection(self, key: _Key) -> LoggedConnection:
        messages = self.messages if self.complete else max(self.messages, self.queued)
        commands = frozenset(self.commands)
        return LoggedConnection(
            software=key[1],
            host=key[0],
            address=self.address,
            name=self.name,
            first_at=self.first_at,
            last_at=self.last_at,
            manner=_manner(self.kinds, commands, messages, complete=self.complete),
            commands=commands,
            complete=self.complete,
            messages=messages,
            greeting=self.greeting,
            places=tuple(self.places),
            lines=self.lines,
        )


_SENDING = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "AUTH"})
_MANNERS = (
    (EventKind.EARLY, Manner.EARLY),
    (EventKind.FOREIGN, Manner.FOREIGN),
    (EventKind.USERS, Manner.USERS),
    (EventKind.TRIED, Manner.TRIED),
    (EventKind.REFUSED, Manner.REFUSED),
)


def _manner(kinds: set[EventKind], commands: frozenset[str], messages: int, *, complete: bool) -> Manner:
    if messages:
        return Manner.MAIL
    for kind, manner in _MANNERS:
        if kind in kinds:
            return manner
    if commands & {"VRFY", "EXPN"}:
        return Manner.USERS
    if commands & _SENDING:
        return Manner.TRIED
    if commands - {"QUIT"}:
        return Manner.SPOKE
    return Manner.QUIET if complete else Manner.NO_MAIL


class Sessions:
    """Assembles connections. Give it every event in the order of the log, and ask for the `rest` at the end."""

    def __init__(self, most_open: int = MOST_OPEN) -> None:
        self._most_open = most_open
        self._drafts: OrderedDict[_Key, deque[_Draft]] = OrderedDict()
        self._open = 0
        #: Where postscreen let a client through: server and address -> its session there.
        self._screened: dict[tuple[str, str], _Key] = {}
        #: Courier's newest session of a client: server and address -> session.
        self._newest: dict[tuple[str, str], _Key] = {}
        #: Lines that belong to no connection whose client is known.
        self.orphans = 0

    @property
    def open(self) -> int:
        """How many connections are open."""
        return self._open

    def add(self, event: LogEvent) -> Iterator[LoggedConnection]:
        """Take one event in; yield the connections that have ended."""
        yield from self._expired(event.at)
        key = event.session
        if event.software is LogSoftware.COURIER and event.kind is EventKind.MESSAGE:
            key = self._newest.get((key[0], event.address or ""), key)
        yield from self._superseded(key, event)
        draft = self._draft(key, event)
        if draft is None:
            self.orphans += 1
            return
        draft.add(event)
        self._remember(key, event)
        if event.final:
            yield self._taken(key, draft)
        if len(self._drafts.get(key, ())) > _MOST_ALIKE:
            yield self._taken(key, self._drafts[key][0])
        while self._open > self._most_open:
            oldest, drafts = next(iter(self._drafts.items()))
            yield self._taken(oldest, drafts[0])

    def rest(self) -> Iterator[LoggedConnection]:
        """Yield all connections that are still open."""
        while self._drafts:
            key, drafts = next(iter(self._drafts.items()))
            yield self._taken(key, drafts[0])

    def _expired(self, now: float | None) -> Iterator[LoggedConnection]:
        while self._drafts and now is not None:
            key, drafts = next(iter(self._drafts.items()))
            if (heard_at := drafts[0].last_at) is None or heard_at > now - _IDLE_S:
                return
            yield self._taken(key, drafts[0])

    def _superseded(self, key: _Key, event: LogEvent) -> Iterator[LoggedConnection]:
        """Yield what the event shows to be over."""
        drafts = self._drafts.get(key)
        if not drafts:
            return
        began = event.kind is EventKind.CONNECTED
        for draft in list(drafts):
            another = event.address is not None and event.address != draft.address
            gap = _apart(event.at, draft.last_at) > _IDLE_S
            if another or gap or (began and (draft.over or event.software is not LogSoftware.EXIM)):
                yield self._taken(key, draft)

    def _draft(self, key: _Key, event: LogEvent) -> _Draft | None:
        """Return the connection that an event belongs to, a new one where it begins one."""
        drafts = self._drafts.get(key)
        if drafts and event.kind is not EventKind.CONNECTED:
            self._drafts.move_to_end(key)
            return self._choose(drafts, event)
        if event.address is None:
            return None
        draft = _Draft(event, event.address)
        if event.software is LogSoftware.POSTFIX and event.kind is EventKind.CONNECTED:
            self._take_over(draft, event)
        self._drafts.setdefault(key, deque()).append(draft)
        self._drafts.move_to_end(key)
        self._open += 1
        return draft

    @staticmethod
    def _choose(drafts: deque[_Draft], event: LogEvent) -> _Draft:
        """Choose among connections side by side (Exim): the first that is open; for its last line, a closed one."""
        wanted = event.kind is EventKind.NO_MAIL
        return next((draft for draft in drafts if draft.over is wanted), drafts[0])

    def _take_over(self, draft: _Draft, event: LogEvent) -> None:
        """Continue a connection that postscreen let through."""
        key = self._screened.get((event.host, draft.address))
        drafts = self._drafts.get(key) if key is not None else None
        if key is None or key == event.session or not drafts:
            return
        screened = drafts[0]
        if _apart(event.at, screened.last_at) > _HANDOVER_S:
            return
        draft.first_at = screened.first_at
        draft.kinds |= screened.kinds
        for place in screened.places:
            draft.add_place(place)
        self._drop(key, screened)

    def _remember(self, key: _Key, event: LogEvent) -> None:
        if event.address is None:
            return
        if event.kind is EventKind.SCREENED:
            self._screened[event.host, event.address] = key
        elif event.software is LogSoftware.COURIER and event.kind is EventKind.CONNECTED:
            self._newest[event.host, event.address] = key

    def _taken(self, key: _Key, draft: _Draft) -> LoggedConnection:
        self._drop(key, draft)
        return draft.connection(key)

    def _drop(self, key: _Key, draft: _Draft) -> None:
        drafts = self._drafts[key]
        drafts.remove(draft)
        self._open -= 1
        if not drafts:
            del self._drafts[key]
        for index in (self._screened, self._newest):
            if index.get((key[0], draft.address)) == key:
                del index[key[0], draft.address]


def connections(events: Iterable[LogEvent], sessions: Sessions) -> Iterator[LoggedConnection]:
    """Yield the connections that events make, in the order in which they end."""
    for event in events:
        yield from sessions.add(event)
    yield from sessions.rest()
