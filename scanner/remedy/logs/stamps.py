"""The time stamps of log lines, made Unix time.

A classic syslog stamp (RFC 3164: "Nov 22 10:04:01") has neither year nor zone. The year is the latest that does not
put the line after its file's last change (a day of grace for zones); with a year given, that is the one of the first
line, and a step back of more than half a year means that the next one has begun. The zone is this machine's unless
another is named. ISO stamps (RFC 3339, RFC 5424) carry both; Exim's own stamp has a year, and a zone if it was told to.

Left out: the hour that a zone goes through twice in autumn is taken for the first one.
"""

import re
from datetime import UTC, datetime, tzinfo

_MONTHS = {b"Jan": 1, b"Feb": 2, b"Mar": 3, b"Apr": 4, b"May": 5, b"Jun": 6,
           b"Jul": 7, b"Aug": 8, b"Sep": 9, b"Oct": 10, b"Nov": 11, b"Dec": 12}  # fmt: skip
_DAY_S = 86_400.0
#: Stamps kept with their time. Lines come many to a second, so the last few would do.
_MOST_KEPT = 4096
_EXIM = re.compile(rb"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?: ([+-]\d\d)(\d\d))?")


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
        """Return the Unix time of a stamp in any of the three forms; None when there is no such date."""
        try:
            return self._kept[stamp]
        except KeyError:
            pass
        try:
            time = self._without_year(stamp) if stamp[3:4] == b" " else self._with_year(stamp)
        except (ValueError, OverflowError, OSError):  # 31 February; a year that the platform's clock cannot hold
            time = None
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[stamp] = time
        return time

    def _with_year(self, stamp: bytes) -> float:
        if match := _EXIM.fullmatch(stamp):
            day, clock, hours, minutes = match.groups(b"")
            stamp = day + b"T" + clock + (hours + b":" + minutes if hours else b"")
        return self._timestamp(datetime.fromisoformat(stamp.decode("ascii")))

    def _without_year(self, stamp: bytes) -> float | None:
        month = _MONTHS.get(stamp[:3], 0)
        if self._year is not None:
            self._turn_the_year(month)
            return self._in_year(self._year, month, stamp)
        latest = datetime.fromtimestamp(self._changed_at, self._zone or UTC).year + 1
        for year in range(latest, latest - 9, -1):  # 29 February can be eight years away
            try:
                time = self._in_year(year, month, stamp)
            except ValueError:
                continue
            if time <= self._changed_at + _DAY_S:
                return time
        return None

    def _turn_the_year(self, month: int) -> None:
        if self._year is not None and month and month < self._month - 6:
            self._year += 1
            self._kept.clear()
        self._month = month or self._month

    def _in_year(self, year: int, month: int, stamp: bytes) -> float:
        hour, minute, second = map(int, stamp[7:].split(b":"))
        return self._timestamp(
            datetime(year, month, int(stamp[4:6]), hour, minute, second)  # noqa: DTZ001  the zone comes next
        )

    def _timestamp(self, time: datetime) -> float:
        if time.tzinfo is None and self._zone is not None:
            time = time.replace(tzinfo=self._zone)
        return time.timestamp()  # without a zone: this machine's
