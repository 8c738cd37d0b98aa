"""Turn the text of an IP address into its number and back.

`inet_pton` and `inet_ntop` of the operating system do the work. They are fast and strict (no leading zeros, no short
forms such as `10.1`), and write an address as the rest of the system does. No socket is opened.

Left out: zones (`fe80::1%eth0`), because a link-local address cannot be a target.
"""

from socket import AF_INET, AF_INET6, inet_ntoa, inet_ntop, inet_pton

V4_BITS = 32
V6_BITS = 128
V4_MAX = (1 << V4_BITS) - 1
V6_MAX = (1 << V6_BITS) - 1

#: ::ffff:0:0/96, IPv4-mapped addresses (RFC 4291, 2.5.5.2): a socket that connects to one talks to the IPv4 address.
MAPPED_FIRST = 0xFFFF << V4_BITS
MAPPED_LAST = MAPPED_FIRST + V4_MAX


def parse_address(text: str) -> tuple[int, int]:
    """Read one IPv4 or IPv6 address; return its width in bits (32 or 128) and its value.

    Raises:
        ValueError: when the text is not an address.
    """
    try:
        if ":" in text:
            return V6_BITS, int.from_bytes(inet_pton(AF_INET6, text))
        return V4_BITS, int.from_bytes(inet_pton(AF_INET, text))
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in the text
        raise ValueError(f"not an IP address: {text!a}") from None


def v4_text(value: int) -> str:
    """Return the dotted form of an IPv4 value."""
    return inet_ntoa(value.to_bytes(4))


def v6_text(value: int) -> str:
    """Return the canonical form (RFC 5952) of an IPv6 value."""
    return inet_ntop(AF_INET6, value.to_bytes(16))
