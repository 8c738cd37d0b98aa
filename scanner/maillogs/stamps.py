"""Read the time stamps of log lines: where a stamp ends, and which Unix time it means.

A classic syslog stamp (RFC 3164: "Nov 22 10:04:01") has neither year nor zone. The year is the latest that does not
put the line after its file's last change (a day of grace for zones); with a year given, that is the one of the first
line, and a step back of more than half a year means that the next one has begun. Some programs write the year before
or after the time, the day of the week, a fraction, or the name of the zone. ISO stamps (RFC 3339, RFC 5424) carry all;
those with a blank for the T (Exim's main log, databases, some syslog templates) often lack the zone. A stamp without a
zone is in this machine's zone unless another is named. The name of a zone counts when it is the name of that zone at
the time, or has a single meaning; CST and IST have several. Numbers are seconds since
1970, or smaller parts of them. Dates in numbers are read where the year stands
first or points stand between them: with slashes, the day or the month may come first.

Left out: the hour that a zone goes through twice in autumn is taken for the first one; clocks of twelve hours; names
of months in other languages, which no syslog writes.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from scanner import lazy

_MONTHS = {b"Jan": 1, b"Feb": 2, b"Mar": 3, b"Apr": 4, b"May": 5, b"Jun": 6,
           b"Jul": 7, b"Aug": 8, b"Sep": 9, b"Oct": 10, b"Nov": 11, b"Dec": 12}  # fmt: skip
#: Minutes ahead of UTC, of the names that have one meaning in logs (RFC 822 5.1 for America's).
_ZONES = {
    b"Z": 0, b"UTC": 0, b"GMT": 0, b"WET": 0, b"WEST": 60, b"CET": 60, b"CEST": 120, b"MEZ": 60, b"MESZ": 120,
    b"EET": 120, b"EEST": 180, b"MSK": 180, b"JST": 540, b"KST": 540, b"AEST": 600, b"AEDT": 660, b"NZST": 720,
    b"NZDT": 780, b"EST": -300, b"EDT": -240, b"CDT": -300, b"MST": -420, b"MDT": -360, b"PST": -480, b"PDT": -420,
}  # fmt: skip
#: Names that are believed only when they are those of the zone that applies anyway.
_DOUBTFUL_ZONES = (b"CST", b"IST", b"BST", b"SST", b"AST", b"ADT")
_DAY_S = 86_400.0
#: TAI64N counts from 2^62, ten seconds ahead of Unix time (the labels of daemontools).
_TAI_64 = (1 << 62) + 10
#: The first second of year 1 and of year 9999.
_EARLIEST, _LATEST = -62_135_596_800.0, 253_370_764_800.0
#: Stamps kept with their time. Lines come many to a second, so the last few would do.
_MOST_KEPT = 4096

_CLOCK = rb"(?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
_MONTH = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_OFFSET = rb"[+-]\d\d(?::?\d\d)?"
_ZONE = rb"(?: ?(?P<zone>%b|%b)(?![\w.-]))?" % (_OFFSET, b"|".join([*_ZONES, *_DOUBTFUL_ZONES]))
_WEEKDAY = rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
_FORMS = tuple(
    lazy.pattern(form)
    for form in (
        _WEEKDAY + _MONTH + rb" {1,2}(?P<day>\d{1,2})(?:,? (?P<year>\d{4}))?,? " + _CLOCK
        + rb"(?: (?P<late_year>\d{4})(?!\S))?" + _ZONE + rb"(?: (?P<last_year>\d{4})(?!\S))?",
        _WEEKDAY + rb"(?P<year>\d{4})[-/](?P<number>\d\d)[-/](?P<day>\d\d)[T _]" + _CLOCK + _ZONE,
        rb"(?P<day>\d\d)\.(?P<number>\d\d)\.(?P<year>\d{4}),? " + _CLOCK + _ZONE,
        _WEEKDAY + rb"(?P<day>\d{1,2})[ /-]" + _MONTH + rb"[ /-](?P<year>\d{4})[ :]" + _CLOCK + _ZONE,
        rb"(?P<year>\d{4}) " + _MONTH + rb" {1,2}(?P<day>\d{1,2}) " + _CLOCK + _ZONE,
        rb"(?P<year>20\d\d)(?P<number>\d\d)(?P<day>\d\d)T?(?P<clock>\d{6})(?:\.(?P<fraction>\d{1,9}))?" + _ZONE,
        rb"(?P<unix>\d{9,10}(?:\.\d{1,9})?)",
        rb"(?P<parts>1\d{12}(?:\d{6}|\d{3})?)",
        rb"@(?P<tai>4[0-9a-f]{15})(?P<nanoseconds>[0-9a-f]{8})",
    )
)  # fmt: skip


#: What the library reads by itself, in a tenth of the time.
_PLAIN_ISO = lazy.pattern(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
#: What may stand behind a stamp; else it is the begin of another word.
_ENDS = (b"", b" ", b"\t", b":", b"]")


def maybe_stamp(text: bytes) -> re.Match[bytes] | None:
    """Return the stamp that a text begins with, None when it begins with none."""
    for form in _FORMS:
        if (match := form.match(text)) and text[match.end() : match.end() + 1] in _ENDS:
            return match
    return None


def is_in_range(time: float) -> bool:
    """Tell whether a Unix time is one that can be written as a date, of the years 1 to 9998."""
    return _EARLIEST <= time < _LATEST


def names_its_zone(stamp: bytes) -> bool:
    """Tell whether a stamp, as `maybe_stamp` found it, means one moment whatever this machine's zone is."""
    match = maybe_stamp(stamp)
    groups = {} if match is None else match.groupdict()
    return (
        any(groups.get(name) for name in ("unix", "parts", "tai"))
        or (groups.get("zone") or b"CST") not in _DOUBTFUL_ZONES
    )


