"""Know which positions of a sweep are done: all that a run needs to be resumed.

Results come back nearly, but not exactly, in the order in which targets were handed out: a tarpit keeps its position
open while thousands after it are done. So this is a low-water mark, below which everything is done, and one byte for
each position from there to the highest one done. Memory follows that spread, not the size of the sweep. When the lowest
open position is done, the mark moves past the done positions behind it with one search in C.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scanner.errors import StateError

#: The widest spread that a saved state may claim, in positions (bytes of memory). 20,000 connections a second with one
#: of them stuck for an hour stay below it. A damaged state must not make us allocate the address space.
MAX_SPREAD = 2**28
#: Runs of done positions that a state lists one by one. A network that lost its route leaves holes all over the order,
#: millions of them in a large sweep; then one bit for each position is shorter.
MAX_ISLANDS = 4096


class Progress:
    """The set of done positions. `low_water` is the lowest open one, `done_count` how many are done."""

    __slots__ = ("_flags", "done_count", "low_water")

    def __init__(self) -> None:
        self.low_water = 0
        self.done_count = 0
        # Byte k stands for position low_water + k: 1 when done. The first is 0 and the last is 1, or there is none.
        self._flags = bytearray()

    def __repr__(self) -> str:
        above = self.done_count - self.low_water
        return f"<Progress: all below {self.low_water:,} done, {above:,} above, high water {self.high_water:,}>"

    @property
    def high_water(self) -> int:
        """One past the highest done position; 0 when nothing is done."""
        return self.low_water + len(self._flags)

    def __contains__(self, position: int) -> bool:
        at = position - self.low_water
        return position >= 0 if at < 0 else at < len(self._flags) and self._flags[at] == 1

    def _advance(self) -> None:
        """Move the low-water mark over the done positions it stands on."""
        open_at = self._flags.find(0)
        done = len(self._flags) if open_at < 0 else open_at
        # Each flag is searched and dropped once. CPython drops from the front by moving the buffer's start.
        del self._flags[:done]
        self.low_water += done

    def mark_many(self, positions: Iterable[int]) -> None:
        """Note that positions are done. Noting one again changes nothing.

        Raises:
            ValueError: when one is negative; those before it are noted.
        """
        flags, low_water, marked = self._flags, self.low_water, 0
        try:
            for position in positions:
                at = position - low_water
                if at < 0:
                    if position < 0:
                        raise ValueError(f"position {position} is negative")
                    continue
                if at >= len(flags):
                    flags.extend(bytes(at + 1 - len(flags)))
                elif flags[at]:
                    continue
                flags[at] = 1
                marked += 1
        finally:
            self.done_count += marked
            if flags and flags[0]:
                self._advance()

    def pending(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return the positions from `start` up to, not with, `stop` that are not done, ascending."""
        start = max(start, self.low_water)
        width = max(stop - start, 0)
        at = start - self.low_water
        window = self._flags[at : at + width].ljust(width, b"\0")
        found = np.flatnonzero(np.frombuffer(window, dtype=np.uint8) == 0)
        return found.astype(np.uint64) + np.uint64(start)

    def snapshot(self) -> dict[str, Any]:
        """Return this state for a JSON file: `low_water`, and what is done above it.

        That is `done_above`, ranges [first, one past the last]; or where they are many `done_bits`, a bit for each
        position from `low_water` up, the lowest first, deflated (zlib) and in base64.
        """
        islands = [list(island) for island in islice(self._islands(), MAX_ISLANDS + 1)]
        if len(islands) <= MAX_ISLANDS:
            return {"low_water": self.low_water, "done_above": islands}
        bits = np.packbits(np.frombuffer(self._flags, dtype=np.uint8), bitorder="little")
        return {"low_water": self.low_water, "done_bits": b64encode(zlib.compress(bits.tobytes(), 1)).decode()}

    def _islands(self) -> Iterator[tuple[int, int]]:
        """Yield (first, one past the last) of each run of done positions above the low-water mark."""
        start = self._flags.find(1)
        while start >= 0:
            stop = self._flags.find(0, start)
            if stop < 0:
                stop = len(self._flags)
            yield self.low_water + start, self.low_water + stop
            start = self._flags.find(1, stop)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Build a Progress from what `snapshot` returned.

        Raises:
            StateError: when the state was not made by `snapshot`, or is damaged.
        """
        progress = cls()
        progress.low_water = progress.done_count = reach = _position(state.get("low_water"), "low_water")
        if "done_bits" in state:
            progress._flags = _unpacked(state["done_bits"])
            progress.done_count += progress._flags.count(1)
            return progress
        islands = state.get("done_above")
        if not isinstance(islands, list):
            raise StateError("the state's progress is damaged: 'done_above' is not a list")
        for island in islands:
            if not isinstance(island, list) or len(island) != 2:
                raise StateError("the state's progress is damaged: 'done_above' holds something other than ranges")
            first, stop = (_position(number, "done_above") for number in island)
            if not reach < first < stop <= progress.low_water + MAX_SPREAD:
                raise StateError(f"the state's progress is damaged: range {first} to {stop} is out of place")
            flags = progress._flags
            flags.extend(bytes(first - reach))
            flags.extend(b"\1" * (stop - first))
            progress.done_count += stop - first
            reach = stop
        return progress


def _unpacked(text: object) -> bytearray:
    """Return the flags that were saved as bits; never more than `MAX_SPREAD`, whatever the state says."""
    try:
        unzip = zlib.decompressobj()
        bits = unzip.decompress(b64decode(str(text), validate=True), MAX_SPREAD // 8)
    except (ValueError, zlib.error):
        bits = b""
    flags = bytearray(np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little").tobytes())
    if not bits or not unzip.eof or flags[0] or not any(flags[-8:]):
        raise StateError("the state's progress is damaged: 'done_bits' holds something other than positions")
    del flags[flags.rindex(1) + 1 :]
    return flags


def _position(number: object, field: str) -> int:
    """Return a saved position; raise StateError when it is not one. True is not 1 here."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 2**63:
        raise StateError(f"the state's progress is damaged: '{field}' holds something other than positions")
    return number
