"""Hints for people when traces are missing: log levels that leave none, and clocks that differ."""

from collections.abc import Iterator

from scanner.maillogs.events import LogSoftware
from scanner.maillogs.report import LogReport

#: Why a server's log may have nothing of a connection without mail.
SILENT_LOGS = {
    LogSoftware.EXIM: "Exim logs no connection without mail by default, and Debian's configuration neither: "
    "this log level leaves no trace. Set log_selector = +smtp_connection +smtp_no_mail",
    LogSoftware.SENDMAIL: "Sendmail logs no connection without mail below LogLevel 6: "
    "this log level leaves no trace. The default is 9",
}


def hints(report: LogReport) -> Iterator[str]:
    """Yield what may be the reason when traces are missing."""
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
