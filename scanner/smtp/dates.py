"""Read the time that a greeting tells, and write it as ISO 8601.

Two forms are in use: RFC 5322's date ("Sun, 22 Nov 2026 10:16:56 +0000", with the obsolete two-digit years and zone
names of its section 4.3) and that of C's ctime and of date(1) ("Mon Jan  8 05:45:49 2024"). The day of the week is not
looked at, nor a comment after the zone: "-0700 (PDT)" is -0700.

The offset is written as the server told it, `Z` for UTC. A zone that is missing or has no fixed meaning (RFC 5322 4.3:
any name but its ten, "MET" or "CET" among them) gives a time without offset: local time, of a place we do not know.
RFC 5322 3.3: "-0000" tells UTC from a server that does not know its own zone, so it is `Z` as well.
Impossible dates (31 February, 25 o'clock, an offset of a day) are no date; so is the leap second, which no consumer
of ISO 8601 can be trusted to read.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH: Final = "|".join(_MONTHS)
_CLOCK: Final = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?"
_RFC_5322: Final = (
    rf"(?<![0-9])([0-9]{{1,2}}) ({_MONTH}) ([0-9]{{2,4}}) {_CLOCK}(?![0-9:])"
    r"(?: ([+-][0-9]{4}(?![0-9])|[A-Za-z]{1,5}(?![A-Za-z0-9])))?"
)
_CTIME: Final = rf"({_MONTH})  ?([0-9]{{1,2}}) {_CLOCK}(?: ([A-Z]{{1,5}}))? ([0-9]{{4}})(?![0-9])"
_DATE: Final = re.compile(f"{_RFC_5322}|{_CTIME}")
#: The usual date, tried where it must be when the first colon of the greeting is that of its clock: an attempt at one
#: place costs a fifth of a search.
_USUAL: Final = re.compile(rf" ?{_RFC_5322}")
_BEFORE_COLON: Final = len("22 Nov 2026 10")
#: The first year that RFC 5322 3.3 allows.
_FIRST_YEAR: Final = 1900
#: RFC 5322 4.3. Military letters but Z were defined the wrong way round in RFC 822, so they tell nothing.
_ZONES: Final = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0,
    "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8,
}  # fmt: skip


def maybe_server_time(text: str) -> str | None:
    """Return the first date in a line of text as ISO 8601, None when there is none or it is impossible."""
    colon = text.find(":")
    if colon < 0:
        return None
    match = _USUAL.match(text, max(colon - _BEFORE_COLON, 0)) or _DATE.search(text)
    return None if match is None else _iso_date(match[0])


@lru_cache(maxsize=1024)
def _iso_date(date: str) -> str | None:
    """Convert what matched. Cached: within a sweep many servers tell the same second."""
    groups = _DATE.findall(date)[0]
    day, month, year, hour, minute, second, offset = groups[:7]
    if not day:
        month, day, hour, minute, second, offset, year = groups[7:]
    try:
        time = datetime(  # noqa: DTZ001  without a zone it is local time, and shall stay so
            _full_year(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second or 0)
        )
        zone = _maybe_zone(offset)
    except ValueError:
        return None
    return time.replace(tzinfo=zone).isoformat().replace("+00:00", "Z")


def _full_year(digits: str) -> int:
    """Complete an obsolete year (RFC 5322 4.3): 00 to 49 are of this century, other short ones count from 1900."""
    year = int(digits)
    if len(digits) == 2 and year < 50:
        year += 2000
    elif len(digits) < 4:
        year += 1900
    if year < _FIRST_YEAR:
        raise ValueError(f"year {year}: before {_FIRST_YEAR}")
    return year


def _maybe_zone(offset: str) -> tzinfo | None:
    """Return the zone that is told; None when there is none or its name has no fixed meaning."""
    if offset.startswith(("+", "-")):
        minutes = int(offset[3:])
        if minutes >= 60:
            raise ValueError(f"offset {offset}: an hour has 60 minutes")
        sign = -1 if offset[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=minutes))
    hours = _ZONES.get(offset.upper())
    return None if hours is None else timezone(timedelta(hours=hours)) if hours else UTC
