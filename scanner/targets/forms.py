"""Read the forms in which addresses are written: one text in, its first and last address out.

Lists of exclusions can have half a million lines, so the usual forms (an address, a network, `192.0.2.1-192.0.2.20`,
`192.0.2.1-20`) are read with `inet_pton` and arithmetic. netaddr reads netmasks, and only here. Tests prove that both
agree. A text in none of these forms is examined, to say what is wrong with it.
"""

from contextlib import suppress

from scanner import lazy
from scanner.targets.address import V4_BITS, V4_MAX, parse_address
from scanner.targets.octets import parse_octets

#: The characters of an IPv4 address, of a range, and of an octet pattern.
OCTET_CHARACTERS = frozenset("0123456789.,-*")

_LENGTH = lazy.pattern(r"[0-9]{1,3}")
# An IPv4 netmask. Not a wildcard mask: 0.0.0.0 would be /32 in one reading and /0 in the other.
_NETMASK = lazy.pattern(r"(?:128|192|224|240|248|252|254|255)\.[0-9.]{5,11}")
_LAST_OCTET = lazy.pattern(r"0|[1-9][0-9]{0,2}")


def parse_v6_form(token: str) -> tuple[int, int, int]:
    """Read an IPv6 address, network or range, in brackets or not; return width, first and last.

    Raises:
        ValueError: with what is wrong.
    """
    low, dash, high = token.partition("-")
    if dash:
        return parse_range(low, high)
    if "/" in token:
        return parse_network(token)
    bits, value = _parse_end(token)
    return bits, value, value


def parse_network(token: str) -> tuple[int, int, int]:
    """Read an address with a prefix length or netmask, host bits allowed; return width, first and last.

    Raises:
        ValueError: with what is wrong.
    """
    address, _, prefix = token.partition("/")
    bits, value = _parse_end(address)
    if _LENGTH.fullmatch(prefix) and int(prefix) <= bits:
        host_mask = (1 << (bits - int(prefix))) - 1
        return bits, value & ~host_mask, value | host_mask
    if _NETMASK.fullmatch(prefix):
        # It is large, and netmasks are rare. It has no types.
        import netaddr  # type: ignore[import-untyped]  # noqa: PLC0415

        with suppress(netaddr.AddrFormatError):
            network = netaddr.IPNetwork(f"{address.strip('[]')}/{prefix}")
            return bits, network.first, network.last
    raise ValueError(f"prefix length must be 0 to {bits}")


def parse_octet_form(token: str) -> tuple[list[int], list[int]]:
    """Read a range with two ends, or a pattern of octets; return its firsts and lasts.

    Raises:
        ValueError: with what is wrong.
    """
    low, _, high = token.partition("-")
    if low.count(".") == high.count(".") == 3:
        _, first, last = parse_range(low, high)
        return [first], [last]
    if _LAST_OCTET.fullmatch(high) and is_address(low):
        first = parse_address(low)[1]
        last = (first & ~0xFF) | int(high)
        if first <= last and int(high) < 256:
            return [first], [last]
    firsts, lasts = parse_octets(token)
    return firsts.tolist(), lasts.tolist()


def parse_range(low: str, high: str) -> tuple[int, int, int]:
    """Read the two ends of a range; return width, first and last.

    Raises:
        ValueError: with what is wrong.
    """
    bits, first = _parse_end(low)
    high_bits, last = _parse_end(high)
    if bits != high_bits:
        raise ValueError("a range cannot go from one IP version to the other")
    if last < first:
        raise ValueError("the range runs backwards")
    return bits, first, last


def _parse_end(text: str) -> tuple[int, int]:
    """Read an address in a network or range; raise ValueError with what is wrong."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return parse_address(text)
    except ValueError:
        if ":" not in text and OCTET_CHARACTERS.issuperset(text):
            parse_octets(text)  # says what is wrong, if anything
        raise ValueError("not an IP address (zones cannot be used; a port is given with --port)") from None


def is_address(token: str) -> bool:
    """Tell whether a text is one plain address."""
    try:
        parse_address(token)
    except ValueError:
        return False
    return True


def range_hint(low: str, high: str) -> str:
    """Say what two addresses side by side were probably meant to be."""
    bits, first = parse_address(low)
    high_bits, last = parse_address(high)
    host_bits = last ^ V4_MAX
    if bits == high_bits == V4_BITS and _NETMASK.fullmatch(high) and not host_bits & (host_bits + 1):
        return f"did you mean a network ({low}/{high})?"
    if bits == high_bits and first <= last:
        return f"did you mean a range ({low}-{high})?"
    return "write each on a line of its own"
