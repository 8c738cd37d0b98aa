"""Convert stored records to another format: files in, one file out, in bounded memory.

Each line is read as a record. A line that is not a record, or that the format cannot write, is skipped, counted and
reported; the others are converted. A file without any record is refused. The output appears complete or not at all
(`scanner.files.whole`). Segments of a spool are files of records, too; their numbers and checksums are removed. Lines
about the run itself, which stand between the records of a spool, go only into formats that have events for them.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scanner.analysis.parquet import import_duckdb, write_parquet
from scanner.analysis.stored import name_of, read_lines, record_of
from scanner.delivery.local.compression import codec_for, is_compressed
from scanner.errors import InputError
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.files.names import converted, require_fitting_name
from scanner.files.output import OutputFile
from scanner.formats import FORMATS, make_format
from scanner.formats.columns import row_of
from scanner.formats.csv_rows import csv_header, csv_row
from scanner.formats.plain import plain
from scanner.formats.suspicion import suspicions
from scanner.record import RUN_SCHEMA, decode
from scanner.record.document import LineDocument

#: What a conversion can be to: the formats of sinks, and two for files only.
TARGETS: Final = (*FORMATS, "csv", "parquet")
#: Text is packed in units of this size.
_UNIT_BYTES: Final = 1 << 20
#: What our code can raise for a line that looks like a record but has values of other types.
_WRONG_TYPES: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
#: The first skipped lines are reported one by one, up to this number.
_MOST_REASONS: Final = 20


class Converted(NamedTuple):
    """The counts of a conversion: lines read (records and lines about runs), and lines or rows written.

    `left_out` counts the lines of the input that are not in the output; `reasons` says of the first ones where and why.
    """

    read: int
    written: int
    left_out: int = 0
    reasons: tuple[str, ...] = ()


class _Stored(NamedTuple):
    """One line of a file; `where` names file and line."""

    where: str
    document: LineDocument
    line: bytes


class _Counts:
    def __init__(self) -> None:
        self.read = self.written = self.left_out = 0
        self.reasons: list[str] = []

    def leave_out(self, error: InputError) -> None:
        """Skip a line."""
        self.left_out += 1
        if len(self.reasons) < _MOST_REASONS:
            self.reasons.append(str(error))


def convert(inputs: Iterable[str], target: str, out: str, *, overwrite: bool = False) -> Converted:
    """Convert files of records, one after another, into one file.

    Args:
        inputs: files, also `.gz` and `.zst`; `-` is standard input.
        target: one of `TARGETS`.
        out: the file to make, packed by its name (`.gz`, `.zst`); `-` is standard output.
        overwrite: whether it may exist.

    Raises:
        InputError: when a file cannot be read, no line of it is a record (file and line are named), the output exists,
            is an input or has a name that promises another format, or an extra is not installed. There is no output
            then.
        LocalError: when there is no room for it.
    """
    if target == "parquet":
        import_duckdb()
        if out != "-" and is_compressed(Path(out)):
            raise InputError(f"{out}: Parquet packs by itself: leave the suffix out")
    inputs = list(inputs)
    if out != "-":
        require_fitting_name(out, Path(out), converted(target))
    refuse_clashes(standard_output() if out == "-" else named("-o", out), named("FILE", *inputs))
    counts = _Counts()
    with OutputFile(out, overwrite=overwrite) as file:
        lines = _lines(inputs, counts)
        if target == "parquet":
            write_parquet(_rows(lines, counts), file.path)
        else:
            pack = codec_for(Path(out)).pack
            for unit in _units(_text(lines, target, counts)):
                file.stream.write(pack(unit))
        if counts.left_out and counts.left_out >= counts.read:
            raise InputError(counts.reasons[0])  # the wrong file: there is nothing to go on with
    return Converted(counts.read, counts.written, counts.left_out, tuple(counts.reasons))


def _lines(inputs: Iterable[str], counts: _Counts) -> Iterator[_Stored]:
    for file in inputs:
        for number, line in read_lines(file):
            where = f"{name_of(file)}:{number}"
            counts.read += 1
            try:
                record = record_of(line)
                yield _Stored(where, _document(record), record)
            except (InputError, OverflowError) as error:
                counts.leave_out(InputError(f"{where}: {error}"))


def _document(line: bytes) -> LineDocument:
    """Return a line decoded, when it is a record or about a run. Raises InputError."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"not a record: not valid JSON: {error}") from None
    if not (isinstance(document, dict) and document.get("schema") == RUN_SCHEMA):
        decode(line)
    made: LineDocument = document
    return made


def _text(lines: Iterable[_Stored], target: str, counts: _Counts) -> Iterator[bytes]:
    if target == "csv":
        yield csv_header()
    write = _writer(target)
    for stored in lines:
        try:
            written = list(write(stored))
        except _WRONG_TYPES as error:
            counts.leave_out(_no_record(stored, error))
            continue
        counts.written += len(written)
        yield from written


def _writer(target: str) -> Callable[[_Stored], Iterable[bytes]]:
    """Return what makes the lines of the output from one line of the input."""
    if target == "csv":
        return _csv_row
    events = make_format(target).events
    return lambda stored: (event.body + b"\n" for event in events(stored.document, stored.line))


def _csv_row(stored: _Stored) -> Iterable[bytes]:
    return (csv_row(stored.document, stored.line),) if "event_id" in stored.document else ()


def _rows(lines: Iterable[_Stored], counts: _Counts) -> Iterator[dict[str, Any]]:
    for stored in lines:
        if "event_id" in stored.document:
            try:
                record = plain(stored.document, stored.line)
                row = row_of(record, suspicions(record, stored.line))
            except _WRONG_TYPES as error:
                counts.leave_out(_no_record(stored, error))
                continue
            counts.written += 1
            yield row


def _no_record(stored: _Stored, error: Exception) -> InputError:
    what = f"field {error} is missing" if isinstance(error, KeyError) else f"{str(error)!a}"
    return InputError(f"{stored.where}: not a record: {what}")


def _units(texts: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= _UNIT_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
