"""Decide which addresses are never visited, and why: those that the user excluded, and those that are never a target.

An address is excluded together with every way that leads to it: an IPv6 address that embeds an excluded IPv4 address
(`embedded`) is excluded for the same reason. The plan subtracts excluded addresses from the targets, reason by reason,
so that the counts add up. The gate asks `in` again right before a visit, with the very text that the socket gets.
"""

from collections.abc import Mapping
from typing import Final

from scanner.targets.address import MAPPED_FIRST, MAPPED_LAST, V4_BITS, V4_MAX, V6_MAX, parse_address
from scanner.targets.embedded import embedded_v4, leading_to
from scanner.targets.ranges import Ranges

#: The reason for what the user excluded.
YOURS: Final = "yours"

#: Addresses that are never a target, whatever the user says, by reason. Private ranges and loopback may be targets:
#: sweeping one's own networks is what this program is for.
NEVER: Final[Mapping[str, Ranges]] = {
    # 0.0.0.0/8, "this network": RFC 1122, 3.2.1.3; ::, RFC 4291, 2.5.2
    "unspecified": Ranges.from_pairs(v4=[(0x00000000, 0x00FFFFFF)], v6=[(0, 0)]),
    # 224.0.0.0/4, RFC 5771; ff00::/8, RFC 4291, 2.7
    "multicast": Ranges.from_pairs(v4=[(0xE0000000, 0xEFFFFFFF)], v6=[(0xFF << 120, V6_MAX)]),
    # 255.255.255.255, limited broadcast: RFC 919, 7
    "broadcast": Ranges.from_pairs(v4=[(V4_MAX, V4_MAX)]),
    # ::ffff:0:0/96: these reach IPv4 addresses by a second name: RFC 4291, 2.5.5.2
    "ipv4_mapped": Ranges.from_pairs(v6=[(MAPPED_FIRST, MAPPED_LAST)]),
}
#: IPv4 loopback inside IPv6 would be the loopback of a gateway (RFC 4291, 2.5.5; RFC 3056, 2).
_LOOPBACK_V4: Final = Ranges.from_pairs(v4=[(0x7F000000, 0x7FFFFFFF)])
EMBEDDED_LOOPBACK: Final = "embedded_loopback"


def _union(sets: Mapping[str, Ranges]) -> Ranges:
    union = Ranges.from_pairs()
    for each in sets.values():
        union = union.union(each)
    return union


ALWAYS_EXCLUDED: Final = _union(NEVER)


class Exclusions:
    """The addresses that must not be visited: the user's and those of `NEVER`."""

    def __init__(self, yours: Ranges) -> None:
        self.yours = yours
        self._all = yours.union(ALWAYS_EXCLUDED)

    def __repr__(self) -> str:
        return f"<Exclusions: {self.yours!r}>"

    def __contains__(self, ip: str) -> bool:
        """Say whether a connection to `ip` would reach an excluded address.

        Raises:
            ValueError: when `ip` is not an address; a gate must not take that for "not excluded".
        """
        bits, value = parse_address(ip)
        if bits == V4_BITS:
            return value in self._all.v4
        return value in self._all.v6 or any(
            each in self._all.v4 or each in _LOOPBACK_V4.v4 for each in embedded_v4(value)
        )

    def taken_from(self, asked: Ranges) -> dict[str, Ranges]:
        """Return the excluded addresses of a set by reason, each address once: `yours` first, then those of `NEVER`."""
        reasons = {YOURS: self.yours, **NEVER}
        found: dict[str, Ranges] = {}
        left = asked
        for reason, addresses in reasons.items():
            out = left.intersection(Ranges(addresses.v4, addresses.v6.union(leading_to(left.v6, addresses.v4))))
            left, found[reason] = left.minus(out), out
        no_v4 = Ranges.from_pairs().v4
        found[EMBEDDED_LOOPBACK] = Ranges(no_v4, leading_to(left.v6, _LOOPBACK_V4.v4))
        return {reason: out for reason, out in found.items() if out}
