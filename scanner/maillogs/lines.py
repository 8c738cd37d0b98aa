"""The lines of a log file, taken apart: when, which host, which program, which process, what text.

Which form a line has is told line by line, since rotated files may differ: `envelopes` has the forms of lines,
`journal` those of systemd's, `objects` those inside JSON. Only lines of the mail servers that are understood are handed
on; the others are counted, and looked at for what was not understood (`unread`).

A line without any stamp is believed in a file that has none at all: `docker logs` of a server that leaves stamps to
others. In a log with stamps it is a piece of another line, and a client may have written it.
"""

import json
import os
import re
import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from scanner import lazy
from scanner.analysis import open_stored
from scanner.errors import InputError
from scanner.files.packed import DamagedError
from scanner.files.text_input import prefixed, utf_8_stream
from scanner.importers.json_entries import JsonEntry, read_entries
from scanner.importers.kinds import packed_kind
from scanner.maillogs.envelopes import Envelopes, Parts, begins, without_level
from scanner.maillogs.events import LogPosition, LogSoftware
from scanner.maillogs.journal import (
    EXPORT,
    VERBOSE,
    JournalEntry,
    entry_of,
    export_entries,
    is_entry,
    verbose_entries,
)
from scanner.maillogs.objects import Carried, carried
from scanner.maillogs.stamps import Stamps, is_in_range, maybe_stamp
from scanner.maillogs.unread import Watch
from scanner.text.escape import escape

#: No mail server writes longer lines; journald's JSON is some ten times the text. The rest of such a line is skipped.
MAX_LINE_BYTES = 1 << 18
#: So much of it is looked at all the same.
_LOOKED_AT_BYTES = 4096
#: Longer lines come from something without line ends (a device); that many lines that are not of a log make it no log.
_ENDLESS_BYTES = 1 << 26
_MOST_FOREIGN_LINES = 1_000_000
#: How JSON begins; a line of a log may begin with a bracket, too.
_JSON = lazy.pattern(rb"\s*(?:\[\s*)?(?:\{\s*)?(?:[\"}]|$)")
#: An object in a line: as it is, as the journal writes it, as fluentd does behind time and tag.
_OBJECT = lazy.pattern(rb"(?:\x1e|data: |([^\t{}]{10,40})\t[\w.*-]{1,100}\t)?(?=\{)")


