"""CSV as RFC 4180 has it, for spreadsheets: every cell quoted, quotes doubled, lines ended by CR LF.

A cell that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, quoted or not, so texts that do get an
apostrophe in front; so do those that begin with one, and who reads back removes the first apostrophe of a cell.
Full-width forms, tabs and line ends cannot occur: texts are printable ASCII. Numbers are ours and stay numbers.
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
