"""Dead letters: records that a receiver will never get as they are, kept with the reason, for people and for replay.

Most were refused by the receiver. The others were lost before: a record that is missing or damaged in the spool has a
letter with its number and without the record; one that a format cannot encode has a letter with the record. Each line
carries a checksum (`files.sealed`). After a crash a record may be refused again and then has two letters; readers that
count them drop the duplicate.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from scanner.delivery.local.compression import Plain
from scanner.errors import InputError
from scanner.files.sealed import seal, unseal
from scanner.files.whole import open_own, write_whole
from scanner.smtp import escape, unescape

SCHEMA = "smtpsweep.dead-letter/2"
_RECORD = b',"record":'


class DeadLetter(NamedTuple):
    """One record, or several missing ones in a row (`sequence` to `last`).

    `sequence` is the record's number in the spool, `event_id` the refused event made of it, "" when there is none.
    `line` is the record, None when it is lost; then `damaged` is the beginning of what stands in the spool instead.
    `known` is how many of several numbers were records, the others being notes of the run.
    """

    sequence: int
    event_id: str
    reason: str
    line: bytes | None
    last: int = 0
    damaged: bytes = b""
    known: int | None = None

    @property
    def records(self) -> int:
        """How many records the letter stands for."""
        span = max(1, self.last - self.sequence + 1)
        return span if self.known is None else min(self.known, span)


def keep(file: Path, letters: list[DeadLetter]) -> None:
    """Append letters to a file and bring it to the disk; a torn end is cut before. Raises OSError."""
    text = b"".join(_encoded(letter) for letter in letters)
    append_lines(file, text)


def append_lines(file: Path, text: bytes) -> None:
    """Append whole lines to a file of ours and bring it to the disk; a torn end is cut before. Raises OSError."""
    fd = open_own(file, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    with os.fdopen(fd, "r+b", buffering=0) as out:
        size = os.fstat(out.fileno()).st_size
        if (whole := Plain().whole_end(out.fileno(), 0, size)) < size:
            os.ftruncate(out.fileno(), whole)
        view = memoryview(text)
        while view:
            view = view[os.write(out.fileno(), view) :]
        os.fsync(out.fileno())


def replace(file: Path, letters: list[DeadLetter]) -> None:
    """Keep these letters and no others; the file is removed when there are none. Raises OSError."""
    if letters:
        write_whole(file, b"".join(_encoded(letter) for letter in letters))
    else:
        file.unlink(missing_ok=True)


def read(file: Path) -> Iterator[DeadLetter]:
    """Yield the letters of a file; none when there is no file. A torn line at its end is left out.

    Raises:
        InputError: when the file cannot be read or is damaged.
    """
    try:
        with file.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                if text.endswith(b"\n"):
                    yield _decoded(text[:-1], f"{file}:{number}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None


def cut(letters: Iterable[DeadLetter], first: int) -> list[DeadLetter]:
    """Return the letters for records before a number, shortened where they reach beyond it."""
    return [
        letter._replace(last=min(letter.last, first - 1)) if letter.last else letter
        for letter in letters
        if letter.sequence < first
    ]


def count(letters: Iterable[DeadLetter]) -> int:
    """Return how many records letters stand for; several about one record (its events) count once."""
    return sum(letter.records for letter in {letter.sequence: letter for letter in letters}.values())


def first_reason(file: Path) -> str | None:
    """Return the reason of the first letter of a file, or why it cannot be read; None when there is no letter."""
    try:
        return next((letter.reason for letter in read(file)), None)
    except InputError as error:
        return str(error)


def _encoded(letter: DeadLetter) -> bytes:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "sequence": letter.sequence,
        "event_id": letter.event_id,
        "reason": letter.reason,
        "at": round(time.time(), 3),
    }
    if letter.last > letter.sequence:
        document["last"] = letter.last
    if letter.known is not None:
        document["records"] = letter.known
    if letter.damaged:
        document["damaged"] = escape(letter.damaged)
    document["record"] = None if letter.line is None else orjson.Fragment(letter.line)  # last: `_decoded` cuts it out
    return seal(orjson.dumps(document)) + b"\n"


def _decoded(text: bytes, where: str) -> DeadLetter:
    try:
        whole = unseal(text)
        document: dict[str, Any] = orjson.loads(whole)
        line = None if document["record"] is None else whole[whole.index(_RECORD) + len(_RECORD) : -1]
        damaged, what = unescape(document.get("damaged", "")), (document["event_id"], document["reason"], line)
        return DeadLetter(document["sequence"], *what, document.get("last", 0), damaged, document.get("records"))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: is not a dead letter ({str(error)!a}): remove that line") from None
