"""Sets of addresses of any size, in memory that depends only on the number of ranges.

The address with index i is `pick(i)`: all IPv4 addresses in ascending order, then all IPv6 ones. A /8 is one range, so
planning it costs as much as planning a /24. The text of an address is made here, once, when its turn comes.

After the interface of masscan's range list (exclude, count, pick), with bisection over cumulative counts.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, islice, repeat
from socket import AF_INET6, inet_ntoa, inet_ntop
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scanner.targets.address import (
    MAPPED_FIRST,
    MAPPED_LAST,
    V4_BITS,
    V4_MAX,
    V6_MAX,
    parse_address,
    v4_text,
    v6_text,
)
from scanner.targets.intervals import Intervals, Values

Pairs = Iterable[tuple[int, int]]


class Ranges:
    """An immutable set of IPv4 and IPv6 addresses with random access. `count` is the number of addresses."""

    __slots__ = ("count", "v4", "v6")

    def __init__(self, v4: Intervals, v6: Intervals) -> None:
        self.v4 = v4
        self.v6 = v6
        self.count = v4.count + v6.count

    @classmethod
    def from_pairs(cls, v4: Pairs = (), v6: Pairs = ()) -> Self:
        """Build a set from (first, last) address numbers, both ends included, in any order, overlaps allowed.

        Raises:
            ValueError: when a pair runs backwards or leaves the address space.
        """
        return cls(Intervals.from_pairs(v4, V4_MAX), Intervals.from_pairs(v6, V6_MAX))

    def __bool__(self) -> bool:
        return self.count > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        shown = list(islice(self._texts(), 4))
        listed = ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
        ranges = len(self.v4) + len(self.v6)
        return f"<Ranges: {self.count:,} addresses in {ranges:,} ranges: {listed or 'none'}>"

    def _texts(self) -> Iterator[str]:
        """Yield each range as `a-b`, or `a` alone."""
        for first, last in self.v4.pairs():
            yield v4_text(first) + (f"-{v4_text(last)}" if last > first else "")
        for first, last in self.v6.pairs():
            yield v6_text(first) + (f"-{v6_text(last)}" if last > first else "")

    def __contains__(self, ip: str) -> bool:
        """Say whether a connection to `ip` would reach an address of this set.

        An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) reaches an IPv4 one; it is a member when either form is.

        Raises:
            ValueError: when `ip` is not an address; a gate must not take that for "not excluded".
        """
        bits, value = parse_address(ip)
        if bits == V4_BITS:
            return value in self.v4
        return value in self.v6 or (MAPPED_FIRST <= value <= MAPPED_LAST and value - MAPPED_FIRST in self.v4)

    def index_of(self, ip: str) -> int | None:
        """Return the i with `pick(i) == ip`, or None when the address is not in the set.

        Raises:
            ValueError: when `ip` is not an address.
        """
        bits, value = parse_address(ip)
        if bits == V4_BITS:
            return self.v4.rank(value)
        rank = self.v6.rank(value)
        return None if rank is None else self.v4.count + rank

    def pick(self, i: int) -> str:
        """Return the address with index `i` as canonical text.

        Raises:
            IndexError: when `i` is not 0 to count-1.
        """
        if not 0 <= i < self.count:
            raise IndexError(f"address index {i} of {self.count}")
        if i < self.v4.count:
            return v4_text(self.v4.pick(i))
        return v6_text(self.v6.pick(i - self.v4.count))

    def pick_many(self, indices: NDArray[np.uint64]) -> list[str]:
        """Return `pick` of every index, in the order given.

        Raises:
            IndexError: when an index is not below count.
        """
        if not len(indices):
            return []
        if indices.max() >= self.count:
            raise IndexError(f"address index {indices.max()} of {self.count}")
        is_v6 = indices >= self.v4.count
        if not is_v6.any():
            return _v4_texts(self.v4.pick_many(indices))
        texts = np.empty(len(indices), dtype=object)
        texts[~is_v6] = _v4_texts(self.v4.pick_many(indices[~is_v6]))
        texts[is_v6] = _v6_texts(self.v6.pick_many(indices[is_v6] - np.uint64(self.v4.count)))
        return [str(text) for text in texts.tolist()]

    def union(self, other: Self) -> Self:
        """Return the addresses of either set."""
        return type(self)(self.v4.union(other.v4), self.v6.union(other.v6))

    def minus(self, other: Self) -> Self:
        """Return the addresses of this set that are not in the other."""
        return type(self)(self.v4.minus(other.v4), self.v6.minus(other.v6))

    def intersection(self, other: Self) -> Self:
        """Return the addresses of both sets."""
        return type(self)(self.v4.intersection(other.v4), self.v6.intersection(other.v6))

    def digest(self) -> str:
        """Return 64 hex digits: equal sets have equal digests, however they were written down."""
        state = sha256(f"{len(self.v4)} {len(self.v6)}\n".encode())
        state.update(self.v4.firsts.astype(">u4").tobytes())
        state.update(self.v4.lasts.astype(">u4").tobytes())
        for value in chain(self.v6.firsts.tolist(), self.v6.lasts.tolist()):
            state.update(value.to_bytes(16))
        return state.hexdigest()


def _v4_texts(values: Values) -> list[str]:
    # Big-endian 4-byte items come out of numpy as bytes objects; inet_ntoa then runs without Python code between.
    return list(map(inet_ntoa, values.astype(">u4").view("V4").tolist()))


def _v6_texts(values: Values) -> list[str]:
    return list(map(inet_ntop, repeat(AF_INET6), [value.to_bytes(16) for value in values.tolist()]))
