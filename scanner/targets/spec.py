"""Read what the user wants visited, or never visited: lines of text in, address ranges and names out.

White space separates targets, `#` begins a comment. A target is an address, a network (`192.0.2.0/24`, host bits and
netmasks allowed), a range (`192.0.2.1-192.0.2.20`), an octet pattern or glob (see `octets`), a host name, or
`mx:example.com` for the mail hosts of a domain. Names are only collected here: nothing in this package asks the DNS.

A line with one plain address or IPv4 network takes a short way, so that a million lines take about a second. netaddr
reads the less common networks; this is its only door.

Left out: `@file` and `-` (the command line opens files, and each becomes a Source).
"""

import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from socket import AF_INET, inet_pton
from typing import NamedTuple

import netaddr  # type: ignore[import-untyped]  # it has no types
import numpy as np

from scanner.errors import InputError
from scanner.targets.address import (
    MAPPED_FIRST,
    MAPPED_LAST,
    V4_BITS,
    V4_MAX,
    V6_MAX,
    parse_address,
)
from scanner.targets.hostname import parse_host_name
from scanner.targets.intervals import Intervals, Values
from scanner.targets.octets import parse_octets
from scanner.targets.ranges import Ranges

#: A /8. More than this in one sweep needs `--confirm-large`; more than this in one IPv6 target cannot be swept at all.
LARGE = 2**24

#: The source whose "lines" are arguments: messages about it give no line number.
COMMAND_LINE = "command line"

#: Addresses that are never a target, whatever the user says. Private ranges and loopback are not among them:
#: sweeping one's own networks is what this is for.
ALWAYS_EXCLUDED = Ranges.from_pairs(
    v4=[
        (0x00000000, 0x00FFFFFF),  # 0.0.0.0/8, "this network", with the unspecified address: RFC 1122, 3.2.1.3
        (0xE0000000, 0xEFFFFFFF),  # 224.0.0.0/4, multicast: RFC 5771
        (V4_MAX, V4_MAX),  # 255.255.255.255, limited broadcast: RFC 919, 7
    ],
    v6=[
        (0, 0),  # ::, the unspecified address: RFC 4291, 2.5.2
        (MAPPED_FIRST, MAPPED_LAST),  # ::ffff:0:0/96: these reach IPv4 addresses by a second name: RFC 4291, 2.5.5.2
        (0xFF << 120, V6_MAX),  # ff00::/8, multicast: RFC 4291, 2.7
    ],
)

_V4_PREFIXES = {"": V4_BITS, **{f"/{bits}": bits for bits in range(V4_BITS + 1)}}
_V4_HOST_MASKS = 2 ** (V4_BITS - np.arange(V4_BITS + 1)) - 1  # by prefix length
# A length, or an IPv4 netmask. Not a wildcard mask: 0.0.0.0 would be /32 in one reading and /0 in the other.
_PREFIX = re.compile(r"[0-9]{1,3}|(?:128|192|224|240|248|252|254|255)\.[0-9.]{5,11}")
_OCTET_CHARACTERS = frozenset("0123456789.,-*")
_SHOWN = 60


class Source(NamedTuple):
    """Lines to read and what to call them in messages: a file name, or `COMMAND_LINE`."""

    where: str
    lines: Iterable[str]


class Where(NamedTuple):
    """The place a target was named at."""

    source: str
    line: int

    def __str__(self) -> str:
        return self.source if self.source == COMMAND_LINE else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Spec:
    """What was asked for. `names` and `mail_domains` are lower-case ASCII names with the first place of each."""

    ranges: Ranges
    names: Mapping[str, Where]
    mail_domains: Mapping[str, Where]

    @property
    def is_large(self) -> bool:
        """Whether the ranges hold more than `LARGE` addresses."""
        return self.ranges.count > LARGE


def parse_spec(
    sources: Iterable[tuple[str, Iterable[str]]], *, allow_names: bool = True, allow_large_v6: bool = False
) -> Spec:
    """Read all targets of all sources. Overlaps are merged.

    Args:
        sources: `Source` tuples.
        allow_names: whether host names and `mx:` domains are accepted.
        allow_large_v6: whether an IPv6 network may be larger than `LARGE`: good for exclusions, not for targets.

    Raises:
        InputError: for the first target that cannot be used, with its place, its text and what to do.
    """
    reader = _Reader(allow_names=allow_names, allow_large_v6=allow_large_v6)
    for where, lines in sources:
        reader.read(where, lines)
    return Spec(reader.ranges(), reader.names, reader.mail_domains)


def require_confirmation(ranges: Ranges, *, confirmed: bool) -> None:
    """Refuse a sweep of more than `LARGE` addresses that was not confirmed.

    Raises:
        InputError: naming the option that confirms it.
    """
    if ranges.count > LARGE and not confirmed:
        raise InputError(
            f"{ranges.count:,} addresses are more than a /8 ({LARGE:,}): "
            "if you may sweep them all, say so with --confirm-large"
        )


