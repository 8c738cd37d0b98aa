"""Entries of systemd's journal, as journalctl prints them: objects, exports, and all fields one below the other.

`journalctl -o json` prints an entry a line, `json-seq` with a control character before it, `json-sse` with `data: `,
`json-pretty` over several lines; `-o export` prints a field a line and an empty line behind each entry, fields with odd
bytes by their length; `-o verbose` a line with the time and then a field a line, further right.

Memory is bounded: of an entry the fields that are wanted are kept, of each so much as a line may have.

Sources: systemd's journal export and JSON formats, systemd.journal-fields(7), journalctl(1).
"""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from scanner import lazy
from scanner.maillogs.objects import octets

#: First of an export: the cursor, before every other field.
EXPORT = lazy.pattern(rb"__[A-Z_]{1,32}=.*\n")
#: First of an entry of `-o verbose`: its time and its cursor, in which the time stands again (`t`, microseconds).
VERBOSE = lazy.pattern(
    rb"[^\[\]]{10,64} \[s=[0-9a-f]{1,32};[^\[\]\n]{0,200}\bt=([0-9a-f]{1,16})(?:;[^\[\]\n]{0,200})?\]\r?\n?"
)
_VERBOSE_FIELD = lazy.pattern(rb" {4}([A-Z_0-9]{1,64})=(.*)", re.DOTALL)
_FIELD = lazy.pattern(rb"([A-Z_0-9]{1,64})=(.*)", re.DOTALL)
_WANTED = frozenset({b"__REALTIME_TIMESTAMP", b"_HOSTNAME", b"SYSLOG_IDENTIFIER", b"SYSLOG_PID", b"_PID", b"MESSAGE"})
_PIECE_BYTES = 1 << 16


class JournalEntry(NamedTuple):
    """One entry: its time in Unix seconds, and the rest as octets, empty where there is none."""

    at: float
    host: bytes
    tag: bytes
    pid: bytes
    text: bytes


def is_entry(fields: dict[str, Any]) -> bool:
    """Tell whether an object is an entry of the journal as journalctl prints it."""
    return "__REALTIME_TIMESTAMP" in fields


def entry_of(fields: dict[str, Any]) -> JournalEntry:
    """Read an entry of the journal.

    Raises:
        ValueError: when it is damaged.
    """
    try:
        return JournalEntry(
            int(fields["__REALTIME_TIMESTAMP"]) / 1e6,
            octets(fields.get("_HOSTNAME", "")),
            octets(fields.get("SYSLOG_IDENTIFIER", "")),
            octets(fields.get("SYSLOG_PID") or fields.get("_PID") or ""),
            octets(fields["MESSAGE"]),
        )
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(str(error)) from None


def verbose_entries(first: bytes, stream: BinaryIO, most_bytes: int) -> Iterator[tuple[int, JournalEntry | None]]:
    """Yield the entries that `-o verbose` printed, whose first line was read, with the number of each one's first line.

    One that is damaged, or has a line of more than `most_bytes`, is None. A field may go on in lines that stand further
    right; what is not printable journalctl leaves out.
    """
    fields: dict[bytes, bytes | None] = {}
    began = number = 1
    line = first
    while line:
        if match := VERBOSE.fullmatch(line):
            if fields:
                yield began, _maybe_entry(fields)
            fields, began = {b"__REALTIME_TIMESTAMP": b"%d" % int(match[1], 16)}, number
        elif field := _VERBOSE_FIELD.fullmatch(line.rstrip(b"\r\n")):
            if field[1] in _WANTED:
                fields[field[1]] = field[2]
        elif len(line) == most_bytes:
            fields[b""] = None
        line = stream.readline(most_bytes)
        number += 1
    if fields:
        yield began, _maybe_entry(fields)


def export_entries(first: bytes, stream: BinaryIO, most_bytes: int) -> Iterator[tuple[int, JournalEntry | None]]:
    """Yield the entries of an export whose first line was read, with the number of each one's first line.

    An entry that is damaged, or has a field of more than `most_bytes`, is None.

    Raises:
        EOFError: when the export ends inside a field.
    """
    fields: dict[bytes, bytes | None] = {}
    began = number = 1
    line = first
    while line:
        if line in {b"\n", b"\r\n"}:
            if fields:
                yield began, _maybe_entry(fields)
            fields, began = {}, number + 1
        else:
            number += _keep(fields, line, stream, most_bytes)
        line = stream.readline(most_bytes)
        number += 1
    if fields:
        yield began, _maybe_entry(fields)


def _keep(fields: dict[bytes, bytes | None], line: bytes, stream: BinaryIO, most_bytes: int) -> int:
    """Put one field among the others where it is wanted; return how many lines its value goes on for."""
    if not line.endswith(b"\n"):
        while line and not line.endswith(b"\n"):
            line = stream.readline(_PIECE_BYTES)
        fields[b""] = None
        return 0
    line = line.rstrip(b"\n")
    if match := _FIELD.fullmatch(line):
        if match[1] in _WANTED:
            fields[match[1]] = match[2]
        return 0
    size = int.from_bytes(stream.read(8), "little")
    kept, lines = bytearray(), 0
    while size > 0:
        if not (piece := stream.read(min(size, _PIECE_BYTES))):
            raise EOFError("an export that ends inside a field")
        size -= len(piece)
        lines += piece.count(b"\n")
        if line in _WANTED and len(kept) <= most_bytes:
            kept += piece
    stream.readline(_PIECE_BYTES)
    if line in _WANTED:
        fields[line] = bytes(kept) if len(kept) <= most_bytes else None
    return lines + 1


def _maybe_entry(fields: dict[bytes, bytes | None]) -> JournalEntry | None:
    values = {name: value for name, value in fields.items() if value is not None}
    if len(values) < len(fields):
        return None
    try:
        at = int(values[b"__REALTIME_TIMESTAMP"]) / 1e6
    except (KeyError, ValueError, OverflowError):
        return None
    pid = values.get(b"SYSLOG_PID") or values.get(b"_PID", b"")
    return JournalEntry(
        at, values.get(b"_HOSTNAME", b""), values.get(b"SYSLOG_IDENTIFIER", b""), pid, values.get(b"MESSAGE", b"")
    )
