"""One line of a spool: a record, then its run and number, then a checksum.

    {"schema":"smtpsweep.record/1", ... }
    {"schema":"smtpsweep.record/1", ... ,"log":"5ad1c3f0/17","crc32":"f6e8b64d"}

Problem: the spool is trusted after crashes and by `replay`. A changed digit, a missing line, or a segment of another
run in the place of ours would still be valid JSON.

Approach: every line names its run and its number, so a missing line leaves a hole whose number is known. The checksum
(`files.sealed`) covers both. A receiver gets the record without these additions, byte for byte.
"""

from typing import NamedTuple
from zlib import crc32

from scanner.files.sealed import seal, unseal
from scanner.record import RUN_SCHEMA

_NOTE = b'{"schema":"%b"' % RUN_SCHEMA.encode()
_KEY = b',"log":"'
#: The mark is at the end of a line: the key, eight digits of the run, a slash, up to 18 of the number.
_MARK_BYTES = len(_KEY) + 8 + 1 + 18 + 2
#: What the spool adds to a record, at most.
FRAME_BYTES = _MARK_BYTES + 19


class Framed(NamedTuple):
    """A decoded line of the spool: the key of its run (`run_key`), its number, and the record without a line end."""

    key: bytes
    number: int
    line: bytes


def run_key(run: str) -> bytes:
    """Return the short key of a run in its lines: enough to recognise a segment of another run."""
    return b"%08x" % crc32(run.encode())


def framed(line: bytes, key: bytes, number: int) -> bytes:
    """Return a record (one JSON object, without a line end) as the spool keeps it."""
    return seal(b'%b%b%b/%d"}' % (line[:-1], _KEY, key, number))


def is_note(line: bytes) -> bool:
    """Return whether a line is a note about the run itself and not a record."""
    return line.startswith(_NOTE)


def is_framed(text: bytes) -> bool:
    """Return whether a line, without its line end, looks like one of a spool, whole or damaged."""
    return text.endswith(b'"}') and text.find(_KEY, -FRAME_BYTES) >= 0


def unframed(text: bytes) -> Framed:
    """Decode a line of the spool, given without its line end.

    Raises:
        ValueError: when it is damaged, or not a line of a spool.
    """
    whole = unseal(text)
    at = whole.rfind(_KEY, -_MARK_BYTES)
    key, _, digits = whole[at + len(_KEY) : -2].partition(b"/")
    if at < 0 or len(key) != 8 or not digits.isdigit():
        raise ValueError("it has no number")
    return Framed(key, int(digits), whole[:at] + b"}")
