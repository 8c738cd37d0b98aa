"""Verify that the files of an output still hold what a sweep wrote: one checksum over all parts in order.

A position holds how many bytes are acknowledged. A file of that length may be another file, or have lost a line in its
middle and grown again at its end. So a position also holds the CRC-32 of every byte from where the sweep began up to
there. A resumed sweep reads its files once and believes a position only when the checksum agrees.

`zlib.crc32` reads 1 to 3 GB/s: writing gets no slower that could be measured, and resuming reads the files once. CRC-32
detects accidents. It is not a signature: a user who can change the file can also change the state.
"""

import os
from collections.abc import Callable
from zlib import crc32

_READ_BYTES = 1 << 20


class KeptBytes:
    """The checksum of a row of parts from one place on, computed on demand; ask for places in their order."""

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
        """Read the part up to an offset, or all of it; return whether it is that long."""
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
