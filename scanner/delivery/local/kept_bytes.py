"""Whether the files of an output still hold what a sweep wrote: one checksum over all of it, part after part.

A position says how many bytes are acknowledged. A file of that length may be another one, or have lost a line in its
middle and got it back in length at the end. So a position also carries the CRC-32 of every byte from where the sweep
began up to there, and a resumed sweep reads its files once and believes no position that they do not vouch for.

`zlib.crc32` takes 1 to 3 GB/s, so writing costs nothing that can be measured, and resuming one read of the files.
CRC-32 finds accidents. It is not a signature: who can write the file could also write the state.
"""

import os
from collections.abc import Callable
from zlib import crc32

_READ_BYTES = 1 << 20


class KeptBytes:
    """The bytes of a row of parts from one place on, summed up on demand; ask for places in their order."""

    def __init__(self, part_path: Callable[[int], str], part: int, offset: int) -> None:
        self._part_path = part_path
        self._start = self._at = part, offset
        self._crc = 0

    def crc_until(self, part: int, end: int) -> int | None:
        """Return the checksum of everything before a place; None when the files end earlier. Raises OSError."""
        if (part, end) < self._at:
            if (part, end) < self._start:
                return None
            self._at, self._crc = self._start, 0
        while self._at[0] < part:
            self._read(None)
            self._at = self._at[0] + 1, 0
        return self._crc if self._read(end) else None

    def _read(self, end: int | None) -> bool:
        """Read the part on to an offset, or all of it; tell whether it is that long."""
        part, offset = self._at
        with open(self._part_path(part), "rb", buffering=0) as file:  # noqa: PTH123  the path may not be UTF-8
            size = os.fstat(file.fileno()).st_size
            if end is None:
                end = size
            if end > size:
                return False
            file.seek(offset)
            while offset < end and (data := file.read(min(_READ_BYTES, end - offset))):
                self._crc = crc32(data, self._crc)
                offset += len(data)
        self._at = part, offset
        return offset == end
