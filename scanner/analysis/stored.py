"""Read stored records, one at a time: JSON Lines, plain or compressed, or standard input.

Memory does not grow with the file. A line that is not a record is an error that names file and line, because
conclusions from a part of a sweep would be wrong. The same holds for a last line without its end: a killed sweep can
leave one, and resuming the sweep completes it.

Left out: dropping the repeats of a resumed sweep. They have the same `event_id`; readers that count drop them.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scanner import lazy
from scanner.delivery.spool.line import is_framed, unframed
from scanner.errors import InputError
from scanner.files.packed import DamagedError, unpacked
from scanner.files.text_input import utf_8_lines, with_opening
from scanner.model import Record
from scanner.record import decode
from scanner.sweeps.summary import SUMMARY_SCHEMA

#: No record is longer: its greeting and the replies of its dialogue are bounded.
MAX_LINE_BYTES = 8 << 20
#: Where a file says what it is.
_START_BYTES = 512
_SUMMARY = lazy.pattern(rb'\s{0,99}\{\s{0,99}"schema"\s{0,9}:\s{0,9}"%s"' % re.escape(SUMMARY_SCHEMA.encode()))


def read_records(file: str | Path) -> Iterator[Record]:
    """Yield every record of a file in its order; `-` is standard input. Empty lines are passed over.

    Raises:
        InputError: when the file cannot be read, or a line is not a record; file and line are named.
    """
    return (record for _, record in read_numbered(file))


def read_numbered(file: str | Path) -> Iterator[tuple[int, Record]]:
    """Yield every record with the number of its line, from 1, for messages about a line.

    Raises:
        InputError: like `read_records`.
    """
    for number, line in read_lines(file):
        try:
            yield number, decode(record_of(line))
        except (InputError, OverflowError) as error:  # OverflowError: a time that no clock shows, such as 1e308
            raise InputError(f"{name_of(file)}:{number}: {error}") from None


def record_of(line: bytes) -> bytes:
    """Return the record that a line holds: the line, without the number and checksum that a line of a spool has.

    Raises:
        InputError: when the line is of a spool, and damaged.
    """
    try:
        return unframed(line).line if is_framed(line) else line
    except ValueError as error:
        raise InputError(f"damaged in the log of the run: {error}") from None


def read_lines(file: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield number (from 1) and bytes, without the line end, of every line that is not empty.

    Raises:
        InputError: when the file cannot be read, is damaged, or its last line is cut.
    """
    name = name_of(file)
    number = 0
    try:
        with open_stored(file) as packed, utf_8_lines(packed) as text:
            start, stream = with_opening(text, _START_BYTES, lambda line: len(line.strip()) > 1)
            if _SUMMARY.match(start):
                raise InputError(f"{name}: is the summary of a sweep: name the file of its records (sweep -o)")
            while line := stream.readline(MAX_LINE_BYTES):
                number += 1
                if not line.endswith(b"\n"):
                    raise InputError(f"{name}:{number}: {_unfinished(line)}")
                if found := line.strip():
                    yield number, found
    except DamagedError as error:
        where = f"after line {number}" if number else "before its first line was read"
        raise InputError(f"{name}: damaged {where}: {str(error)!a}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from None


def open_stored(file: str | Path) -> BinaryIO:
    """Open a file for reading, decompressed where it is compressed; `-` is standard input.

    Raises:
        DamagedError: when its name promises a compression that it does not have; reading it may raise that, too.
        OSError: when it cannot be opened.
    """
    if str(file) == "-":
        if not isinstance(sys.stdin, io.TextIOWrapper):  # None when the process was started without one
            raise InputError("standard input: is closed: redirect it, or name a file")
        return unpacked(io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)))
    path = Path(file)
    stream = path.open("rb")
    try:
        return unpacked(stream, path.suffix)
    except BaseException:
        stream.close()
        raise


def name_of(file: str | Path) -> str:
    """Return what messages call the file."""
    return "standard input" if str(file) == "-" else str(file)


def _unfinished(line: bytes) -> str:
    if len(line) >= MAX_LINE_BYTES:
        return f"longer than {MAX_LINE_BYTES >> 20} MiB: this is not a file of records"
    return "the line is cut: resume the sweep that was writing it, or remove this line"
