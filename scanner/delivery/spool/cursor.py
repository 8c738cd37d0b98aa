"""The cursor of a receiver: how far it has acknowledged the spool, in a file that a crash cannot tear.

A cursor is written after the acknowledgement, never before. So a crash repeats a few records and loses none. It carries
a checksum (`files.sealed`), since a changed digit would skip records or count others as refused.
"""

from pathlib import Path
from typing import NamedTuple

import orjson

from scanner.delivery.spool.folder import read_own
from scanner.errors import StateError
from scanner.files.sealed import seal, unseal
from scanner.files.whole import write_whole

SCHEMA = "smtpsweep.cursor/2"
_EARLIER = b"smtpsweep.cursor/1"


class Cursor(NamedTuple):
    """Every record up to `sequence` (0: none) is done: acknowledged, refused and kept, or skipped and counted.

    `run` is the scan id of the spool, so that a cursor is never applied to another run. The counts are totals.
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
        text = read_own(file)
    except FileNotFoundError:
        return Cursor(run)
    except OSError as error:
        raise StateError(f"{file}: cannot be read ({error.strerror}): move it away to send everything again") from None
    if _EARLIER in text:
        raise StateError(f"{file}: is of an earlier version: move it away to send everything again")
    cursor = _cursor(text)
    if cursor is None:
        raise StateError(f"{file}: is damaged: move it away to send everything again")
    if cursor.run != run:
        raise StateError(f"{file}: belongs to another run: move it away")
    return cursor


def write_cursor(file: Path, cursor: Cursor) -> None:
    """Write a cursor. Raises OSError."""
    write_whole(file, seal(orjson.dumps({"schema": SCHEMA, **cursor._asdict()})))


def _cursor(text: bytes) -> Cursor | None:
    try:
        document = orjson.loads(unseal(text))
    except ValueError:
        return None
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA or document.keys() != _FIELDS:
        return None
    cursor = Cursor(**document)
    if any(type(count) is not int or count < 0 for count in cursor[1:]):
        return None
    return cursor


def furthest(folder: Path, run: str) -> int:
    """Return the highest number of any cursor in a folder: the spool reached at least that far. Raises OSError."""
    cursors = [_cursor(read_own(file)) for file in folder.glob("*.cursor")]
    return max((one.sequence for one in cursors if one is not None and one.run == run), default=0)
