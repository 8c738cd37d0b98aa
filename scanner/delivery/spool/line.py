"""How a record stands in the log of a run: as it is, then the run and its number there, then a checksum.

    {"schema":"smtpsweep.record/1", ... }
    {"schema":"smtpsweep.record/1", ... ,"log":"5ad1c3f0/17","crc32":"f6e8b64d"}

Problem: a log is believed after crashes and by `replay`, and what it does not hold is taken for delivered. A digit that
changed, a line that is gone, a segment of another run in the place of ours: all of that is still JSON.

Approach: every line says which run it belongs to and which number it has, so a line that is missing leaves a hole with
a name, and the checksum (`files.sealed`) covers both. A receiver gets the record without any of it, byte for byte.
"""

from typing import NamedTuple
from zlib import crc32

from scanner.files.sealed import seal, unseal

_KEY = b',"log":"'
#: The mark is at the end of a line: the key, eight digits of the run, a slash, up to 18 of the number.
_MARK_BYTES = len(_KEY) + 8 + 1 + 18 + 2
#: What the log adds to a record, at most.
FRAME_BYTES = _MARK_BYTES + 19


class Framed(NamedTuple):
    """A line of the log, taken apart: whose it is (`run_key`), its number, and the record without a line end."""

    key: bytes
    number: int
    line: bytes


def run_key(run: str) -> bytes:
    """Return what stands for a run in its lines: enough to tell a segment that came from another one."""
    return b"%08x" % crc32(run.encode())


def framed(line: bytes, key: bytes, number: int) -> bytes:
    """Return a record (one JSON object, without a line end) as the log keeps it."""
    return seal(b'%b%b%b/%d"}' % (line[:-1], _KEY, key, number))


def is_framed(text: bytes) -> bool:
    """Whether a line, without its line end, says that it is of a log, whole or damaged."""
    return text.endswith(b'"}') and text.find(_KEY, -FRAME_BYTES) >= 0


def unframed(text: bytes) -> Framed:
    """Take a line of the log apart, without its line end.

    Raises:
        ValueError: when it is not whole, or not a line of a log.
    """
    whole = unseal(text)
    at = whole.rfind(_KEY, -_MARK_BYTES)
    key, _, digits = whole[at + len(_KEY) : -2].partition(b"/")
    if at < 0 or len(key) != 8 or not digits.isdigit():
        raise ValueError("it has no number")
    return Framed(key, int(digits), whole[:at] + b"}")
