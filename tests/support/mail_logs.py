"""Mail logs for tests: lines of real servers, and files made of lines."""

import os
from datetime import UTC, datetime
from pathlib import Path

from scanner.maillogs.events import LoggedConnection
from scanner.maillogs.mail_logs import examine
from scanner.maillogs.matching import Judged
from scanner.maillogs.report import LogQuestion, LogReport

DATA = Path(__file__).parents[1] / "data/mail-logs"
#: 2026-11-23T20:16:53Z plus an hour: when the lines of the real servers were written.
CHANGED_AT = 1795468613.0
#: How a line of a classic syslog begins.
PREFIX = b"Nov 23 20:16:53 mail1 "


def unix_time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def log_file(folder: Path, *lines: bytes, name: str = "mail.log", changed_at: float = CHANGED_AT) -> Path:
    """Write lines to a file that was last changed at a given time."""
    file = folder / name
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(file, (changed_at, changed_at))
    return file


def examined(*files: Path, question: LogQuestion | None = None) -> tuple[list[Judged], LogReport]:
    """Read logs; return every connection, by the place of its first line, and the report."""
    found: list[Judged] = []
    report = examine(map(str, files), question or LogQuestion(), found.append)
    return sorted(found, key=lambda judged: judged.connection.places[0]), report


def connections(*files: Path) -> list[LoggedConnection]:
    return [judged.connection for judged in examined(*files)[0]]


QUESTION = LogQuestion(scanners=("192.0.2.5",), zone=UTC)


def read(folder: Path, *lines: str) -> list[LoggedConnection]:
    found, report = examined(log_file(folder, *(line.encode() for line in lines)), question=QUESTION)
    assert (report.doubts, report.counts.broken) == ([], 0)
    assert report.counts.lines == report.counts.of_mail_servers == report.events
    return [judged.connection for judged in found]
