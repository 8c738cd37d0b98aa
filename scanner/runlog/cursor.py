"""How far a receiver has acknowledged the log: one number, kept where a crash cannot tear it.

A cursor is written after the acknowledgement, never before: after a crash a few records are sent again, none is lost.
"""

from pathlib import Path
from typing import NamedTuple

import orjson

from scanner.errors import StateError
from scanner.files import write_whole

SCHEMA = "smtpsweep.cursor/1"


class Cursor(NamedTuple):
    """Every record up to `sequence` (0: none) is done: acknowledged, refused and kept, or skipped and counted.

    `run` is the scan id of the log, so that a cursor is never applied to another. The counts are totals.
    """

    run: str
    sequence: int = 0
    delivered: int = 0
    duplicates: int = 0
    dead: int = 0
    skipped: int = 0


_FIELDS = frozenset(Cursor._fields)


def read_cursor(file: Path, run: str) -> Cursor:
    """Return the cursor of a file; one at the beginning when there is none.

    Raises:
        StateError: when the file is damaged or belongs to another run.
    """
    try:
        document = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return Cursor(run)
    except (OSError, orjson.JSONDecodeError) as error:
        raise StateError(f"{file}: cannot be read ({str(error)!a}): move it away to send everything again") from None
    cursor = _cursor(document)
    if cursor is None:
        raise StateError(f"{file}: is damaged: move it away to send everything again")
    if cursor.run != run:
        raise StateError(f"{file}: belongs to another run: move it away")
    return cursor


def write_cursor(file: Path, cursor: Cursor) -> None:
    """Keep a cursor. Raises OSError."""
    write_whole(file, orjson.dumps({"schema": SCHEMA, **cursor._asdict()}))


def _cursor(document: object) -> Cursor | None:
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA or document.keys() != _FIELDS:
        return None
    cursor = Cursor(**document)
    if any(type(count) is not int or count < 0 for count in cursor[1:]):
        return None
    return cursor
