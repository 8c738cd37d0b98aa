"""Read what the user wants visited, or never visited: lines of text in, address ranges and names out.

White space separates targets, `#` begins a comment. A target is an address, a network (`192.0.2.0/24`, host bits and
netmasks allowed), a range (`192.0.2.1-192.0.2.20`), an octet pattern or glob (see `octets`), a host name, or
`mx:example.com` for the mail hosts of a domain. Names are only collected: nothing in this package asks the DNS.

A text that names nothing is refused, in a file and as an argument: an unset variable or a badly written file must not
make a sweep visit what was meant to be excluded. A file that is meant to be empty contains the one word `none`.

A line with one plain address or IPv4 network takes a fast path, so that a million lines take about a second.

Left out: `@file` and `-`, which the command line opens. Each becomes a TextSource.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from socket import AF_INET, inet_pton
from typing import NamedTuple

import numpy as np

from scanner.errors import InputError
from scanner.targets.address import MAPPED_FIRST, MAPPED_LAST, V4_BITS, parse_address
from scanner.targets.embedded import embedded_v4
from scanner.targets.forms import (
    OCTET_CHARACTERS,
    is_address,
    parse_network,
    parse_octet_form,
    parse_v6_form,
    range_hint,
)
from scanner.targets.hostname import parse_host_name
from scanner.targets.intervals import Intervals, Values
from scanner.targets.ranges import Ranges

#: A /8. More than this in one sweep needs `--confirm-large`; more than this in one IPv6 target cannot be swept at all.
LARGE = 2**24

#: The source whose "lines" are arguments: each must name something, and messages about it give no line number.
COMMAND_LINE = "command line"

#: The word for a file or an exclusion that is meant to name nothing.
NONE = "none"

_V4_PREFIXES = {"": V4_BITS, **{f"/{bits}": bits for bits in range(V4_BITS + 1)}}
_V4_HOST_MASKS = 2 ** (V4_BITS - np.arange(V4_BITS + 1)) - 1  # by prefix length
_SHOWN = 60


class TextSource(NamedTuple):
    """Lines to read and what to call them in messages: a file name, or `COMMAND_LINE`."""

    where: str
    lines: Iterable[str]


class Origin(NamedTuple):
    """The place a target was named at."""

    source: str
    line: int

    def __str__(self) -> str:
        return self.source if self.source == COMMAND_LINE else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Spec:
    """What was asked for. `names` and `mail_domains` are lower-case ASCII names with the first place of each."""

    ranges: Ranges
    names: Mapping[str, Origin]
    mail_domains: Mapping[str, Origin]

    @property
    def is_large(self) -> bool:
        """Whether the ranges hold more than `LARGE` addresses."""
        return self.ranges.count > LARGE


def parse_spec(
    sources: Iterable[tuple[str, Iterable[str]]], *, allow_names: bool = True, allow_large_v6: bool = False
) -> Spec:
    """Read all targets of all sources. Overlaps are merged.

    Args:
        sources: `TextSource` tuples.
        allow_names: whether host names and `mx:` domains are accepted.
        allow_large_v6: whether an IPv6 network may be larger than `LARGE`: good for sets, not for targets.

    Raises:
        InputError: for the first target that cannot be used, with its place, its text and what to do; for a source that
            names none.
    """
    return _read(_SpecReader(allow_names=allow_names, allow_large_v6=allow_large_v6), sources)


def parse_exclusions(sources: Iterable[tuple[str, Iterable[str]]]) -> Spec:
    """Read all exclusions of all sources: the same forms as targets, IPv6 networks of any size.

    More than one on a line is refused: lists of ranges are often written in two columns, and what lies between the two
    would be visited. Excluding an IPv6 address that embeds an IPv4 address, or its 6to4 network, excludes that host by
    all its ways.

    Raises:
        InputError: as `parse_spec`; a source that excludes nothing must say `none`.
    """
    return _read(_SpecReader(allow_large_v6=True, excludes=True), sources)


def _read(reader: "_SpecReader", sources: Iterable[tuple[str, Iterable[str]]]) -> Spec:
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
            "if you are allowed to sweep them all, add --confirm-large"
        )


class _SpecReader:
    """Collects what the lines name, compactly enough for millions of them."""

    def __init__(self, *, allow_names: bool = True, allow_large_v6: bool = False, excludes: bool = False) -> None:
        self.names: dict[str, Origin] = {}
        self.mail_domains: dict[str, Origin] = {}
        self._allow_names = allow_names
        self._allow_large_v6 = allow_large_v6
        self._excludes = excludes
        self._networks = bytearray()  # plain IPv4 addresses and networks: four bytes each,
        self._prefixes = bytearray()  # and one byte each for the prefix length
        self._v4_firsts = array("q")  # IPv4 ranges of all other forms: eight bytes for each end
        self._v4_lasts = array("q")
        self._v6_firsts: list[int] = []
        self._v6_lasts: list[int] = []
        self._name_count = 0  # names that were given, repetitions included
        self._none_at: Origin | None = None  # the place of `none` in the source that is being read

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
        before = self._begin()
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
                self._read_line(line.removeprefix("\ufeff"), Origin(source, number))
        names_nothing = self._count() == before
        if names_nothing and self._none_at is None and source != COMMAND_LINE:
            what = "excludes nothing" if self._excludes else "names no target"
            raise InputError(f"{source}: {what}: if that is intended, write the one word: {NONE}")
        if self._none_at is not None and not names_nothing:
            raise InputError(f"{self._none_at}: contains {NONE!r}, but something else is named, too")

    def _begin(self) -> int:
        """Forget the `none` of the source before; return how many things were named so far."""
        self._none_at = None
        return self._count()

    def _count(self) -> int:
        """Return how many things were named so far."""
        return len(self._prefixes) + len(self._v4_firsts) + len(self._v6_firsts) + self._name_count

    def _read_line(self, line: str, where: Origin) -> None:
        tokens = line.partition("#")[0].split()
        if not tokens and where.source == COMMAND_LINE:
            what = "an exclusion that excludes nothing" if self._excludes else "a target that names nothing"
            raise InputError(f"{where}: {_shown(line)}: {what}: is a variable unset?")
        try:
            if self._excludes and len(tokens) == 2 and all(map(is_address, tokens)):
                low, high = tokens
                raise InputError(
                    f"{where}: {_shown(f'{low} {high}')}: two addresses on one line: {range_hint(*tokens)}"
                )
            if self._excludes and len(tokens) > 1:
                raise InputError(
                    f"{where}: {_shown(' '.join(tokens))}: several exclusions on one line: give each its own, "
                    "and write a range as a-b, without spaces"
                )
            for token in tokens:
                self._read_token(token, where)
        except ValueError as problem:
            raise InputError(f"{where}: {_shown(token)}: {problem}") from None

    def _read_token(self, token: str, where: Origin) -> None:
        """Read a plain address or IPv4 network on the fast path, anything else on the slow one."""
        address, slash, prefix = token.partition("/")
        try:
            octets = inet_pton(AF_INET, address)
            length = _V4_PREFIXES[slash + prefix]
        except (OSError, KeyError, ValueError):
            self._read_target(token, where)
        else:
            self._networks += octets
            self._prefixes.append(length)

    def _read_target(self, token: str, where: Origin) -> None:
        """Recognise the form of a target by its characters and read it; raise ValueError with what is wrong."""
        if token.startswith("@"):
            raise ValueError("a file cannot name another file: give each with its @ on the command line")
        if token == "-":  # noqa: S105 - a dash, not a password
            raise ValueError("alone it means standard input, on the command line only; a range is a-b without spaces")
        if token.lower() == NONE and (self._excludes or where.source != COMMAND_LINE):
            self._none_at = where
        elif token[:3].lower() == "mx:":
            self._add_name(token[3:], where, self.mail_domains)
        elif "://" in token:
            raise ValueError("a URL is not a target: give the host name alone")
        elif ":" in token or "[" in token:
            self._add(*parse_v6_form(token))
        elif "/" in token:
            self._add(*parse_network(token))
        elif OCTET_CHARACTERS.issuperset(token):
            firsts, lasts = parse_octet_form(token)
            self._v4_firsts.extend(firsts)
            self._v4_lasts.extend(lasts)
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
        if self._excludes and (carried := embedded_v4(first)) == embedded_v4(last):
            self._v4_firsts.extend(carried)
            self._v4_lasts.extend(carried)

    def _add_name(self, text: str, where: Origin, names: dict[str, Origin]) -> None:
        name = parse_host_name(text)
        if not self._allow_names:
            raise ValueError("host names are not accepted here: give addresses")
        names.setdefault(name, where)
        self._name_count += 1


def _shown(text: str) -> str:
    """Return text from a file for a message: printable ASCII of bounded length, in quotes."""
    escaped = text[: _SHOWN + 1].encode("unicode_escape").decode("ascii")
    return f"'{escaped}'" if len(escaped) <= _SHOWN else f"'{escaped[: _SHOWN - 3]}...'"
