"""Divide a sweep into shards: the rule that says which shard owns which network.

Rates and refusals are counted for each network (an IPv4 /24, an IPv6 /64). If its addresses were spread over several
shards, each of them would visit it at the full rate and allow it the full number of refusals. So a network belongs to
one shard as a whole, and the counts of that shard are exact.

The rule depends on the number of the network only: not on the seed, not on the other targets. So shards fit together
whatever else differs between the machines that run them. Consecutive networks go to one shard after the other, which
divides a /16 evenly. The start of that row is scrambled anew for every 256 networks (an IPv4 /16, an IPv6 /56), so that
networks at regular distances do not all meet in one shard:

    place(network) = scrambled(network div 256) + network mod 256        owner = place mod shards

A shard can be divided again: by `place div shards` modulo the second number of shards.

Ranges become the share of one shard by numpy in blocks. IPv4 has 2^24 networks. An IPv6 range that can be swept at all
(at most 2^63 addresses) touches two networks at most. So the cost does not grow with the address space.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError
from scanner.targets.intervals import Intervals, Values
from scanner.targets.permutation import MAX_N, scrambled
from scanner.targets.ranges import Ranges

#: Bits of an address after the number of its network.
V4_HOST_BITS = 8
V6_HOST_BITS = 64
#: Networks that are numbered in a row before the beginning is scrambled anew.
_ROW = 256
#: Networks looked at together: 8 bytes each in a few arrays.
_BLOCK = 1 << 18
# Any number will do, as long as it never changes: it decides which shard visits which network. The fraction of pi.
_KEY = 0x243F6A8885A308D3
_PLACE_BITS = np.uint64(2**32 - 1)


def share(ranges: Ranges, shard: int, shards: int) -> Ranges:
    """Return the addresses of a set that belong to a shard; those of all shards together are the set.

    Raises:
        InputError: when the set has more than 2**63 addresses.
        ValueError: when there is no such shard.
    """
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard} of {shards}")
    if shards == 1:
        return ranges
    if ranges.count > MAX_N:
        raise InputError(f"{ranges.count} addresses are more than 2**63: visit less at once")
    return Ranges(
        _owned(ranges.v4, V4_HOST_BITS, shard, shards),
        _owned(ranges.v6, V6_HOST_BITS, shard, shards),
    )


def _owned(intervals: Intervals, host_bits: int, shard: int, shards: int) -> Intervals:
    firsts, lasts = [intervals.firsts[:0]], [intervals.lasts[:0]]
    for members, networks in _networks(intervals, host_bits):
        ours = _places(networks) % np.uint64(shards) == shard
        at, numbers = members[ours], networks[ours].astype(intervals.firsts.dtype)
        # The part of interval `at` that lies in the network.
        firsts.append(np.maximum(intervals.firsts[at], numbers << host_bits))
        lasts.append(np.minimum(intervals.lasts[at], (numbers + 1 << host_bits) - 1))
    return Intervals.merged(np.concatenate(firsts), np.concatenate(lasts))


def _networks(intervals: Intervals, host_bits: int) -> Iterator[tuple[Values, NDArray[np.uint64]]]:
    """Yield, in blocks, the number of each network that an interval reaches into, and which interval it is."""
    lowest = (intervals.firsts >> host_bits).astype(np.uint64)
    counts = ((intervals.lasts >> host_bits).astype(np.uint64) - lowest).astype(np.int64) + 1
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, _BLOCK):
        numbers = np.arange(start, min(start + _BLOCK, total))
        at = np.searchsorted(ends, numbers, side="right")
        yield at, lowest[at] + (numbers - (ends[at] - counts[at])).astype(np.uint64)


def _places(networks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the place of each network in the row that shards take turns along."""
    rows, within = np.divmod(networks, np.uint64(_ROW))
    return (scrambled(rows, _KEY) & _PLACE_BITS) + within
