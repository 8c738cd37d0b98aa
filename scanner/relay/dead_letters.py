"""Records that a receiver will never take, kept with its reason, for people to read and for `replay --dead-letters`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from scanner.errors import InputError
from scanner.files import open_private_append, sync, write_whole

SCHEMA = "smtpsweep.dead-letter/1"


class DeadLetter(NamedTuple):
    """`sequence` is the record's number in the log, `event_id` the refused event made of it, `line` the record."""

    sequence: int
    event_id: str
    reason: str
    line: bytes


def keep(file: Path, letters: list[DeadLetter]) -> None:
    """Add letters to a file and bring it to the disk. Raises OSError."""
    text = b"".join(_encoded(letter) for letter in letters)
    with open_private_append(file) as out:
        out.write(text)
        sync(out)


def replace(file: Path, letters: list[DeadLetter]) -> None:
    """Keep these letters and no others; the file goes when there are none. Raises OSError."""
    if letters:
        write_whole(file, b"".join(_encoded(letter) for letter in letters))
    else:
        file.unlink(missing_ok=True)


def read(file: Path) -> Iterator[DeadLetter]:
    """Yield the letters of a file; none when there is no file. What a crash tore off its end is left out.

    Raises:
        InputError: when the file cannot be read or is damaged.
    """
    try:
        with file.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                if text.endswith(b"\n"):
                    yield _decoded(text, f"{file}:{number}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None


def _encoded(letter: DeadLetter) -> bytes:
    document = {
        "schema": SCHEMA,
        "sequence": letter.sequence,
        "event_id": letter.event_id,
        "reason": letter.reason,
        "at": round(time.time(), 3),
        "record": orjson.Fragment(letter.line),
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _decoded(text: bytes, where: str) -> DeadLetter:
    try:
        document: dict[str, Any] = orjson.loads(text)
        line = orjson.dumps(document["record"])
        return DeadLetter(document["sequence"], document["event_id"], document["reason"], line)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{where}: is no dead letter ({str(error)!a})") from None