class _Reader:
    """Collects what the lines name, as compactly as a million of them ask for."""

    def __init__(self, *, allow_names: bool, allow_large_v6: bool) -> None:
        self.names: dict[str, Where] = {}
        self.mail_domains: dict[str, Where] = {}
        self._allow_names = allow_names
        self._allow_large_v6 = allow_large_v6
        self._networks = bytearray()  # plain IPv4 addresses and networks: four bytes each,
        self._prefixes = bytearray()  # and one byte each for the prefix length
        self._v4_firsts = array("q")  # IPv4 ranges of all other forms: eight bytes for each end
        self._v4_lasts = array("q")
        self._v6_firsts: list[int] = []
        self._v6_lasts: list[int] = []

    def ranges(self) -> Ranges:
        """Return all addresses named so far."""
        firsts, lasts = self._plain()
        v4 = Intervals.merged(
            np.concatenate((firsts, np.array(self._v4_firsts))), np.concatenate((lasts, np.array(self._v4_lasts)))
        )
        return Ranges(v4, Intervals.merged(np.array(self._v6_firsts, object), np.array(self._v6_lasts, object)))

    def _plain(self) -> tuple[Values, Values]:
        """Return the first and last address of each plain IPv4 line."""
        lasts = np.frombuffer(self._networks, dtype=">u4").astype(np.int64)
        host_masks = _V4_HOST_MASKS[np.frombuffer(self._prefixes, dtype=np.uint8)]
        lasts |= host_masks
        return lasts - host_masks, lasts

    def read(self, source: str, lines: Iterable[str]) -> None:
        """Read the lines of one source."""
        networks, prefixes = self._networks, self._prefixes
        for number, line in enumerate(lines, 1):
            try:
                if ":" in line:
                    bits, value = parse_address(line.strip())
                    self._add(bits, value, value)
                else:
                    address, slash, prefix = line.strip().partition("/")
                    octets = inet_pton(AF_INET, address)
                    prefixes.append(_V4_PREFIXES[slash + prefix])
                    networks += octets
            except (OSError, KeyError, ValueError):  # anything but one plain address or IPv4 network
                self._read_line(line.removeprefix("\ufeff") if number == 1 else line, Where(source, number))

    def _read_line(self, line: str, where: Where) -> None:
        for token in line.partition("#")[0].split():
            try:
                self._read_target(token, where)
            except ValueError as problem:
                raise InputError(f"{where}: {_shown(token)}: {problem}") from None

    def _read_target(self, token: str, where: Where) -> None:
        """Tell the form of a target by its characters and read it; raise ValueError with what is wrong."""
        if token.startswith("@"):
            raise ValueError("a file cannot name another file: give each with its @ on the command line")
        if token == "-":  # noqa: S105 - a dash, not a password
            raise ValueError("alone it means standard input, on the command line only; a range is a-b without spaces")
        if token[:3].lower() == "mx:":
            self._add_name(token[3:], where, self.mail_domains)
        elif "://" in token:
            raise ValueError("a URL is not a target: give the host name alone")
        elif ":" in token or "[" in token:
            self._add(*_parse_v6_form(token))
        elif "/" in token:
            self._add(*_parse_network(token))
        elif _OCTET_CHARACTERS.issuperset(token):
            low, _, high = token.partition("-")
            if low.count(".") == high.count(".") == 3:
                self._add(*_parse_range(low, high))
            else:
                firsts, lasts = parse_octets(token)
                self._v4_firsts.extend(firsts.tolist())
                self._v4_lasts.extend(lasts.tolist())
        else:
            self._add_name(token, where, self.names)

    def _add(self, bits: int, first: int, last: int) -> None:
        if bits == V4_BITS:
            self._v4_firsts.append(first)
            self._v4_lasts.append(last)
            return
        if first >= MAPPED_FIRST and last <= MAPPED_LAST:
            raise ValueError("an IPv4-mapped address reaches an IPv4 host: write it as IPv4")
        if last - first >= LARGE and not self._allow_large_v6:
            raise ValueError(
                f"about 2^{(last - first).bit_length()} addresses are too many to visit one by one (at most 2^24): "
                "use a hit list of addresses known to be in use"
            )
        self._v6_firsts.append(first)
        self._v6_lasts.append(last)

    def _add_name(self, text: str, where: Where, names: dict[str, Where]) -> None:
        name = parse_host_name(text)
        if not self._allow_names:
            raise ValueError("host names are not accepted here: give addresses")
        names.setdefault(name, where)


def _parse_v6_form(token: str) -> tuple[int, int, int]:
    """Read an IPv6 address, network or range, in brackets or not; return width, first and last."""
    low, dash, high = token.partition("-")
    if dash:
        return _parse_range(low, high)
    if "/" in token:
        return _parse_network(token)
    bits, value = _parse_end(token)
    return bits, value, value


def _parse_network(token: str) -> tuple[int, int, int]:
    address, _, prefix = token.partition("/")
    bits, _ = _parse_end(address)
    try:
        # Only digits and dots may reach netaddr: it reads a prefix with int(), which takes 2_4 for 24.
        network = netaddr.IPNetwork(f"{address.strip('[]')}/{prefix}") if _PREFIX.fullmatch(prefix) else None
    except netaddr.AddrFormatError:
        network = None
    if network is None:
        raise ValueError(f"prefix length must be 0 to {bits}")
    return bits, network.first, network.last


def _parse_range(low: str, high: str) -> tuple[int, int, int]:
    bits, first = _parse_end(low)
    high_bits, last = _parse_end(high)
    if bits != high_bits:
        raise ValueError("a range cannot go from one IP version to the other")
    if last < first:
        raise ValueError("the range runs backwards")
    return bits, first, last


def _parse_end(text: str) -> tuple[int, int]:
    """Read the address that a network or range is written with; raise ValueError with what is wrong."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if ":" not in text and _OCTET_CHARACTERS.issuperset(text):
        parse_octets(text)  # says what is wrong, if anything
    try:
        return parse_address(text)
    except ValueError:
        raise ValueError("not an IP address (zones cannot be used; a port is given with --port)") from None


def _shown(text: str) -> str:
    """Return text from a file for a message: printable ASCII of bounded length, in quotes."""
    escaped = text[: _SHOWN + 1].encode("unicode_escape").decode("ascii")
    return f"'{escaped}'" if len(escaped) <= _SHOWN else f"'{escaped[: _SHOWN - 3]}...'"
