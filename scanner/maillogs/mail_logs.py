"""What mail logs tell of a scan: did our sweep leave its traces, and who else is looking.

`examine` reads logs of one mail server, puts the lines of each connection together and judges it: ours, somebody
else's, or mail. With the records of a sweep it also says for every visit whether the log has it. Everything streams;
the table of clients is bounded as well: when it is full, those seen least often are put together as "others".

What no log can show is said as a hint: Exim logs nothing of a connection without mail by default, Sendmail nothing
below LogLevel 6. What was not understood is said as a doubt (`doubts`): then no visit is without a trace, only not
found. For users: docs/logs.md.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

from scanner.analysis import read_records
from scanner.errors import InputError
from scanner.maillogs.doubts import FileRead, Sought, doubts
from scanner.maillogs.events import LogEvent, LoggedConnection, LogPosition, LogSoftware, Manner
from scanner.maillogs.lines import LineCounts, LogLine, oldest_first, read_log
from scanner.maillogs.matching import (
    DEFAULT_TOLERANCE_S,
    ConnectionOwner,
    Judged,
    Matching,
    SweepVisit,
    maybe_visit,
    trace_time,
)
from scanner.maillogs.postfix import NAMELESS
from scanner.maillogs.sessions import Sessions, connections, maybe_event
from scanner.maillogs.unread import Watch
from scanner.text.escape import escape

#: Clients that are counted one by one.
MOST_CLIENTS = 20_000
#: Why a server's log may have nothing of a connection without mail.
SILENT_LOGS = {
    LogSoftware.EXIM: "Exim logs no connection without mail by default, and Debian's configuration neither: "
    "this log level leaves no trace. Set log_selector = +smtp_connection +smtp_no_mail",
    LogSoftware.SENDMAIL: "Sendmail logs no connection without mail below LogLevel 6: "
    "this log level leaves no trace. The default is 9",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """What to look for, and how to read the stamps.

    `scanners` are our addresses as the server sees them. `visits` is None when there is no sweep to compare with.
    `since` and `until` are Unix times of lines; `host` keeps the lines of one host in a log of several.
    """

    scanners: tuple[str, ...] = ()
    visits: tuple[SweepVisit, ...] | None = None
    tolerance_s: float = DEFAULT_TOLERANCE_S
    zone: tzinfo | None = None
    year: int | None = None
    since: float | None = None
    until: float | None = None
    host: str | None = None

    def asking(self, visits: tuple[SweepVisit, ...]) -> "LogQuestion":
        """Return the same question with these visits to look for."""
        return replace(self, visits=visits)


@dataclass(slots=True)
class Client:
    """One address in the log: how often, from when to when, what it did, and whose it is.

    Times are Unix seconds, None where the log has none.
    """

    address: str
    name: str | None
    first_at: float | None
    last_at: float | None
    connections: int = 0
    messages: int = 0
    manners: dict[Manner, int] = field(default_factory=dict)
    verdicts: dict[ConnectionOwner, int] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        """Count one connection."""
        connection = judged.connection
        self.name = self.name or connection.name
        if connection.first_at is not None:
            self.first_at = min(self.first_at or connection.first_at, connection.first_at)
            self.last_at = max(self.last_at or 0.0, connection.ended_at)
        self.connections += 1
        self.messages += connection.messages
        self.manners[connection.manner] = self.manners.get(connection.manner, 0) + 1
        self.verdicts[judged.verdict] = self.verdicts.get(judged.verdict, 0) + 1


@dataclass(frozen=True, slots=True)
class VisitTrace:
    """One visit of the sweep and its lines in the log; none: it left no trace."""

    visit: SweepVisit
    places: tuple[LogPosition, ...]

    @property
    def found(self) -> bool:
        """Whether the log has the visit."""
        return bool(self.places)


@dataclass(slots=True)
class LogReport:
    """What the logs told. `clients` has the most frequent first; `other_clients` counts connections of the rest.

    `software` counts connections by the server that logged them, `servers` are those with other lines. `logs_visits`
    are the servers that logged a connection in which nothing happened; others may log only what they object to.

    `nearest_s` is how far, in seconds, the unexplained connection from our address that came closest to a visit
    without a trace was after it (less than 0: before it); None when there is no such pair.

    `files` says of each file how much of it was understood, `unread_servers` wrote lines that were not. `untimed`
    counts connections from our address whose lines have no time, `nameless` are the Unix times of those whose client is
    not named. `doubts` are the reasons for which nothing may be concluded from what was not found.
    """

    counts: LineCounts = field(default_factory=LineCounts)
    events: int = 0
    orphans: int = 0
    software: dict[LogSoftware, int] = field(default_factory=dict)
    servers: set[LogSoftware] = field(default_factory=set)
    unread_servers: set[LogSoftware] = field(default_factory=set)
    logs_visits: set[LogSoftware] = field(default_factory=set)
    verdicts: dict[ConnectionOwner, int] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    other_clients: int = 0
    visits: list[VisitTrace] | None = None
    nearest_s: float | None = None
    files: list[FileRead] = field(default_factory=list)
    untimed: int = 0
    nameless: list[float] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[VisitTrace]:
        """The visits that left no trace."""
        return [trace for trace in self.visits or () if not trace.found]


def read_events(files: Iterable[str], question: LogQuestion, report: LogReport) -> Iterator[LogEvent]:
    """Yield what the lines of the files say about clients' connections, the oldest file first.

    Raises:
        InputError: when a file cannot be read, or is damaged.
    """
    for file in oldest_first(files):
        watch = Watch(question.scanners)
        read = FileRead(file, watch.unread)
        report.files.append(read)
        for line in read_log(file, report.counts, zone=question.zone, year=question.year, watch=watch):
            if line.at is not None and (question.host is None or question.host == escape(line.host)):
                read.span.note(line.at)
            event = maybe_event(line)
            if event is None:
                _note_unread(line, watch, report)
                continue
            read.understood += 1
            if not _wanted(event, question):
                continue
            report.events += 1
            yield event
        if question.host is None and read.span.maybe_ends is not None:
            read.span.join(watch.span)  # lines of other programs in the same file


def _note_unread(line: LogLine, watch: Watch, report: LogReport) -> None:
    """Take note of a mail server's line that says nothing of a client's connection, or was not understood."""
    report.servers.add(line.software)
    if watch.of_server(line.place, line.text):
        report.unread_servers.add(line.software)
    if line.text == NAMELESS and line.at is not None and len(report.nameless) < MOST_CLIENTS:
        report.nameless.append(line.at)


def _wanted(event: LogEvent, question: LogQuestion) -> bool:
    return not (
        (question.since is not None and (event.at is None or event.at < question.since))
        or (question.until is not None and (event.at is None or event.at > question.until))
        or (question.host is not None and event.host != question.host)
    )


def read_visits(file: str | Path, servers: Iterable[str] = ()) -> tuple[SweepVisit, ...]:
    """Return the visits of a stored sweep to one server, which may have several addresses.

    Without addresses, the sweep must have visited one only. Memory holds the visits to the server, not the sweep.

    Raises:
        InputError: when the file cannot be read, has no record of the server, or it is not clear which one is meant.
    """
    wanted = frozenset(servers)
    seen: set[str] = set()
    visits: dict[SweepVisit, None] = {}  # a record that stands there twice is one visit
    for record in read_records(file):
        if record.ip is None or (wanted and record.ip not in wanted):
            continue
        seen.add(record.ip)
        if len(seen) > 1 and not wanted:
            raise InputError(f"{file}: visited more than one address: say with --server whose log this is")
        if visit := maybe_visit(record):
            visits[visit] = None
    if not seen:
        whose = f"no record of {', '.join(sorted(wanted))}" if wanted else "no record of any address"
        raise InputError(f"{file}: {whose}")
    return tuple(visits)


def examine(files: Iterable[str], question: LogQuestion, emit: Callable[[Judged], None] | None = None) -> LogReport:
    """Read logs and answer the question; `emit` gets every connection as soon as it is judged.

    Connections that may be one of our visits are judged last, when all of them are known.

    Raises:
        InputError: when a file cannot be read, or is damaged.
    """
    report = LogReport()
    census = _Census(report)
    sessions = Sessions()
    matching = Matching(question.scanners, question.visits, question.tolerance_s)
    places: dict[SweepVisit, list[LogPosition]] = {}

    def take(judged: Judged) -> None:
        census.add(judged)
        if judged.visit is not None:
            places.setdefault(judged.visit, []).extend(judged.connection.places)
        if emit is not None:
            emit(judged)

    for connection in connections(read_events(files, question, report), sessions):
        if judged := matching.maybe_judged(connection):
            take(judged)
    for judged in matching.decide():
        take(judged)
    report.orphans = sessions.orphans
    census.finish()
    if question.visits is not None:
        report.visits = [VisitTrace(visit, tuple(places.get(visit, ()))) for visit in question.visits]
        report.nearest_s = census.nearest(report.missing)
    report.doubts = list(doubts(report.files, report.counts, _sought(report, question)))
    report.hints = list(_hints(report))
    return report


def _sought(report: LogReport, question: LogQuestion) -> Sought:
    return Sought(
        asked=bool(question.scanners) and (question.visits is None or bool(question.visits)),
        missed=bool(report.missing) if report.visits is not None else not report.verdicts.get(ConnectionOwner.OURS),
        chosen=report.events,
        untimed=report.untimed,
        missing=[trace_time(trace.visit, question.tolerance_s) for trace in report.missing],
        nameless=report.nameless,
        since=question.since,
        until=question.until,
    )


class _Census:
    """Counts connections by client in bounded memory."""

    def __init__(self, report: LogReport) -> None:
        self._report = report
        self._clients: dict[str, Client] = {}
        self._unexplained: list[LoggedConnection] = []

    def add(self, judged: Judged) -> None:
        connection, report = judged.connection, self._report
        report.software[connection.software] = report.software.get(connection.software, 0) + 1
        if connection.manner in {Manner.QUIET, Manner.NO_MAIL}:
            report.logs_visits.add(connection.software)
        report.verdicts[judged.verdict] = report.verdicts.get(judged.verdict, 0) + 1
        client = self._clients.get(connection.address)
        if client is None:
            if len(self._clients) >= 2 * MOST_CLIENTS:
                self._forget_the_rarest()
            client = Client(connection.address, connection.name, connection.first_at, connection.last_at)
            self._clients[connection.address] = client
        client.add(judged)
        if judged.verdict is ConnectionOwner.UNEXPLAINED and connection.first_at is None:
            report.untimed += 1
        elif judged.verdict is ConnectionOwner.UNEXPLAINED and len(self._unexplained) < MOST_CLIENTS:
            self._unexplained.append(connection)

    def finish(self) -> None:
        """Put the clients into the report, the most frequent first."""
        self._report.clients = sorted(
            self._clients.values(), key=lambda client: (-client.connections, client.first_at or 0.0)
        )

    def nearest(self, missing: Iterable[VisitTrace]) -> float | None:
        """Return the smallest distance in time between a visit without a trace and an unexplained connection."""
        distances = (
            connection.began_at - trace.visit.at - (trace.visit.skew_s or 0)
            for trace in missing
            for connection in self._unexplained
        )
        return min(distances, key=abs, default=None)

    def _forget_the_rarest(self) -> None:
        ours = {ConnectionOwner.OURS, ConnectionOwner.UNEXPLAINED}
        ranked = sorted(
            self._clients.values(), key=lambda client: (ours.isdisjoint(client.verdicts), -client.connections)
        )
        self._clients = {client.address: client for client in ranked[:MOST_CLIENTS]}
        self._report.other_clients += sum(client.connections for client in ranked[MOST_CLIENTS:])


def _hints(report: LogReport) -> Iterator[str]:
    """Say what may be the reason when traces are missing."""
    missing = report.missing
    products = {trace.visit.product for trace in missing}
    for software, hint in SILENT_LOGS.items():
        # Else the log level is not what is missing.
        silent = software not in report.logs_visits and software not in report.unread_servers
        if silent and (
            software.value in products
            or (None in products and (software in report.software or software in report.servers))
        ):
            yield hint
    if report.nearest_s is not None:
        yield (
            f"from our address came a connection {abs(report.nearest_s):.0f} s "
            f"{'after' if report.nearest_s >= 0 else 'before'} a visit without a trace: do the clocks differ "
            "(--clock-tolerance), or is the zone another (--timezone)?"
        )
