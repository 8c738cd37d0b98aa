"""Server times: what mail servers write, as ISO 8601."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from time import asctime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.smtp.dates import maybe_server_time

GREETED = [
    ("h ESMTP Exim 4.96 Sun, 22 Nov 2026 10:16:56 +0000", "2026-11-22T10:16:56Z"),
    ("h ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT", "2026-11-22T10:16:56Z"),
    ("h; Thu, 30 Nov 2017 10:25:48 +0100; (No UCE/UBE) from: x(OK)-x [10.0.0.1]", "2017-11-30T10:25:48+01:00"),
    ("h; Fri, 2 May 2025 00:33:23 GMT", "2025-05-02T00:33:23Z"),
    ("h; Mon, 01 Jan 2024 00:27:12 +0900", "2024-01-01T00:27:12+09:00"),
    ("ready at Tue, 6 Feb 2001 16:39:30 -0300 (GMT-0300)", "2001-02-06T16:39:30-03:00"),
    ("h Version: 6.0.3790.4675 ready at  Thu, 5 Jun 2008 11:09:00 +0200 ", "2008-06-05T11:09:00+02:00"),
    (
        "h Revision 1.004:: HP-UX11.31 - 03rd February,2010/8.11.1; Wed, 20 May 2015 23:35:38 GMT",
        "2015-05-20T23:35:38Z",
    ),
    ("Mon, 30 Jul 2001 02:50:22 -0700 (PDT)", "2001-07-30T02:50:22-07:00"),
    ("Tue, 16 Jan 2018 10:50:39 +0100 (MET)", "2018-01-16T10:50:39+01:00"),
    ("1 Jan 2024 00:00 +0530", "2024-01-01T00:00:00+05:30"),
    ("Fri, 28 Aug 1970 19:42:05 -0000", "1970-08-28T19:42:05Z"),
]


@pytest.mark.parametrize(("text", "iso"), GREETED)
def test_the_date_of_a_greeting_is_read(text: str, iso: str) -> None:
    assert maybe_server_time(text) == iso


@pytest.mark.parametrize(
    ("year", "full"),
    [("85", "1985"), ("50", "1950"), ("49", "2049"), ("00", "2000"), ("99", "1999"), ("103", "2003"), ("2026", "2026")],
)
def test_short_years_follow_rfc_5322(year: str, full: str) -> None:
    assert maybe_server_time(f"Wed, 18 Dec {year} 11:14:07 GMT") == f"{full}-12-18T11:14:07Z"


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("Z", "Z"), ("UT", "Z"), ("UTC", "Z"), ("gmt", "Z"),
        ("EDT", "-04:00"), ("EST", "-05:00"), ("CDT", "-05:00"), ("CST", "-06:00"),
        ("MDT", "-06:00"), ("MST", "-07:00"), ("PDT", "-07:00"), ("PST", "-08:00"),
        ("MET", ""), ("CET", ""), ("JST", ""), ("A", ""), ("(MET)", ""), ("+01000", ""), ("ready", ""), ("", ""),
    ],
)  # fmt: skip
def test_named_zones_are_the_ten_of_rfc_5322_and_others_leave_the_offset_unknown(zone: str, offset: str) -> None:
    assert maybe_server_time(f"18 Dec 2024 11:14:07 {zone}") == f"2024-12-18T11:14:07{offset}"


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("h ESMTP Sendmail 8.5.4; Mon Jan  8 05:45:49 2024", "2024-01-08T05:45:49"),
        ("Sun Nov 22 10:16:56 2026 ready", "2026-11-22T10:16:56"),
        ("Sun Nov 22 10:16:56 UTC 2026", "2026-11-22T10:16:56Z"),
        ("Sun Nov 22 10:16:56 CET 2026", "2026-11-22T10:16:56"),
    ],
)
def test_the_form_of_ctime_has_no_offset_unless_it_names_a_zone(text: str, iso: str) -> None:
    assert maybe_server_time(text) == iso


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        # Blanks doubled, as text-mode output and `%e` of strftime write them
        ("ready at Thu, 30 Nov 2017  10:01:06 +0100", "2017-11-30T10:01:06+01:00"),
        ("h ESMTP; Fri,  6 Apr  2018 04:34:11  +0200", "2018-04-06T04:34:11+02:00"),
        ("h Sun Nov  1  10:16:56  2026", "2026-11-01T10:16:56"),
        # ISO 8601
        ("h ready at 2023-11-14T10:20:30Z", "2023-11-14T10:20:30Z"),
        ("h ready 2023-11-14T10:20:30.123+01:00", "2023-11-14T10:20:30+01:00"),
        ("h; 2023-11-14 10:20:30 +0530", "2023-11-14T10:20:30+05:30"),
        ("h (2023/11/14 10:20)", "2023-11-14T10:20:00"),
        # Numbers with slashes: month, day, year, unless that cannot be
        ("Version: 1.8-- ready at 05/20/15 08:50:22", "2015-05-20T08:50:22"),
        ("ready at 03/01/16 09:28:32", "2016-03-01T09:28:32"),
        ("ready at 13/01/2016 9:28:32", "2016-01-13T09:28:32"),
        ("Version: 3.9 - build: 5912; 5/5/15 5:55 AM", "2015-05-05T05:55:00"),
        ("11/14/2023 12:20:30 AM", "2023-11-14T00:20:30"),
        ("11/14/2023 12:20:30 PM", "2023-11-14T12:20:30"),
        ("11/14/2023 1:20:30 p.m", "2023-11-14T13:20:30"),
        # Dots, dashes, names of months written out, the month in front
        ("h 14.11.2023 10:20:30", "2023-11-14T10:20:30"),
        ("h 14.11.23, 10:20", "2023-11-14T10:20:00"),
        ("h Tue, 14-Nov-2023 10:20:30 GMT", "2023-11-14T10:20:30Z"),
        ("h 14-NOV-2023 10:20:30.12", "2023-11-14T10:20:30"),
        ("h 14 November 2023 10:20:30 PST", "2023-11-14T10:20:30-08:00"),
        ("h Nov 14, 2023 10:20:30 PM", "2023-11-14T22:20:30"),
        ("h Tuesday, November 14, 2023 at 1:20:30 PM", "2023-11-14T13:20:30"),
        ("h Tue Nov 14 2023 10:20:30 GMT+0100 (CET)", "2023-11-14T10:20:30+01:00"),
        ("h Tue, 14 Nov 2023 10:20:30 PM", "2023-11-14T22:20:30"),
        ("h 18 Dec 85 11:14:07 Pm\u00c3\u00bcller", "1985-12-18T23:14:07"),
        ("h Tue, 14 Nov 2023 10:20:30 am", "2023-11-14T10:20:30"),
        ("h [14/Nov/2023:10:20:30 +0000]", "2023-11-14T10:20:30Z"),
        ("h Tue Nov 14 10:20:30 +0100 2023", "2023-11-14T10:20:30+01:00"),
        ("h 1 Jan 2024 1:00:00 GMT", "2024-01-01T01:00:00Z"),
    ],
)
def test_rarer_forms_are_read(text: str, iso: str) -> None:
    assert maybe_server_time(text) == iso


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("GMT+0100", "+01:00"), ("GMT-5", "-05:00"), ("UTC+2", "+02:00"), ("UTC-03:30", "-03:30"), ("+01:00", "+01:00"),
        ("-03", "-03:00"), ("UTC+0", "Z"), ("GMT+0530 (IST)", "+05:30"), ("PM -0500", "-05:00"), ("EST-5", ""),
        ("GMT+12345", ""), ("GMT-0300", "-03:00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("date", ["22 Nov 2026 {}:16:56 {}", "2026-11-22 {}:16:56 {}", "11/22/26 {}:16:56 {}"])
def test_an_offset_behind_a_name_or_a_half_counts_in_every_form(date: str, zone: str, offset: str) -> None:
    hour = "10" if "PM" in zone else "22"
    assert maybe_server_time(date.format(hour, zone)) == f"2026-11-22T22:16:56{offset}"


def test_an_offset_behind_a_name_counts_in_the_form_of_ctime() -> None:
    assert maybe_server_time("Sun Nov 22 10:16:56 GMT+01:00 2026") == "2026-11-22T10:16:56+01:00"
    assert maybe_server_time("22 Nov 2026 10:16:56 GMT+99") is None


@pytest.mark.parametrize(
    "word", ["built", "(built", "since", "compiled on", "Last update:", "$Date:", "Last modified at"]
)
@pytest.mark.parametrize(
    "date",
    [
        "Mon, 1 Jan 2018 10:00:00 +0000", "1 Jan 2018 10:00:00 GMT", "Mon Jan  1 10:00:00 2018", "2018-01-01 10:00:00",
        "Jan 1, 2018 10:00:00 AM", "Monday, 01/01/2018 10:00:00",
    ],
)  # fmt: skip
def test_the_date_of_something_else_is_passed_over_in_every_form(word: str, date: str) -> None:
    assert maybe_server_time(f"h ESMTP Foo 8.0 {word} {date}) ready") is None
    told = "2026-11-22T10:16:56Z"
    assert maybe_server_time(f"h Foo 8.0 {word} {date}); Sun, 22 Nov 2026 10:16:56 +0000") == told
    assert maybe_server_time(f"h Foo 8.0 {word} {date}); 2026-11-22T10:16:56Z") == told


@pytest.mark.parametrize(
    "text",
    [
        "(SMTP) hMailServer 4.4.1 - Up since 2026-11-22 09:51:55", "InterScan $Date: 04/24/2001 16:13:31 $ Ready",
        "2023-02-30 10:20:30", "31/31/16 10:10:10", "11/14/2023 13:20:30 PM", "11/14/2023 0:20:30 AM",
        "1.2.3.4 10:20", "8.14.7/8.13.8 10:20", "120/11/2023 10:20:30", "2023-11-14 10:20:30:40", "2023-11-14 24:20:30",
        "Foo 14, 2023 10:20:30", "14.11.2023 10:200",
    ],
)  # fmt: skip
def test_other_times_and_numbers_are_no_date_of_a_greeting(text: str) -> None:
    assert maybe_server_time(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "h ESMTP Postfix", "12:30", "[IPv6:2001:db8::1] ESMTP", "Mon, 30 Jul",
        "31 Feb 2024 10:00:00 +0000", "29 Feb 2023 10:00:00 +0000",
        "00 Jan 2024 10:00:00 GMT", "32 Jan 2024 10:00:00 GMT",
        "1 Jan 2024 25:00:00 GMT", "1 Jan 2024 10:60:00 GMT", "1 Jan 2024 10:00:60 GMT", "1 Jan 1899 10:00:00 GMT",
        "1 Jan 2024 10:00:00 +2400", "1 Jan 2024 10:00:00 +0060", "1 Jan 2024 10:00:00 -9999",
        "1 Jan 9999 10:00:00 GMT", "1 Jan 2100 10:00:00 GMT",
        "1 Jan 19100 10:00:00 GMT", "101 Jan 2024 10:00:00 GMT", "1 Foo 2024 10:00:00 GMT",
        "1 Jan 2024 10:000", "Mon Jan  8 05:45:49 20245", "\u0661 Jan 2024 10:00:00 GMT",
    ],
)  # fmt: skip
def test_what_is_no_date_or_impossible_is_none(text: str) -> None:
    assert maybe_server_time(text) is None


def test_the_first_date_counts_even_behind_an_earlier_colon() -> None:
    assert maybe_server_time("at: x 1 Jan 24 10:00:00 GMT, 2 Jan 2024 10:00:00 GMT") == "2024-01-01T10:00:00Z"


def test_a_day_is_not_read_out_of_a_longer_number_in_the_place_of_the_usual_date() -> None:
    assert maybe_server_time("122 Nov 2026 10:16:56 +0000") is None


moments = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 30)).map(lambda time: time.replace(microsecond=0))  # noqa: DTZ001  bounds of local time
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets, st.sampled_from(["", "mail.example.com ESMTP Exim 4.96 ", "Version: 6 "]))
def test_every_rfc_5322_date_is_the_moment_that_the_standard_library_reads(
    moment: datetime, offset: timezone, before: str
) -> None:
    date = format_datetime(moment.replace(tzinfo=offset))
    iso = maybe_server_time(before + date)
    assert iso is not None
    read = datetime.fromisoformat(iso)
    assert read == parsedate_to_datetime(date).replace(tzinfo=offset)
    assert iso.endswith("Z") == (offset.utcoffset(None) == UTC.utcoffset(None))


@given(moments)
def test_every_ctime_is_local_time_without_offset(moment: datetime) -> None:
    assert maybe_server_time("ready; " + asctime(moment.timetuple())) == moment.isoformat()


@given(st.text(alphabet="0123456789:+-/. JanGMTAPM,", max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    iso = maybe_server_time(text)
    if iso is not None:
        assert datetime.fromisoformat(iso).year >= 1900


@given(
    st.sampled_from(["18 Dec 85 11:14:07", "1 Jan 2024 1:00", "Jan  1 10:00:00 UTC 2024", "1 Jan 2024 10:00"]),
    st.text(alphabet=" :.+-0123456789APMapmZz\u00c3\u00e9\t", max_size=12),
)
def test_what_follows_a_date_never_makes_it_unreadable(date: str, after: str) -> None:
    iso = maybe_server_time(f"h; {date}{after}")
    assert iso is None or datetime.fromisoformat(iso).year in {1985, 2024}
