"""`smtpsweep logs`: find our sweep, and everybody else who connected without sending mail, in a mail server's log."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import click

from scanner.cli.commands import Command, complete_files, group
from scanner.cli.log_output import print_account, print_connection, print_report, print_tables
from scanner.cli.values import Count, Duration, Seconds
from scanner.errors import InputError
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.maillogs.mail_logs import examine, read_visits
from scanner.maillogs.matching import DEFAULT_TOLERANCE_S, ConnectionOwner
from scanner.maillogs.report import LogQuestion
from scanner.maillogs.sessions import maybe_address

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
    report = examine(files, question, print_connection if as_json else None)
    if as_json:
        print_report(report)
    else:
        print_tables(report, top, mail=mail)
    print_account(report)
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
