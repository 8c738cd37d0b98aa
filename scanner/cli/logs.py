"""`smtpsweep logs`: find our sweep, and everybody else who connected without sending mail, in a mail server's log."""

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

import click
import orjson

from scanner.cli.commands import Command, complete_files, group
from scanner.cli.entry import complain
from scanner.cli.values import Count, Duration, Seconds
from scanner.errors import InputError
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.maillogs.events import LogPosition
from scanner.maillogs.mail_logs import Client, LogQuestion, LogReport, VisitTrace, examine, read_visits
from scanner.maillogs.matching import DEFAULT_TOLERANCE_S, ConnectionOwner, Judged
from scanner.maillogs.sessions import maybe_address
from scanner.text.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

#: Lines listed in a cell of a table; --json lists all that are kept.
_SHOWN_PLACES = 3
#: Characters in a line of a file; an IPv6 address has 40, a host name some 60.
_FILE_WIDTH = 200
#: The exit code if too little was understood to conclude that something is missing.
_INCONCLUSIVE = 3


@click.command(cls=Command)
@group(
    "Visits",
    click.argument("files", nargs=-1, required=True, metavar="FILE|-...", shell_complete=complete_files),
    click.option("--scanner", "scanners", multiple=True, metavar="ADDRESS",
                 help="Address that the sweep came from, as the server sees it; may be repeated."),
    click.option("--sweep", metavar="FILE", shell_complete=complete_files,
                 help="Look for each visit that the records of this sweep show."),
    click.option("--server", "servers", multiple=True, metavar="ADDRESS",
                 help="Address in the sweep of the server that wrote the log; may be repeated."),
    click.option("--clock-tolerance", "tolerance_s", type=Duration(), default=Seconds(DEFAULT_TOLERANCE_S),
                 show_default=True, help="Let the clocks differ by this much more than the greeting shows."),
)  # fmt: skip
@group(
    "Lines",
    click.option("--host", metavar="NAME", help="Read only the lines of this host, in a log of several."),
    click.option("--year", type=Count(1970, 9998), metavar="YEAR",
                 help="Year of each file's first line, if its timestamps have none (default: inferred from the file's "
                      "last change)."),
    click.option("--timezone", "zone_name", metavar="ZONE",
                 help="Time zone of timestamps without one: UTC, +02:00, Europe/Berlin (default: this machine's)."),
    click.option("--since", metavar="TIME", help="Read only lines from this time on, such as 2026-11-22T10:00."),
    click.option("--until", metavar="TIME", help="Read only lines up to this time."),
)  # fmt: skip
@group(
    "Output",
    click.option("--top", type=Count(0), default=50, show_default=True, help="Show at most N clients; 0: all."),
    click.option("--mail", is_flag=True, help="Also show clients that only delivered mail."),
    click.option("--json", "as_json", is_flag=True,
                 help="Print connections, visits and the summary as one JSON object per line instead."),
)  # fmt: skip
def logs(
    files: tuple[str, ...],
    sweep: str | None,
    servers: tuple[str, ...],
    scanners: tuple[str, ...],
    *,
    top: int,
    mail: bool,
    as_json: bool,
    **reading: Any,
) -> int:
    """Show who connected, from the logs of one mail server: Sendmail, Postfix, Exim, OpenSMTPD or Courier.

    FILE is a log in any common form, also compressed, or the output of journalctl. Nothing is visited.

    Exit codes: 0 every visit of the sweep left a trace, or none was looked for; 1 a visit left no trace, or, without
    --sweep, nothing came from --scanner; 2 usage or input error; 3 inconclusive: most of the log was not understood, or
    it does not cover the time of a visit. Other scanners do not change the exit code.
    """
    if sweep is not None and not scanners:
        raise InputError("--sweep needs --scanner, the address that the sweep came from")
    if servers and sweep is None:
        raise InputError("--server needs --sweep: it selects visits of the sweep")
    if sweep == "-" and "-" in files:
        raise InputError("standard input can be the log or the sweep, not both: name a file for the other")
    if reading["host"] is not None and not reading["host"].strip():
        raise InputError("--host '': is not a host name: is a variable unset?")
    refuse_clashes(standard_output(), [*named("FILE", *files), *named("--sweep", sweep)])
    known = tuple(_address("--server", server) for server in servers)
    question = _question(tuple(_address("--scanner", scanner) for scanner in scanners), **reading)
    if sweep is not None:
        question = question.asking(read_visits(sweep, known))
    report = examine(files, question, _print_connection if as_json else None)
    if as_json:
        _print_report(report)
    else:
        _print_tables(report, top, mail=mail)
    _complain_about(report)
    if report.doubts:
        return _INCONCLUSIVE
    if report.visits is not None:
        return int(bool(report.missing))
    return int(bool(scanners) and not report.verdicts.get(ConnectionOwner.OURS))


def _address(option: str, text: str) -> str:
    if (address := maybe_address(text.encode("utf-8", "surrogateescape"))) is None:
        raise InputError(f"{option} {text!r}: is not an IPv4 or IPv6 address")
    return address


def _question(
    scanners: tuple[str, ...], *, zone_name: str | None, since: str | None, until: str | None, **others: Any
) -> LogQuestion:
    zone = None if zone_name is None else _zone(zone_name)
    return LogQuestion(
        scanners=scanners, zone=zone, since=_maybe_time("--since", since, zone),
        until=_maybe_time("--until", until, zone), **others,
    )  # fmt: skip


def _zone(name: str) -> tzinfo:
    if match := re.fullmatch(r"([+-])([01][0-9]|2[0-3]):?([0-5][0-9])", name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    from zoneinfo import ZoneInfo  # noqa: PLC0415  few logs need one

    try:
        return UTC if name.upper() in {"UTC", "Z"} else ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # a path out of the database; an unknown name; the name of a folder
        raise InputError(
            f"--timezone {name!r}: is not a time zone: write UTC, an offset (+02:00) or a name (Europe/Berlin)"
        ) from None


def _maybe_time(option: str, text: str | None, zone: tzinfo | None) -> float | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo is not None or zone is None else time.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} {text!r}: is not a time: write it as 2026-11-22T10:00 or 2026-11-22T10:00Z"
        ) from None


def _print_connection(judged: Judged) -> None:
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


def _print_report(report: LogReport) -> None:
    for trace in report.visits or ():
        visit = trace.visit
        _print_object({
            "type": "visit",
            "found": trace.found or (None if report.doubts else False),
            "event_id": visit.event_id,
            "ip": visit.ip,
            "port": visit.port,
            "observed_at": _iso(visit.at),
            "status": visit.status,
            "lines": [_place(place) for place in trace.places],
        })  # fmt: skip
    _print_object({
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
    })  # fmt: skip
    sys.stdout.buffer.flush()


def _print_object(fields: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))


def _print_tables(report: LogReport, top: int, *, mail: bool) -> None:
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


def _complain_about(report: LogReport) -> None:
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
            complain(f"{found:,} of {len(report.visits):,} visits left a trace; the others may have left one, too")
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
