"""Read addresses, ports, times and names, as other scanners write them, into what a record can hold.

Readers of records refuse a time that no sweep can have had, so such a time is left out and noted. The same is done with
a name that is not a host name. An address that cannot be read makes its whole entry unreadable.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from scanner import lazy
from scanner.targets.address import V4_BITS, parse_address, v4_text, v6_text
from scanner.targets.hostname import parse_host_name

#: Plausible Unix seconds: not 0, which stands for "not set", and before the year 2100. Larger numbers are milliseconds
#: or nonsense.
_FIRST_SECOND: Final = 1
_LAST_SECOND: Final = 4_102_444_800
_SECONDS: Final = lazy.pattern(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_SHOWN: Final = 60

#: The value, and a note when it was left out.
Time = tuple[float | None, str | None]


def maybe_address(value: object) -> str | None:
    """Return an address as records write it; None for None.

    Raises:
        ValueError: when it is not an address.
    """
    if value is None:
        return None
    bits, number = parse_address(str(value))
    return v4_text(number) if bits == V4_BITS else v6_text(number)


def maybe_port(value: object) -> int | None:
    """Return a port, which may be written as text; None when it is not a port."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch("[0-9]{1,5}", value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else None


def maybe_seconds(value: object) -> Time:
    """Read Unix seconds; a missing value is None without a note."""
    text = str(value)
    if value is None or not text:
        return None, None
    return _plausible(float(text) if _SECONDS.fullmatch(text) else None, text)


def maybe_moment(value: object) -> Time:
    """Read RFC 3339; a time without a zone is in UTC."""
    if value is None or value == "":
        return None, None
    try:
        moment = datetime.fromisoformat(str(value))
        seconds = moment.timestamp() if moment.tzinfo is not None else moment.replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        seconds = None
    return _plausible(seconds, str(value))


def maybe_host(value: object) -> tuple[str | None, str | None]:
    """Read a host name."""
    if value is None or value == "":
        return None, None
    try:
        return parse_host_name(str(value)), None
    except ValueError:
        return None, f"{shown(value)} is not a host name: left out"


def shown(value: Any) -> str:
    """Return a value of a file for a message: printable ASCII of bounded length, in quotes."""
    text = ascii(str(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...'"


def _plausible(seconds: float | None, text: str) -> Time:
    if seconds is not None and _FIRST_SECOND <= seconds < _LAST_SECOND:
        return seconds, None
    return None, f"the time {shown(text)} is implausible, left out"
