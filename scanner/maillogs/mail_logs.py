"""Examine mail logs: did our sweep leave its traces, and who else connects.

`examine` reads the logs of one mail server, assembles the lines of each connection and judges it: ours, another
client's, or mail. With the records of a sweep it also tells for every visit whether the log has it. Everything streams.

A log that cannot show a trace gives a hint (`hints`): Exim logs nothing of a connection without mail by default,
Sendmail nothing below LogLevel 6. Lines that were not understood give a doubt (`doubts`): then a visit that was not
found is not called a visit without a trace. For users: docs/logs.md.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from scanner.analysis import read_records
from scanner.errors import InputError
from scanner.maillogs.clients import MOST_CLIENTS, ClientCensus
from scanner.maillogs.doubts import FileRead, Sought, doubts
from scanner.maillogs.events import LogEvent, LogPosition
from scanner.maillogs.hints import hints
from scanner.maillogs.lines import LogLine, oldest_first, read_log
from scanner.maillogs.matching import (
    ConnectionOwner,
    Judged,
    Matching,
    SweepVisit,
    maybe_visit,
    trace_time,
)
from scanner.maillogs.postfix import NAMELESS
from scanner.maillogs.report import LogQuestion, LogReport, VisitTrace
from scanner.maillogs.sessions import Sessions, connections, maybe_event
from scanner.maillogs.unread import Watch
from scanner.text.escape import escape


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
    census = ClientCensus(report)
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
    report.hints = list(hints(report))
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
