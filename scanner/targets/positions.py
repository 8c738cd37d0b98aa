"""A set of positions of a sweep, one bit each, for targets that must be visited again later.

When half of a /8 loses its route, eight million targets must be visited another time. As objects they would fill the
memory. As bits in chunks they take a megabyte.
"""

import numpy as np
from numpy.typing import NDArray

#: Positions in a chunk, as a power of two: 65,536 positions, 8 KiB.
_CHUNK_BITS = 16
_MASK = (1 << _CHUNK_BITS) - 1


class PositionSet:
    """Positions, 0 and up. `len` counts them."""

    __slots__ = ("_chunks", "_count")

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}  # bit b of byte k of chunk c stands for position c * 65,536 + 8 * k + b
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, position: int) -> bool:
        chunk = self._chunks.get(position >> _CHUNK_BITS)
        at = position & _MASK
        return chunk is not None and bool(chunk[at >> 3] >> (at & 7) & 1)

    def add(self, position: int) -> None:
        """Add a position. Adding it again changes nothing."""
        if position in self:
            return
        chunk = self._chunks.get(position >> _CHUNK_BITS)
        if chunk is None:
            chunk = self._chunks[position >> _CHUNK_BITS] = bytearray(1 << _CHUNK_BITS - 3)
        at = position & _MASK
        chunk[at >> 3] |= 1 << (at & 7)
        self._count += 1

    def discard(self, position: int) -> None:
        """Remove a position if it is there."""
        if position not in self:
            return
        at = position & _MASK
        chunk = self._chunks[position >> _CHUNK_BITS]
        chunk[at >> 3] &= ~(1 << (at & 7))
        self._count -= 1
        if not any(chunk):
            del self._chunks[position >> _CHUNK_BITS]

    def next_after(self, position: int, most: int) -> NDArray[np.uint64]:
        """Return up to `most` positions above `position`, ascending, from one chunk; none when there are none."""
        first = position + 1 >> _CHUNK_BITS
        for number in sorted(number for number in self._chunks if number >= first):
            bits = np.unpackbits(np.frombuffer(self._chunks[number], dtype=np.uint8), bitorder="little")
            found = np.flatnonzero(bits).astype(np.uint64) + np.uint64(number << _CHUNK_BITS)
            found = found[found > position] if position >= 0 else found
            if len(found):
                return found[:most]
        return np.empty(0, dtype=np.uint64)