class LogLine(NamedTuple):
    """One line of a mail server. `host` and `pid` are empty where the line has none; `text` is without the tag.

    `at` is Unix time, None where neither the line nor what carried it has a stamp.
    """

    place: LogPosition
    at: float | None
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
    file: str | Path,
    counts: LineCounts,
    *,
    zone: tzinfo | None = None,
    year: int | None = None,
    watch: Watch | None = None,
) -> Iterator[LogLine]:
    """Yield the lines of mail servers in a file (packed ones are unpacked, `-` is standard input) in its order.

    Lines that cannot be read are counted in `counts` and passed over; `watch` sees them. For `zone` and `year` see
    `Stamps`.

    Raises:
        InputError: when the file cannot be read, or is damaged.
    """
    name = "standard input" if str(file) == "-" else escape(os.fsencode(file))
    try:
        stamps = Stamps(time.time() if str(file) == "-" else Path(file).stat().st_mtime, zone, year)
        parser = _Parser(name, stamps, counts, watch or Watch())
        with open_stored(file) as packed, utf_8_stream(packed) as stream:
            yield from _parsed(parser, name, stream)
    except (EOFError, DamagedError) as error:
        where = f"after line {parser.number}" if parser.number else "before its first line was read"
        raise InputError(f"{name}: damaged {where}: {str(error)!a}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None


def _parsed(parser: "_Parser", name: str, stream: BinaryIO) -> Iterator[LogLine]:
    """Read a stream as what its first line shows: entries of the journal, JSON documents, or lines."""
    first = stream.readline(MAX_LINE_BYTES)
    if (packing := packed_kind(first)) is not None:
        raise InputError(f"{name}: is {packing.what}: {packing.advice}")
    for form, entries in ((EXPORT, export_entries), (VERBOSE, verbose_entries)):
        if form.fullmatch(first):
            yield from parser.journalled(entries(first, stream, MAX_LINE_BYTES))
            return
    if _is_document(first):
        yield from parser.document(read_entries(prefixed(first, stream), name))
        return
    for number, line in enumerate(_lines(first, stream), 1):
        if number >= _MOST_FOREIGN_LINES and not parser.is_log:
            raise InputError(f"{name}: {number:,} lines, and none is one of a log")
        yield from parser.line(number, line)
    parser.finish()


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


def _lines(first: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines without their ends; in place of one that is too long comes a line end, and then how it begins.

    Where a file was cut while it was written to (`copytruncate`), or the machine stopped, zero bytes stand before a
    line.
    """
    line = first
    while line:
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            left = _ENDLESS_BYTES
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                left -= len(rest)
                if left < 0:
                    raise EOFError("a line without end")
            yield b"\n" + line[:_LOOKED_AT_BYTES]
        else:
            yield (
                line.rstrip(b"\r\n").lstrip(b"\0").removeprefix(BOM_UTF8)
            )  # files put together have one where the second begins
        line = stream.readline(MAX_LINE_BYTES)


def _is_document(first: bytes) -> bool:
    """Tell whether a file is JSON that is not an object a line: lists, objects over several lines or in others."""
    if _JSON.match(first) is None:
        return False
    try:
        value = orjson.loads(first)
    except ValueError:
        return True
    return not isinstance(value, dict) or any(isinstance(each, (dict, list)) for each in value.values())


class _Parser:
    """Takes the lines of one file apart."""

    def __init__(self, name: str, stamps: Stamps, counts: LineCounts, watch: Watch) -> None:
        self._name = name
        self._stamps = stamps
        self._counts = counts
        self._watch = watch
        self._quiet = watch.quiet
        self._envelopes = Envelopes()
        self._maybe_software = self._envelopes.maybe_software
        self._has_stamps = False
        self._last_stamp = b""
        self.is_log = False  # whether a line had the form of one, of whatever program
        self.number = 0  # of the last line taken

    def line(self, number: int, line: bytes) -> Iterator[LogLine]:
        """Yield what one line holds: nothing when it is not of a mail server, or broken, which is counted."""
        self.number = number
        if not line:
            return
        self._counts.lines += 1
        if line.startswith(b"\n"):
            self._broken(number, line[1:])
            return
        parts = self._envelopes.maybe_common_parts(line)
        if parts is None:
            if match := _OBJECT.match(line):
                yield from self._object_line(number, line, match)
                return
            parts = self._envelopes.maybe_parts(line)
        elif parts[2] in self._quiet:
            self._last_stamp = parts[0]
            return
        if found := self._taken_apart(number, line, parts):
            yield found

    def finish(self) -> None:
        """Take note of when the last line was written, of whatever program it was."""
        self._note_time(self._last_stamp)

    def _note_time(self, stamp: bytes) -> None:
        if stamp and (at := self._stamps.maybe_time(stamp)) is not None:
            self._watch.span.note(at)

    def journalled(self, entries: Iterable[tuple[int, JournalEntry | None]]) -> Iterator[LogLine]:
        """Yield the lines of mail servers among entries of the journal; one that is damaged is None."""
        self.is_log = True
        for number, entry in entries:
            self._counts.lines += 1
            if entry is None:
                self._counts.broken += 1
            elif line := self._maybe_entry(number, entry):
                yield line

    def document(self, entries: Iterable[JsonEntry]) -> Iterator[LogLine]:
        """Yield the lines of mail servers in a file of JSON; what stands beside its objects may be lines as well."""
        for number, value, text, problem, _ in entries:
            raw = text.encode("utf-8", "surrogateescape")
            if value is None and problem is None:
                yield from self.line(number, raw)
                continue
            self._counts.lines += 1
            if value is None:
                self._broken(number, raw)
            else:
                yield from self._object(number, value, b"", raw)
        self.finish()

    def _object_line(self, number: int, line: bytes, match: re.Match[bytes]) -> Iterator[LogLine]:
        try:
            value = orjson.loads(line[match.end() :])
        except ValueError:
            self._broken(number, line)
            return
        yield from self._object(number, value, match[1] or b"", line)

    def _object(self, number: int, value: dict[str, Any], stamp: bytes, raw: bytes) -> Iterator[LogLine]:
        """Yield what an object holds, which was counted as one line; `stamp` is what stood before it."""
        self.is_log = True
        found = 0
        try:
            if is_entry(value):
                entry = self._maybe_entry(number, entry_of(value))
                yield from () if entry is None else (entry,)
                return
            for each in carried(value, self._maybe_software):
                found += 1
                self._counts.lines += found > 1
                if line := self._maybe_carried(number, each, stamp):
                    yield line
        except ValueError:
            found = 0
        if not found:
            self._broken(number, raw or json.dumps(value).encode())

    def _maybe_carried(self, number: int, each: Carried, before: bytes) -> LogLine | None:
        stamp, host, tag, pid, text = each
        stamp = stamp if maybe_stamp(stamp) else before
        if not tag or begins(text):  # a whole line
            return self._taken_apart(number, text, self._envelopes.maybe_parts(text, stamp), host)
        return self._taken_apart(number, text, (stamp, host, tag, pid, text))

    def _maybe_entry(self, number: int, entry: JournalEntry) -> LogLine | None:
        self._has_stamps = True
        software = self._maybe_software(entry.tag)
        if is_in_range(entry.at):
            self._watch.span.note(entry.at)
        if software is None:
            if entry.tag not in self._quiet:
                self._watch.of_program(self._name, number, entry.tag, entry.text)
            return None
        if not is_in_range(entry.at):
            self._broken(number, entry.text)
            return None
        self._counts.of_mail_servers += 1
        return LogLine(LogPosition(self._name, number), entry.at, entry.host, software, entry.pid, entry.text)

    def _taken_apart(self, number: int, line: bytes, parts: Parts | None, outer: bytes = b"") -> LogLine | None:
        if parts is None or not (parts[0] or not self._has_stamps):
            self._watch.of_unknown_program(self._name, number, line)
            return None
        stamp, host, tag, pid, text = parts
        host = host or outer
        self.is_log = True
        if stamp:
            if not self._has_stamps:
                self._note_time(stamp)
            self._has_stamps = True
            self._last_stamp = stamp
        software = self._maybe_software(tag)
        if software is None:
            self._watch.of_program(self._name, number, tag, line)
            return None
        at = None
        if stamp and (at := self._stamps.maybe_time(stamp)) is None:
            self._broken(number, line)
            return None
        self._counts.of_mail_servers += 1
        return LogLine(LogPosition(self._name, number), at, host, software, pid, without_level(text))

    def _broken(self, number: int, line: bytes) -> None:
        self._counts.broken += 1
        self._watch.of_unknown_program(self._name, number, line)
