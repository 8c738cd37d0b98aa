"""The lines of a log file, taken apart: when, which host, which program, which process, what text.

Four forms: classic syslog (RFC 3164, with or without priority and host), ISO stamps as rsyslog writes them (and
RFC 5424), Exim's own main log, and what `journalctl -o json` prints. Which one is told line by line: rotated files
may differ. Only lines of the mail servers that are understood are handed on; the others are counted.

The text of a line is hostile: a client chooses parts of it, and can make them look like a log line. So nothing is
searched for: stamp, host and tag are read from the left, and the tag has to stand where tags stand. Whoever may write
to the machine's syslog socket can write any line; no reader can tell.

Sources: RFC 3164, RFC 5424; rsyslog's RSYSLOG_FileFormat; systemd.journal-fields(7); Exim's specification, chapter 52.
"""

import gzip
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
import zstandard

from scanner.errors import InputError
from scanner.remedy.logs.events import LogSoftware, Place
from scanner.remedy.logs.stamps import Stamps
from scanner.results import open_stored
from scanner.smtp.escape import escape

#: No mail server writes longer lines; journald's JSON is some ten times the text. The rest of such a line is skipped.
MAX_LINE_BYTES = 1 << 18
#: A line that goes on for so long has no end (a device), and so many lines that are none of a log are none.
_ENDLESS_BYTES = 1 << 26
_MOST_FOREIGN_LINES = 1_000_000
_ISO = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
#: A host may be missing (local datagrams); it never ends in a colon, or a program's name could be taken for it.
_SYSLOG = re.compile(
    rb"(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|" + _ISO + rb") "
    rb"(?:([^ \[\]]*[^ \[\]:]) )?([A-Za-z][\w./-]{0,63})(?:\[(\d{1,10})\])?: (?:\[ID \d+ [a-z0-9.]+\] )?(.*)"
)
_RFC_5424 = re.compile(
    rb"<\d{1,3}>1 (" + _ISO + rb") (\S{1,255}) (\S{1,48}) (\S{1,128}) \S{1,32} "
    rb'(?:-|(?:\[(?:[^\]"\\]|"(?:[^"\\]|\\.)*")*\])+)(?: (?:\xef\xbb\xbf)?(.*))?'
)
_EXIM = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?) (?:\[\d{1,10}\] )?(.*)")
_TAGS = (
    (re.compile(rb"sendmail|sm-[a-z0-9-]{1,32}"), LogSoftware.SENDMAIL),
    (re.compile(rb"postfix[\w.-]*(?:/[\w.-]+)*/(?:smtpd|postscreen)"), LogSoftware.POSTFIX),
    (re.compile(rb"exim4?"), LogSoftware.EXIM),
    (re.compile(rb"smtpd|opensmtpd"), LogSoftware.OPENSMTPD),
    (re.compile(rb"courieresmtpd|courierd"), LogSoftware.COURIER),
)


class LogLine(NamedTuple):
    """One line of a mail server. `host` and `pid` are empty where the line has none; `text` is without the tag."""

    place: Place
    at: float
    host: bytes
    software: LogSoftware
    pid: bytes
    text: bytes


@dataclass(slots=True)
class LineCounts:
    """How many lines there were: all, empty ones left out; those of mail servers; those that are damaged."""

    lines: int = 0
    of_mail_servers: int = 0
    broken: int = 0


