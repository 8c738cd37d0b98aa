"""Parse the time in a greeting and write it as ISO 8601.

Two forms are usual: RFC 5322's date ("Sun, 22 Nov 2026 10:16:56 +0000", with the obsolete two-digit years and zone
names of its section 4.3) and that of C's ctime and of date(1) ("Mon Jan  8 05:45:49 2024"). Others are rarer: ISO 8601,
numbers with slashes or dots ("03/01/16 09:28:32", "14.11.2023 10:20:30"), the American form with the month in front
("Nov 14, 2023 10:20:30 AM"), dashes ("14-Nov-2023 10:20:30"), and
the time in front or in the middle ("14 Nov 10:20:30 CET 2023"). Blanks may be doubled, names of months written out.
The day of the week is ignored, and so is a comment after the zone: "-0700 (PDT)" is -0700.

Numbers with slashes are month, day, year, as the servers write them that greet so, whatever country they are in; a
first number above 12 is the day. A clock of twelve hours needs its AM or PM behind it.

The offset is kept as the server wrote it, `Z` for UTC; "GMT+1" and "UTC+2" are read as ahead of UTC. A zone that is
missing or has no fixed meaning (RFC 5322 4.3: any name but its ten, "MET" or "CET" among them) gives a time without
offset: the local time of an unknown place.
RFC 5322 3.3: "-0000" tells UTC from a server that does not know its own zone, so it is `Z` as well.
A date of something else, such as the build or the last update, is skipped.
Impossible dates (31 February, 25 o'clock, the year 9999, an offset of a day) are not dates; nor is the leap second,
which few readers of ISO 8601 accept.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from scanner import lazy

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = (
    r"(?i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_SHORT_MONTH: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_CLOCK: Final = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?"
#: An offset, with or without what it is counted from ("GMT+0100", "UTC+2"), or a name that no offset follows.
_OFFSET: Final = (
    r"(?:(?:GMT|UTC)[+-][0-9]{1,2}(?::?[0-9]{2})?|[+-](?:[0-9]{2}(?::?[0-9]{2})?|[0-9]{3}))(?![0-9:])"
    r"|[A-Za-z]{1,5}(?![A-Za-z0-9]|[+-][0-9])"
)
_HALF: Final = r"[AaPp]\.?[Mm](?![A-Za-z0-9])"
_RFC_5322: Final = (
    rf"(?<![0-9])([0-9]{{1,2}}) {{1,2}}({_SHORT_MONTH}) {{1,2}}([0-9]{{2,4}}) {{1,2}}{_CLOCK}(?![0-9:])"
    rf"(?: {{1,2}}({_HALF}))?(?: {{1,2}}({_OFFSET}))?"
)
_CTIME: Final = rf"({_SHORT_MONTH})  ?([0-9]{{1,2}}) {{1,2}}{_CLOCK}(?: ({_OFFSET}))? {{1,2}}([0-9]{{4}})(?![0-9])"
_DATE: Final = lazy.pattern(f"{_RFC_5322}|{_CTIME}")
#: The usual date, tried where it must be when the first colon of the greeting is that of its clock: an attempt at one
#: place costs a fifth of a search.
_USUAL: Final = lazy.pattern(rf" ?{_RFC_5322}")
_BEFORE_COLON: Final = len("22 Nov 2026 10")

_TIME: Final = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?:[.,][0-9]{1,9})?(?![0-9:])"
    rf"(?: ?(?P<half>{_HALF}))?(?: {{0,2}}(?P<zone>{_OFFSET}))?"
)
_BETWEEN: Final = r",?(?: {1,2}| {1,2}at )"
#: The rarer dates, tried one after the other where the usual ones are not found.
_RARE: Final = tuple(
    lazy.pattern(rf"(?<![0-9A-Za-z./-]){form}")
    for form in (
        rf"(?P<year>[0-9]{{4}})[-/.](?P<month>[0-9]{{1,2}})[-/.](?P<day>[0-9]{{1,2}})(?:T|,? {{1,2}}){_TIME}",
        rf"(?P<month>[0-9]{{1,2}})/(?P<day>[0-9]{{1,2}})/(?P<year>[0-9]{{4}}|[0-9]{{2}}){_BETWEEN}{_TIME}",
        rf"(?P<day>[0-9]{{1,2}})\.(?P<month>[0-9]{{1,2}})\.(?P<year>[0-9]{{4}}|[0-9]{{2}}){_BETWEEN}{_TIME}",
        rf"(?P<day>[0-9]{{1,2}})[ /-](?P<month>{_MONTH})[ .,/-]{{1,2}}(?P<year>[0-9]{{4}}|[0-9]{{2}}){_BETWEEN}{_TIME}",
        rf"(?P<day>[0-9]{{1,2}})[ /-](?P<month>{_MONTH})[ /-](?P<year>[0-9]{{4}}):{_TIME}",
        rf"(?P<month>{_MONTH})\.? {{1,2}}(?P<day>[0-9]{{1,2}}),? {{1,2}}(?P<year>[0-9]{{4}}){_BETWEEN}{_TIME}",
        rf"(?P<day>[0-9]{{1,2}}) (?P<month>{_MONTH}) {{1,2}}{_TIME} {{1,2}}(?P<year>[0-9]{{4}})(?![0-9])",
        rf"{_TIME},? {{1,2}}(?P<day>[0-9]{{1,2}})[ -](?P<month>{_MONTH})[ -](?P<year>[0-9]{{4}})(?![0-9])",
        rf"(?P<year>(?:19|20)[0-9]{{2}})(?P<month>[01][0-9])(?P<day>[0-3][0-9])[T ]{_TIME}",
    )
)
_SLASHES: Final = _RARE[1]
#: Rare forms of dates are searched for in this many characters of a line, twice what RFC 5321 allows.
_RARE_WITHIN: Final = 1024
#: What stands before a time that is not that of the greeting: when the server was started, or its program made. The day
#: of the week and a preposition may stand between.
_OTHER_TIMES: Final = frozenset(
    ("since", "$date", "date$", "built", "build", "compiled", "version", "update", "updated", "modified", "released",
     "release", "started", "restarted", "restart", "booted", "reboot", "installed", "expires", "until")
)  # fmt: skip
#: By their first three letters; "dat" is the date's own name ("Build date: ").
_BETWEEN_WORDS: Final = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun", "on", "at", "of", "dat"))
#: As many characters as "installed: on Wednesday, " has, and a blank before them.
_LOOK_BACK: Final = 32
_LOOK_NEAR: Final = 16
#: Stands before the first word, which is whole then.
_NO_WORD: Final = "-"
#: A clock of twelve hours has none above, and none below one.
_NO_HOUR: Final = 24
#: The first year that RFC 5322 3.3 allows.
_FIRST_YEAR: Final = 1900
#: A clock may be set to any year of its century; a later one is not a clock's, and few readers of dates can hold it.
_LAST_YEAR: Final = 2099
#: RFC 5322 4.3. Military letters but Z were defined the wrong way round in RFC 822, so they tell nothing.
_ZONES: Final = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0,
    "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8,
}  # fmt: skip


def maybe_server_time(text: str) -> str | None:
    """Return the first date in a line of text as ISO 8601, None when there is none or it is impossible.

    A date of something else, such as that of the build, is skipped.
    """
    colon = text.find(":")
    if colon < 0:
        return None
    match = _USUAL.match(text, max(colon - _BEFORE_COLON, 0)) or _DATE.search(text)
    while match is not None and _is_other_time(text, match.start()):
        match = _DATE.search(text, match.end())
    return _maybe_rare(text) if match is None else _iso_date(match[0])


def _is_other_time(text: str, start: int) -> bool:
    """Tell whether a word before the date at `start` shows that it is not the date of the greeting."""
    # Most is said within a few characters, which many servers have alike ("Exim 4.96 Sun, "): a look-up, mostly.
    said = _maybe_other_time(text[max(start - _LOOK_NEAR, 0) : start])
    if said is None:
        said = _maybe_other_time(f"{_NO_WORD} {text[max(start - _LOOK_BACK, 0) : start]}")
    return said is True


@lru_cache(maxsize=1024)
def _maybe_other_time(before: str) -> bool | None:
    """Tell whether the words before a date show that it is another one; None when the deciding word may be cut."""
    words = before.lower().split()
    while len(words) > 1:
        word = words.pop().strip(",:;([")
        if word[:3] not in _BETWEEN_WORDS:
            return word in _OTHER_TIMES
    return None


@lru_cache(maxsize=1024)
def _iso_date(date: str) -> str | None:
    """Convert what matched. Cached by its text: within a sweep many servers tell the same second.

    It matches again by itself: no look-ahead of the pattern is decided by what stood behind it.
    """
    groups = _DATE.findall(date)[0]
    day, month, year, hour, minute, second, half, offset = groups[:8]
    if not day:
        month, day, hour, minute, second, offset, year = groups[8:]
    clock = (_hour(int(hour), half) if half else hour, minute, second)
    return _maybe_iso(year, month, day, clock, offset)


def _maybe_rare(text: str) -> str | None:
    """Return a date of the rarer forms; of several in a line that of the form first tried."""
    found = ((form, match) for form in _RARE for match in form.finditer(text, 0, _RARE_WITHIN))
    form, match = next((each for each in found if not _is_other_time(text, each[1].start())), (None, None))
    if match is None:
        return None
    part = match.groupdict(default="")
    month, day, hour = part["month"], part["day"], int(part["hour"])
    if form is _SLASHES and int(month) > 12:
        month, day = day, month
    if part["half"]:
        hour = _hour(hour, part["half"])
    return _maybe_iso(part["year"], month, day, (hour, part["minute"], part["second"]), part["zone"])


def _hour(hour: int, half: str) -> int:
    """Return the hour of 24 for one of a clock of twelve hours; an impossible one stays impossible."""
    return hour % 12 + 12 * (half[0] in "Pp") if 1 <= hour <= 12 else _NO_HOUR


def _maybe_iso(year: str, month: str, day: str, clock: tuple[int | str, ...], zone: str) -> str | None:
    """Return the moment as ISO 8601, None when there is none like it. `month` is a number or begins with its name."""
    hour, minute, second = (int(number or 0) for number in clock)
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
        time = datetime(_full_year(year), number, int(day), hour, minute, second)  # noqa: DTZ001  local time without a zone
        return time.replace(tzinfo=_maybe_zone(zone)).isoformat().replace("+00:00", "Z")
    except ValueError:
        return None


def _full_year(digits: str) -> int:
    """Complete an obsolete year (RFC 5322 4.3): 00 to 49 are of this century, other short ones count from 1900."""
    year = int(digits)
    if len(digits) == 2 and year < 50:
        year += 2000
    elif len(digits) < 4:
        year += 1900
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"year {year}: not from {_FIRST_YEAR} to {_LAST_YEAR}")
    return year


def _maybe_zone(offset: str) -> tzinfo | None:
    """Return the zone that is told; None when there is none or its name has no fixed meaning."""
    sign = max(offset.find("+"), offset.find("-"))
    if sign >= 0:
        digits = offset[sign + 1 :].replace(":", "")
        hours, minutes = (digits, 0) if len(digits) <= 2 else (digits[:-2], int(digits[-2:]))
        if minutes >= 60:
            raise ValueError(f"offset {offset}: an hour has 60 minutes")
        delta = timedelta(hours=int(hours), minutes=minutes)
        return timezone(-delta if offset[sign] == "-" else delta)
    ahead = _ZONES.get(offset.upper())
    return None if ahead is None else timezone(timedelta(hours=ahead)) if ahead else UTC
