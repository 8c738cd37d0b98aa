"""Sets of integers as sorted, disjoint intervals, with set algebra and random access by rank.

A set of a million intervals is three arrays (first value, last value, number of values before), and every operation
works on whole arrays or is one bisection. The same code serves two widths: IPv4 values fit numpy's int64, and IPv6
values are Python integers in arrays of objects, slower but exact.

Both ends of an interval belong to it. Intervals that overlap or touch are merged, so that equal sets have equal arrays.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]  # int64, or object for integers beyond it


class Intervals:
    """An immutable set of integers. The constructor trusts its arguments to be sorted, disjoint and not touching."""

    __slots__ = ("_first_keys", "_offset_keys", "count", "firsts", "lasts", "offsets")

    def __init__(self, firsts: Values, lasts: Values) -> None:
        sizes = lasts - firsts
        sizes += 1
        running = np.cumsum(sizes, dtype=sizes.dtype)
        self.firsts = firsts
        self.lasts = lasts
        self.offsets: Values = running - sizes
        self.count: int = int(running[-1]) if len(running) else 0
        for array in (self.firsts, self.lasts, self.offsets):
            array.setflags(write=False)
        self._first_keys = _keys(self.firsts)
        self._offset_keys = _keys(self.offsets)

    @classmethod
    def merged(cls, firsts: Values, lasts: Values) -> Self:
        """Build a set from intervals in any order that may overlap; each first must be at most its last."""
        if not len(firsts):
            return cls(firsts, lasts)
        order = np.argsort(firsts, kind="stable")
        firsts = firsts[order]
        reached = np.maximum.accumulate(lasts[order])
        # An interval opens a new run when it begins beyond all that was reached so far, with a gap of one at least.
        opens = np.append(True, firsts[1:] > reached[:-1] + 1)
        closes = np.append(opens[1:], True)
        return cls(firsts[opens], reached[closes])

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[int, int]], maximum: int) -> Self:
        """Build a set from (first, last) pairs within 0 to `maximum`, int64 when that is wide enough.

        Raises:
            ValueError: when a pair runs backwards or leaves 0 to `maximum`.
        """
        listed = list(pairs)
        for first, last in listed:
            if not 0 <= first <= last <= maximum:
                raise ValueError(f"({first}, {last}) is not a range within 0 to {maximum}")
        dtype = np.dtype(np.int64 if maximum < 2**62 else object)
        firsts, lasts = zip(*listed, strict=True) if listed else ((), ())
        return cls.merged(np.array(firsts, dtype), np.array(lasts, dtype))

    def __len__(self) -> int:
        """Return how many intervals there are; `count` says how many values."""
        return len(self.firsts)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield (first, last) of each interval, ascending, as Python integers."""
        return zip(self.firsts.tolist(), self.lasts.tolist(), strict=True)

    def __contains__(self, value: int) -> bool:
        at = bisect_right(self._first_keys, value) - 1
        return at >= 0 and value <= self.lasts[at]

    def rank(self, value: int) -> int | None:
        """Return how many members are smaller than `value`, or None when it is not a member."""
        at = bisect_right(self._first_keys, value) - 1
        if at < 0 or value > self.lasts[at]:
            return None
        return self._offset_keys[at] + value - self._first_keys[at]

    def pick(self, rank: int) -> int:
        """Return the member with `rank` smaller ones; the caller has checked 0 <= rank < count."""
        at = bisect_right(self._offset_keys, rank) - 1
        return self._first_keys[at] + rank - self._offset_keys[at]

    def pick_many(self, ranks: Values) -> Values:
        """Return `pick` of every rank, in this set's dtype."""
        values: Values = ranks.astype(self.firsts.dtype)
        at = np.searchsorted(self.offsets, values, side="right") - 1 if len(self) != 1 else np.zeros(1, np.intp)
        # value = first of the interval + how far the rank lies beyond the members before that interval
        values += self.firsts[at] - self.offsets[at]
        return values

    def union(self, other: Self) -> Self:
        """Return the values that are in either set."""
        return self.merged(np.concatenate((self.firsts, other.firsts)), np.concatenate((self.lasts, other.lasts)))

    def intersection(self, other: Self) -> Self:
        """Return the values that are in both sets."""
        # The intervals of `other` that meet interval i of `self` are neighbours: low[i] up to, not with, high[i].
        low = np.searchsorted(other.lasts, self.firsts, side="left")
        high = np.searchsorted(other.firsts, self.lasts, side="right")
        meets = high - low
        mine = np.repeat(np.arange(len(self)), meets)
        nth = np.arange(len(mine)) - np.repeat(np.cumsum(meets) - meets, meets)
        theirs = low[mine] + nth
        return type(self)(
            np.maximum(self.firsts[mine], other.firsts[theirs]),
            np.minimum(self.lasts[mine], other.lasts[theirs]),
        )

    def minus(self, other: Self) -> Self:
        """Return the values of this set that are not in the other."""
        if not len(self) or not len(other):
            return self
        # The gaps of `other` from this set's first value to its last one; a gap may be empty at either end.
        firsts = np.concatenate((self.firsts[:1], other.lasts + 1))
        lasts = np.concatenate((other.firsts - 1, self.lasts[-1:]))
        real = firsts <= lasts
        return self.intersection(type(self)(firsts[real], lasts[real]))


def _keys(array: Values) -> Sequence[int]:
    """Return the array as something `bisect` walks quickly: items as Python integers, nothing copied."""
    return cast("Sequence[int]", array if array.dtype == object else array.data)