def read_log(
    file: str | Path, counts: LineCounts, *, zone: tzinfo | None = None, year: int | None = None
) -> Iterator[LogLine]:
    """Yield the lines of mail servers in a file (`.gz` and `.zst` are unpacked, `-` is standard input) in its order.

    Lines that cannot be read are counted in `counts` and passed over. `zone` and `year`: see `Stamps`.

    Raises:
        InputError: when the file cannot be read, or is damaged.
    """
    name = "standard input" if str(file) == "-" else escape(os.fsencode(file))
    number = 0
    try:
        stamps = Stamps(time.time() if str(file) == "-" else Path(file).stat().st_mtime, zone, year)
        parser = _Parser(stamps, counts)
        with open_stored(file) as stream:
            for number, line in enumerate(_lines(stream), 1):
                if number == _MOST_FOREIGN_LINES and not parser.is_log:
                    raise InputError(f"{name}: {number:,} lines, and none is one of a log")
                if parsed := parser.maybe_line(line):
                    at, host, software, pid, text = parsed
                    yield LogLine(Place(name, number), at, host, software, pid, text)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise InputError(f"{name}: damaged after line {number}: {str(error)!a}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None


def oldest_first(files: Iterable[str]) -> list[str]:
    """Sort files by their last change, so that a connection which rotation cut in two is read in order.

    Standard input comes last, and what cannot be looked at keeps its place among equals: reading it will say why.
    """
    return sorted(files, key=_changed_at)


def _changed_at(file: str) -> float:
    if file == "-":
        return float("inf")
    try:
        return Path(file).stat().st_mtime
    except OSError:
        return 0.0


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines without their ends; in place of one that is too long comes a line end alone."""
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            left = _ENDLESS_BYTES
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                left -= len(rest)
                if left < 0:
                    raise EOFError("a line without end")
            yield b"\n"
            continue
        yield line.rstrip(b"\r\n")


_Parsed = tuple[float, bytes, LogSoftware, bytes, bytes]


class _Parser:
    def __init__(self, stamps: Stamps, counts: LineCounts) -> None:
        self._stamps = stamps
        self._counts = counts
        self._software: dict[bytes, LogSoftware | None] = {}
        self.is_log = False  # whether a line had the form of one, of whatever program

    def maybe_line(self, line: bytes) -> _Parsed | None:
        """Take one line apart; None when it is not of a mail server, or broken, which is counted."""
        if not line:
            return None
        self._counts.lines += 1
        if line == b"\n":
            self._counts.broken += 1
            return None
        if line.startswith(b"{"):
            return self._journal(line)
        if match := _SYSLOG.fullmatch(line):
            stamp, host, tag, pid, text = match.groups(b"")
        elif match := _EXIM.fullmatch(line):
            (stamp, text), host, tag, pid = match.groups(), b"", b"exim", b""
        elif match := _RFC_5424.fullmatch(line):
            stamp, host, tag, pid, text = match.groups(b"")
        else:
            return None
        self.is_log = True
        return self._stamped(stamp, host, tag, pid, text)

    def _stamped(self, stamp: bytes, host: bytes, tag: bytes, pid: bytes, text: bytes) -> _Parsed | None:
        software = self._maybe_software(tag)
        if software is None:
            return None
        at = self._stamps.maybe_time(stamp)
        if at is None:
            self._counts.broken += 1
            return None
        self._counts.of_mail_servers += 1
        return at, host, software, pid, text

    def _maybe_software(self, tag: bytes) -> LogSoftware | None:
        try:
            return self._software[tag]
        except KeyError:
            pass
        if len(self._software) >= 1024:
            self._software.clear()
        found = next((software for pattern, software in _TAGS if pattern.fullmatch(tag)), None)
        self._software[tag] = found
        return found

    def _journal(self, line: bytes) -> _Parsed | None:
        """Read an entry of the journal; a text with odd bytes is a list of numbers there."""
        try:
            entry: Any = orjson.loads(line)
            self.is_log = True
            software = self._maybe_software(_octets(entry.get("SYSLOG_IDENTIFIER", "")))
            if software is None:
                return None
            at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            host, text = _octets(entry.get("_HOSTNAME", "")), _octets(entry["MESSAGE"])
            pid = _octets(entry.get("SYSLOG_PID") or entry.get("_PID") or "")
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            self._counts.broken += 1
            return None
        self._counts.of_mail_servers += 1
        return at, host, software, pid, text


def _octets(value: Any) -> bytes:
    if isinstance(value, list):
        return bytes(value)  # raises ValueError when they are no octets
    if not isinstance(value, str):
        raise TypeError("neither text nor octets")
    return value.encode("utf-8", "surrogatepass")
