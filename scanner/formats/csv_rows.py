"""Write records as CSV (RFC 4180) for spreadsheets: every cell quoted, quotes doubled, lines ended by CR LF.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, quoted or not. So such texts get an
apostrophe in front, and so do texts that begin with an apostrophe: a reader removes the first apostrophe of a cell.
Full-width forms, tabs and line ends cannot occur, because texts are printable ASCII. Numbers come from us and stay
numbers.
"""

from collections.abc import Iterator
from typing import Any, Final

from scanner.formats.columns import COLUMNS, row_of, text_of
from scanner.formats.plain import plain
from scanner.formats.suspicion import suspicions
from scanner.record.document import RecordDocument

_FORMULA: Final = frozenset("=+-@'")


def csv_header() -> bytes:
    """Return the first line: the names of the columns."""
    return _line(COLUMNS)


def csv_row(record: RecordDocument, line: bytes) -> bytes:
    """Return the line of a record, with its line end."""
    visit = plain(record, line)
    return _line(row_of(visit, suspicions(visit, line)).values())


def _line(values: Any) -> bytes:
    return (",".join(_cells(values)) + "\r\n").encode("ascii")


def _cells(values: Any) -> Iterator[str]:
    for value in values:
        text = text_of(value)
        if text[:1] in _FORMULA and not isinstance(value, int | float):
            text = f"'{text}"
        yield '"' + text.replace('"', '""') + '"'
