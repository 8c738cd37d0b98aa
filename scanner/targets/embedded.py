"""Find the IPv4 host that an IPv6 address leads to, so that excluding the host excludes every way to it.

    ::ffff:192.0.2.1        IPv4-mapped        RFC 4291, 2.5.5.2: the socket itself speaks IPv4
    ::192.0.2.1             IPv4-compatible    RFC 4291, 2.5.5.1; ::1 is not one
    64:ff9b::192.0.2.1      NAT64              RFC 6052, 2.1
    64:ff9b:1:...:192.0.2.1 local NAT64        RFC 8215; read as prefixes of 96 bits, the usual ones
    2002:c000:201::...      6to4               RFC 3056
    ...:0:5efe:192.0.2.1    ISATAP             RFC 5214, 6.1; also ...:200:5efe:...
    2001:0:...:3fff:fdfe    Teredo             RFC 4380, 4: the client's address, its bits inverted

In all forms but 6to4 the IPv4 address is the last 32 bits. So a set of IPv6 addresses is cut at multiples of 2^32, and
each piece is an interval of IPv4 addresses.

Left out: NAT64 with a network's own prefix (RFC 6052, 3.1), which only that network knows: it must be excluded by name.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from scanner.targets.address import MAPPED_FIRST, V4_BITS, V4_MAX, V6_MAX
from scanner.targets.intervals import Intervals

_LOOPBACK_V6 = 1
_6TO4 = 0x2002 << 112
_6TO4_SHIFT = 80  # bits after the IPv4 address
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
#: The upper 96 bits of the forms that have one block only.
_BLOCKS = frozenset({0, MAPPED_FIRST >> V4_BITS, 0x0064FF9B << 64})
_LOCAL_NAT64 = 0x0064FF9B0001  # the upper 48 bits
_TEREDO = 0x20010000  # the upper 32 bits


def embedded_v4(value: int) -> tuple[int, ...]:
    """Return the IPv4 addresses that an IPv6 address may lead to; none for one without an embedded address."""
    mask = _mask(value >> V4_BITS)
    last = () if mask is None or value <= _LOOPBACK_V6 else ((value & V4_MAX) ^ mask,)
    return ((value >> _6TO4_SHIFT) & V4_MAX, *last) if value >> 112 == 0x2002 else last


def leading_to(v6: Intervals, v4: Intervals) -> Intervals:
    """Return the addresses of the first set that may lead to an IPv4 address of the second."""
    if not len(v6) or not len(v4):
        return Intervals.from_pairs((), V6_MAX)
    last_bits = Intervals.from_pairs(_pieces(v6, v4), V6_MAX)
    in_6to4 = v6.intersection(Intervals.from_pairs([(_6TO4, _6TO4 | ((1 << 112) - 1))], V6_MAX))
    if not len(in_6to4):
        return last_bits
    low, high = v4.firsts.astype(object), v4.lasts.astype(object)
    networks = Intervals.merged(_6TO4 | (low << _6TO4_SHIFT), _6TO4 | (high << _6TO4_SHIFT) | ((1 << _6TO4_SHIFT) - 1))
    return last_bits.union(in_6to4.intersection(networks))


def _pieces(v6: Intervals, v4: Intervals) -> Iterator[tuple[int, int]]:
    """Yield the intervals of `v6` whose last 32 bits are an address of `v4`."""
    lows, highs = v4.firsts.tolist(), v4.lasts.tolist()
    for first, last in v6.pairs():
        for block in range(first >> V4_BITS, (last >> V4_BITS) + 1):
            base, mask = block << V4_BITS, _mask(block)
            start, end = max(first, base), min(last, base | V4_MAX)
            if not base:
                start = max(start, _LOOPBACK_V6 + 1)
            if mask is None or start > end:
                continue
            ends = sorted(((start & V4_MAX) ^ mask, (end & V4_MAX) ^ mask))
            for at in range(bisect_left(highs, ends[0]), bisect_right(lows, ends[1])):
                found = sorted((max(lows[at], ends[0]) ^ mask, min(highs[at], ends[1]) ^ mask))
                yield base | found[0], base | found[1]


def _mask(block: int) -> int | None:
    """Return the XOR mask of the last 32 bits in a block (its upper 96 bits); None when it embeds no IPv4 address."""
    if block >> 64 == _TEREDO:
        return V4_MAX
    is_form = block in _BLOCKS or block >> 48 == _LOCAL_NAT64 or block & 0xFFFFFFFF in _ISATAP
    return 0 if is_form else None