class Stamps:
    """Turns the stamps of one file into Unix time.

    `changed_at` is when the file was last written to (Unix seconds). `zone` is that of stamps without one, None for
    this machine's.
    """

    def __init__(self, changed_at: float, zone: tzinfo | None = None, year: int | None = None) -> None:
        self._changed_at = changed_at
        self._zone = zone
        self._year = year
        self._month = 0
        self._kept: dict[bytes, float | None] = {}

    def maybe_time(self, stamp: bytes) -> float | None:
        """Return the Unix time of a stamp in any of the forms; None when there is no such date."""
        try:
            return self._kept[stamp]
        except KeyError:
            pass
        try:
            time = self._time(stamp)
        except (ValueError, OverflowError, OSError):  # 31 February; a year that the platform's clock cannot hold
            time = None
        if time is not None and not is_in_range(time):
            time = None
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[stamp] = time
        return time

    def _time(self, stamp: bytes) -> float | None:
        if _PLAIN_ISO.fullmatch(stamp):
            return self._timestamp(datetime.fromisoformat(stamp.decode("ascii")))
        match = maybe_stamp(stamp)
        if match is None or match.end() != len(stamp):
            return None
        groups = match.groupdict(b"")
        if groups.get("unix"):
            return float(groups["unix"])
        if parts := groups.get("parts"):  # milliseconds and smaller
            return float(parts[:10] + b"." + parts[10:])
        if groups.get("tai"):
            return int(groups["tai"], 16) - _TAI_64 + int(groups["nanoseconds"], 16) / 1e9
        return self._dated(groups)

    def _dated(self, groups: dict[str, bytes]) -> float | None:
        month = int(groups["number"]) if "number" in groups else _MONTHS[groups["month"]]
        clock = groups["clock"].replace(b":", b"")
        hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:])
        fraction = int(groups["fraction"][:6].ljust(6, b"0")) if groups["fraction"] else 0
        zone = groups["zone"]
        year = groups["year"] or groups.get("late_year") or groups.get("last_year")

        def in_year(number: int) -> float:
            time = datetime(number, month, int(groups["day"]), hour, minute, second, fraction)  # noqa: DTZ001  comes next
            return self._timestamp(time) if not zone else self._in_zone(time, zone)

        return in_year(int(year)) if year else self._without_year(month, in_year)

    def _without_year(self, month: int, in_year: Callable[[int], float]) -> float | None:
        if self._year is not None:
            self._turn_the_year(month)
            return in_year(self._year)
        latest = datetime.fromtimestamp(self._changed_at, self._zone or UTC).year + 1
        for year in range(latest, latest - 9, -1):  # 29 February can be eight years away
            try:
                time = in_year(year)
            except ValueError:
                continue
            if time <= self._changed_at + _DAY_S:
                return time
        return None

    def _turn_the_year(self, month: int) -> None:
        if self._year is not None and month < self._month - 6:
            self._year += 1
            self._kept.clear()
        self._month = month

    def _in_zone(self, time: datetime, zone: bytes) -> float:
        """Return the Unix time of a time whose zone is named, or given as hours and minutes."""
        if zone[:1] in {b"+", b"-"}:
            minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(b":") or 0)
            return time.replace(
                tzinfo=timezone(timedelta(minutes=-minutes if zone[:1] == b"-" else minutes))
            ).timestamp()
        applies = time.astimezone() if self._zone is None else time.replace(tzinfo=self._zone)
        if applies.tzname() == zone.decode("ascii") or zone not in _ZONES:
            return applies.timestamp()
        return time.replace(tzinfo=timezone(timedelta(minutes=_ZONES[zone]))).timestamp()

    def _timestamp(self, time: datetime) -> float:
        if time.tzinfo is None and self._zone is not None:
            time = time.replace(tzinfo=self._zone)
        return time.timestamp()  # without a zone: this machine's
