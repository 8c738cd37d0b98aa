"""Entries that are objects and not lines: systemd's journal in JSON and as export, and container runtimes' JSON.

`journalctl -o json` prints an entry a line, `json-seq` with a control character before it, `json-sse` with `data: `,
`json-pretty` over several lines; `-o export` prints a field a line and an empty line behind each entry, fields with odd
bytes by their length. docker's `json-file` driver and log shippers keep the line that the program wrote, and the time
at which they got it, in an object.

Memory is bounded: of an entry the fields that are wanted are kept, of each so much as a line may have.

Sources: systemd's journal export and JSON formats, systemd.journal-fields(7); docker's documentation of `json-file`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson

from scanner import lazy

#: First of an export: the cursor, before every other field.
EXPORT = lazy.pattern(rb"__[A-Z_]{1,32}=.*\n")
_FIELD = lazy.pattern(rb"([A-Z_0-9]{1,64})=(.*)", re.DOTALL)
_WANTED = frozenset({b"__REALTIME_TIMESTAMP", b"_HOSTNAME", b"SYSLOG_IDENTIFIER", b"SYSLOG_PID", b"_PID", b"MESSAGE"})
_PIECE_BYTES = 1 << 16
#: Where shippers put the line, and its time.
_LINE_NAMES, _TIME_NAMES = ("log", "message", "msg"), ("time", "@timestamp", "timestamp")


class Entry(NamedTuple):
    """One entry: its time in Unix seconds, and the rest as octets, empty where there is none."""

    at: float
    host: bytes
    tag: bytes
    pid: bytes
    text: bytes


class Carried(NamedTuple):
    """A line of a program as a container runtime or a shipper kept it, and the stamp that it gave the line."""

    line: bytes
    stamp: bytes


def maybe_object(line: bytes, is_wanted: Callable[[bytes], object]) -> Entry | Carried | None:
    """Read one JSON object, of the journal or of a container runtime; None when its tag is not wanted.

    Raises:
        ValueError: when it is neither.
    """
    fields: Any = orjson.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("no object")  # noqa: TRY004  what was read is wrong, not how we were called
    try:
        if "__REALTIME_TIMESTAMP" not in fields and "SYSLOG_IDENTIFIER" not in fields:
            return _carried(fields)
        tag = _octets(fields.get("SYSLOG_IDENTIFIER", ""))
        if not is_wanted(tag):
            return None
        return Entry(
            int(fields["__REALTIME_TIMESTAMP"]) / 1e6,
            _octets(fields.get("_HOSTNAME", "")),
            tag,
            _octets(fields.get("SYSLOG_PID") or fields.get("_PID") or ""),
            _octets(fields["MESSAGE"]),
        )
    except (TypeError, KeyError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _carried(fields: dict[str, Any]) -> Carried:
    line = next((fields[name] for name in _LINE_NAMES if name in fields), None)
    stamp = next((fields[name] for name in _TIME_NAMES if name in fields), "")
    if line is None:
        raise ValueError("an object without a line of a log")
    return Carried(_octets(line).rstrip(b"\r\n"), _octets(stamp))


def _octets(value: Any) -> bytes:
    if isinstance(value, list):
        return bytes(value)  # raises ValueError when they are no octets
    if not isinstance(value, str):
        raise TypeError("neither text nor octets")
    return value.encode("utf-8", "surrogatepass")


def export_entries(first: bytes, stream: BinaryIO, most_bytes: int) -> Iterator[tuple[int, Entry | None]]:
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


def _maybe_entry(fields: dict[bytes, bytes | None]) -> Entry | None:
    values = {name: value for name, value in fields.items() if value is not None}
    if len(values) < len(fields):
        return None
    try:
        at = int(values[b"__REALTIME_TIMESTAMP"]) / 1e6
    except (KeyError, ValueError, OverflowError):
        return None
    pid = values.get(b"SYSLOG_PID") or values.get(b"_PID", b"")
    return Entry(
        at, values.get(b"_HOSTNAME", b""), values.get(b"SYSLOG_IDENTIFIER", b""), pid, values.get(b"MESSAGE", b"")
    )
