"""The results of `smtpsweep logs`: JSON lines or tables on standard output, the totals on standard error."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from scanner.cli.entry import complain
from scanner.maillogs.events import LogPosition
from scanner.maillogs.matching import ConnectionOwner, Judged
from scanner.maillogs.report import Client, LogReport, VisitTrace
from scanner.text.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

#: Lines listed in a cell of a table; --json lists all that are kept.
_SHOWN_PLACES = 3
#: Characters in a line of a file; an IPv6 address has 40, a host name some 60.
_FILE_WIDTH = 200


def print_connection(judged: Judged) -> None:
    """Print one connection as a JSON line."""
    connection, verdict, visit = judged
    _print_object({
        "type": "connection",
        "verdict": verdict,
        "event_id": None if visit is None else visit.event_id,
        "software": connection.software,
        "host": connection.host or None,
        "address": connection.address,
        "name": connection.name,
        "first_at": _maybe_iso(connection.first_at),
        "last_at": _maybe_iso(connection.last_at),
        "manner": connection.manner,
        "commands": sorted(connection.commands),
        "commands_complete": connection.complete,
        "messages": connection.messages,
        "greeting": connection.greeting,
        "lines": [_place(place) for place in connection.places],
        "line_count": connection.lines,
    })  # fmt: skip


def print_report(report: LogReport) -> None:
    """Print the visits that were looked for and the summary as JSON lines."""
    for trace in report.visits or ():
        _print_object(_visit(trace, is_inconclusive=bool(report.doubts)))
    _print_object(_summary(report))
    sys.stdout.buffer.flush()


def _visit(trace: VisitTrace, *, is_inconclusive: bool) -> dict[str, object]:
    visit = trace.visit
    return {
        "type": "visit",
        "found": trace.found or (None if is_inconclusive else False),
        "event_id": visit.event_id,
        "ip": visit.ip,
        "port": visit.port,
        "observed_at": _iso(visit.at),
        "status": visit.status,
        "lines": [_place(place) for place in trace.places],
    }


def _summary(report: LogReport) -> dict[str, object]:
    return {
        "type": "summary",
        "lines": report.counts.lines,
        "of_mail_servers": report.counts.of_mail_servers,
        "understood": report.events,
        "not_understood": sum(read.unread.lines for read in report.files),
        "broken": report.counts.broken,
        "without_client": report.orphans,
        "connections": dict(report.software),
        "verdicts": dict(report.verdicts),
        "visits": None if report.visits is None else len(report.visits),
        "visits_without_trace": None if report.visits is None or report.doubts else len(report.missing),
        "doubts": report.doubts,
        "hints": report.hints,
    }


def _print_object(fields: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))


def print_tables(report: LogReport, top: int, *, mail: bool) -> None:
    """Print the traces of our visits and the clients; `top` limits the clients (0: all), `mail` keeps mere senders."""
    from scanner.cli.console import Console  # noqa: PLC0415  JSON needs no tables

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:  # a file or a pipe does not limit the width of a table
        console.width = max(console.width, _FILE_WIDTH)
    if report.visits is not None:
        console.print(_visit_table(report.visits, "unknown" if report.doubts else "none"))
    clients = [client for client in report.clients if mail or set(client.verdicts) != {ConnectionOwner.MAIL}]
    shown = clients[:top] if top else clients
    console.print(_client_table(shown))
    left = len(clients) - len(shown)
    if left or report.other_clients:
        rest = f", and {report.other_clients:,} connections of rare clients" if report.other_clients else ""
        console.print(f"{counted(left, 'more client')}{rest}", soft_wrap=True)


def _visit_table(visits: Iterable[VisitTrace], without: str) -> "Table":
    table = _table("our visit", "address", "status", "trace")
    for trace in visits:
        visit = trace.visit
        table.add_row(_iso(visit.at), f"{visit.ip} port {visit.port}", visit.status, _places(trace.places) or without)
    return table


def _client_table(clients: Iterable[Client]) -> "Table":
    table = _table("client", "name", "times", "whose", "what", "first", "last")
    for client in clients:
        table.add_row(
            client.address,
            client.name or "",
            f"{client.connections:,}",
            _counted(client.verdicts),
            _counted(client.manners),
            _maybe_iso(client.first_at) or "unknown",
            _maybe_iso(client.last_at) or "unknown",
        )
    return table


def _table(*columns: str) -> "Table":
    """Return a table that wraps long cells and never cuts them."""
    from rich.table import Table  # noqa: PLC0415  as above

    table = Table(header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "times" else "left")
    return table


def _counted(counts: dict[Any, int]) -> str:
    if len(counts) == 1:
        return str(next(iter(counts)))
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def print_account(report: LogReport) -> None:
    """Print to stderr how much was read, what is missing, and what may be the reason."""
    counts, verdicts = report.counts, report.verdicts
    unread = sum(read.unread.lines for read in report.files)
    whose = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in ConnectionOwner if verdict in verdicts)
    complain(
        f"{counted(counts.lines, 'line')}, {counts.of_mail_servers:,} of mail servers, "
        f"{report.events:,} about connections"
        + (f", {unread:,} not understood" if unread else "")
        + (f", {counts.broken:,} broken" if counts.broken else "")
        + f"; {counted(sum(verdicts.values()), 'connection')}" + (f": {whose}" if whose else "")
    )  # fmt: skip
    if report.visits is not None:
        found = len(report.visits) - len(report.missing)
        if report.missing and report.doubts:
            complain(f"{found:,} of {len(report.visits):,} visits found; whether the others left a trace is not known")
        else:
            complain(f"{found:,} of {len(report.visits):,} visits left a trace")
    for remark in (*report.doubts, *report.hints):
        complain(remark)


def _places(places: tuple[LogPosition, ...]) -> str:
    more = len(places) - _SHOWN_PLACES
    return ", ".join(map(_place, places[:_SHOWN_PLACES])) + (f", {more} more" if more > 0 else "")


def _place(place: LogPosition) -> str:
    return f"{place.file}:{place.line}"


def _maybe_iso(at: float | None) -> str | None:
    return None if at is None else _iso(at)


def _iso(at: float) -> str:
    """Write a Unix time in UTC, with milliseconds if it has any."""
    time = datetime.fromtimestamp(at, UTC)
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds").replace("+00:00", "Z")
