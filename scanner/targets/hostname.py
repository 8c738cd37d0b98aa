"""Check host names before the DNS is asked for them.

RFC 952 and RFC 1123 (2.1): labels of letters, digits and hyphens, at most 63 octets each and 253 in all. The last label
is not a number, so that an address in another form is never taken for a name. That includes hexadecimal numbers: the C
library and web browsers read 0x7f000001 as an address.

Internationalised names become their ASCII form by IDNA 2008 with the mapping of UTS 46, as in web browsers. The four
characters that the older IDNA 2003 reads as another name (RFC 5894, 7.2) are refused: visiting somebody else's host is
worse than asking for the `xn--` form.
"""

from scanner import lazy

_LABEL = lazy.pattern(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = lazy.pattern(r"[0-9]+|0x[0-9a-f]*")
_MAX_NAME = 253
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")  # sharp s, final sigma, zero-width non-joiner and joiner


def parse_host_name(text: str) -> str:
    """Return the name in lower-case ASCII, without a final dot.

    Raises:
        ValueError: with what is wrong.
    """
    if len(text) > _MAX_NAME + 1:
        raise ValueError(f"a host name has {_MAX_NAME} characters at most")
    name = (text if text.isascii() else _ascii_form(text)).lower().removesuffix(".")
    if len(name) > _MAX_NAME:
        raise ValueError(f"a host name has {_MAX_NAME} characters at most")
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("neither an address, a network, a range nor a host name")
    if ends_in_number(name):
        raise ValueError("neither an address nor a host name (a name does not end in a number)")
    return name


def ends_in_number(name: str) -> bool:
    """Tell whether a text, without a final dot, ends in a number, so that it may be read as an IPv4 address."""
    return _NUMBER.fullmatch(name.lower().removesuffix(".").rpartition(".")[2]) is not None


def _ascii_form(text: str) -> str:
    if not _DEVIATIONS.isdisjoint(text):
        raise ValueError("old and new IDNA read this as different names: write its xn-- form")
    import idna  # noqa: PLC0415  its tables take 10 ms to load, and such names are rare

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        raise ValueError("not an internationalised host name: write its xn-- form") from None
