"""Read nmap's octet ranges and globs: `192.0.2-3.1,5,10-20`, `192.0.2.*`.

Each of the four parts is a list of numbers and ranges, and the pattern stands for every combination. The result is
intervals, not addresses: `10.*.*.*` is one. (netaddr reads these patterns too, but yields one object per address.)

This is stricter than nmap where a slip would widen the target. A range needs both its ends, and a number with a leading
zero is refused, since some programs read 010 as 8 and others as 10 (RFC 6943, 3.1.1).
"""

import numpy as np
from numpy.typing import NDArray

#: The most separate ranges one pattern may make: `*.*.*.1` would be 16 million.
MAX_RANGES = 2**20

_OCTET = 256


def parse_octets(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the firsts and lasts of the address ranges that an octet pattern stands for; they may touch.

    Raises:
        ValueError: with what is wrong and what to do.
    """
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(
            f"an IPv4 address has four numbers, this has {len(parts)} (white space separates targets, "
            "a comma only the numbers of one octet)"
        )
    firsts = lasts = np.zeros(1, np.int64)
    size = 1  # how many addresses the parts read so far, from the right, can name
    for part in reversed(parts):
        octets = np.flatnonzero(_octet_flags(part))
        if len(firsts) == 1 and lasts[0] - firsts[0] + 1 == size:  # all of them: neighbouring octets join up
            opens = np.append(True, np.diff(octets) > 1)
            closes = np.append(opens[1:], True)
            firsts, lasts = octets[opens] * size, (octets[closes] + 1) * size - 1
        else:
            if len(octets) * len(firsts) > MAX_RANGES:
                raise ValueError(f"it stands for more than {MAX_RANGES:,} separate ranges: name whole networks instead")
            bases = octets[:, np.newaxis] * size
            firsts, lasts = (bases + firsts).ravel(), (bases + lasts).ravel()
        size *= _OCTET
    return firsts, lasts


def _octet_flags(part: str) -> NDArray[np.bool_]:
    """Return for each of 0 to 255 whether one part of a pattern names it."""
    flags = np.zeros(_OCTET, np.bool_)
    for item in part.split(","):
        if item == "*":
            flags[:] = True
            continue
        low, dash, high = item.partition("-")
        first = parse_octet(low)
        last = parse_octet(high) if dash else first
        if last < first:
            raise ValueError(f"the range {item} runs backwards")
        flags[first : last + 1] = True
    return flags


def parse_octet(text: str) -> int:
    """Read one number of an IPv4 address.

    Raises:
        ValueError: when it is not 0 to 255 in plain decimal digits.
    """
    if not text:
        raise ValueError("a number is missing: a range needs both its ends, a list something between its commas")
    if not (text.isascii() and text.isdigit()):
        raise ValueError("each of the four parts is a number, a range, a list of these, or *")
    if len(text) > 1 and text.startswith("0"):
        raise ValueError(f"the leading zero of {text[:8]} is ambiguous (octal or decimal?): write it without")
    if len(text) > 3 or int(text) >= _OCTET:
        raise ValueError(f"{text[:8]} is more than 255")
    return int(text)
