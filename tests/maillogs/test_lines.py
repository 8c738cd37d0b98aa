"""Claims about the lines of mail logs: every form of stamp and envelope, broken lines, packed and rotated files."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import zstandard

from scanner.errors import InputError
from scanner.maillogs.events import LogSoftware
from scanner.maillogs.lines import MAX_LINE_BYTES, LineCounts, oldest_first, read_log
from scanner.maillogs.stamps import Stamps
from tests.support.mail_logs import CHANGED_AT, DATA, PREFIX, connections, log_file
from tests.support.mail_logs import unix_time as at


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (b"Nov 23 20:16:53", "2026-11-23T20:16:53Z"),
        (b"Nov  3 20:16:53", "2026-11-03T20:16:53Z"),
        (b"Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
        (b"Nov 24 20:16:53", "2026-11-24T20:16:53Z"),  # a day of grace
        (b"Nov 25 20:16:53", "2025-11-25T20:16:53Z"),
        (b"Feb 29 00:00:00", "2024-02-29T00:00:00Z"),
        (b"2026-11-22T10:04:01.250+02:00", "2026-11-22T08:04:01.250Z"),
        (b"2026-11-22T10:04:01Z", "2026-11-22T10:04:01Z"),
        (b"2026-11-22T10:04:01.123456789Z", "2026-11-22T10:04:01.123456Z"),
        (b"2026-11-22 10:04:55", "2026-11-22T10:04:55Z"),
        (b"2026-11-22 10:04:55.125", "2026-11-22T10:04:55.125Z"),
        (b"2026-11-22 10:04:55 +0100", "2026-11-22T09:04:55Z"),
        (b"2026-11-22 10:04:55 -03", "2026-11-22T13:04:55Z"),
        (b"Nov 22 2019 10:04:55", "2019-11-22T10:04:55Z"),
        (b"Fri Nov 22 10:04:55 MST 2019", "2019-11-22T17:04:55Z"),
        (b"Nov 22 10:04:55 CEST", "2026-11-22T08:04:55Z"),
        (b"Nov 22 10:04:55 CST", "2026-11-22T10:04:55Z"),  # several zones: not believed
        (b"Nov 22 10:04:55.5", "2026-11-22T10:04:55.500Z"),
        (b"1795465013.25", "2026-11-23T20:16:53.250Z"),
    ],
)
def test_a_stamp_is_a_time(stamp: bytes, time: str) -> None:
    assert Stamps(CHANGED_AT, UTC).maybe_time(stamp) == at(time)


@pytest.mark.parametrize(
    "stamp",
    [b"Nov 31 10:00:00", b"Foo 01 10:00:00", b"Nov 01 25:00:00", b"2026-13-01T00:00:00Z", b"2026-02-30 10:00:00",
     b"Nov 31 10:00:00 UTC",
     b"Nov 01 10:00:00 +9999", b"99999999999", b"@4fffffffffffffff00000000", b"Nov 01", b"Nov 01 10:00:00 x"],
)  # fmt: skip
def test_an_impossible_date_is_none(stamp: bytes) -> None:
    assert Stamps(CHANGED_AT, UTC).maybe_time(stamp) is None
    assert Stamps(CHANGED_AT, UTC, 2026).maybe_time(stamp) is None


def test_stamps_without_a_zone_are_of_the_zone_named_or_of_this_machine() -> None:
    assert Stamps(CHANGED_AT, timezone(timedelta(hours=2))).maybe_time(b"Nov 22 10:04:01") == at("2026-11-22T08:04:01Z")
    local = datetime(2026, 11, 22, 10, 4, 1).astimezone()
    assert Stamps(CHANGED_AT).maybe_time(b"Nov 22 10:04:01") == local.timestamp()


def test_the_name_of_a_zone_is_that_of_the_zone_that_applies_where_it_has_several_meanings() -> None:
    shanghai = Stamps(CHANGED_AT, ZoneInfo("Asia/Shanghai"))

    assert shanghai.maybe_time(b"Nov 22 10:04:01 CST") == at("2026-11-22T02:04:01Z")
    assert shanghai.maybe_time(b"Nov 22 10:04:01 UTC") == at("2026-11-22T10:04:01Z")


def test_a_named_year_is_that_of_the_first_line_and_goes_on_over_new_year() -> None:
    stamps = Stamps(CHANGED_AT, UTC, 2019)

    assert [stamps.maybe_time(stamp) for stamp in (b"Dec 31 23:59:59", b"Jan  1 00:00:00", b"Dec 31 23:59:59")] == [
        at("2019-12-31T23:59:59Z"),
        at("2020-01-01T00:00:00Z"),
        at("2020-12-31T23:59:59Z"),
    ]


def test_a_line_that_came_a_little_late_does_not_turn_the_year() -> None:
    stamps = Stamps(CHANGED_AT, UTC, 2019)

    assert stamps.maybe_time(b"Nov  2 00:00:00") == at("2019-11-02T00:00:00Z")
    assert stamps.maybe_time(b"Oct 31 23:59:59") == at("2019-10-31T23:59:59Z")


def test_many_different_stamps_do_not_pile_up() -> None:
    stamps = Stamps(CHANGED_AT, UTC)
    for second in range(10_000):
        stamps.maybe_time(b"2026-11-22T10:00:00.%06dZ" % second)

    assert len(stamps._kept) <= 4096


_TEXT = b"connect from unknown[192.0.2.9]"
_JOURNAL = {
    "__REALTIME_TIMESTAMP": "1795465013250000",
    "_HOSTNAME": "mail1",
    "SYSLOG_IDENTIFIER": "postfix/smtpd",
    "_PID": "77",
    "MESSAGE": _TEXT.decode(),
}


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"Nov 23 20:16:53 mail1 postfix/smtpd[77]: " + _TEXT, b"mail1"),
        (b"<22>Nov 23 20:16:53 postfix/smtpd[77]: " + _TEXT, b""),
        (b"Nov 23 20:16:53 mail1 postfix-out/submission/smtpd[77]: " + _TEXT, b"mail1"),
        (b"2026-11-23T20:16:53.250000+00:00 2001:db8::1 postfix/smtpd[77]: " + _TEXT, b"2001:db8::1"),
        (b"<22>1 2026-11-23T20:16:53.250Z mail1 postfix/smtpd 77 - - " + _TEXT, b"mail1"),
        (b'<22>1 2026-11-23T20:16:53Z mail1 postfix/smtpd 77 - [a x="] \\" y"][b] \xef\xbb\xbf' + _TEXT, b"mail1"),
        (b"Nov 23 20:16:53 sun postfix/smtpd[77]: [ID 197553 mail.info] " + _TEXT, b"sun"),
        (json.dumps(_JOURNAL).encode(), b"mail1"),
        (json.dumps({**_JOURNAL, "MESSAGE": list(_TEXT), "SYSLOG_PID": "77", "_PID": "1"}).encode(), b"mail1"),
    ],
)
def test_every_form_of_line_is_taken_apart(line: bytes, host: bytes, tmp_path: Path) -> None:
    counts = LineCounts()

    (found,) = read_log(log_file(tmp_path, line), counts, zone=UTC)

    assert (found.host, found.software, found.pid, found.text) == (host, LogSoftware.POSTFIX, b"77", _TEXT)
    assert found.at is not None
    assert int(found.at) == at("2026-11-23T20:16:53Z")
    assert (counts.lines, counts.of_mail_servers, counts.broken) == (1, 1, 0)


def test_exims_main_log_has_a_zone_and_a_process_where_it_was_told_to(tmp_path: Path) -> None:
    line = b"2026-11-23 20:16:53.250 +0000 [77] SMTP connection from [192.0.2.9]:4711 I=[192.0.2.1]:25 closed by QUIT"

    (found,) = connections(log_file(tmp_path, line))

    assert (found.software, found.address, found.first_at) == (LogSoftware.EXIM, "192.0.2.9", 1795465013.25)


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 20:16:53 mail1 dovecot: postfix/smtpd[77]: " + _TEXT,
        b"Nov 23 20:16:53 mail1 sshd[9]: postfix/smtpd[77]: " + _TEXT,
        b"Nov 23 20:16:53 dovecot: postfix/smtpd[77]: " + _TEXT,
        b"Nov 23 20:16:53 mail1 xsmtpd[77]: " + _TEXT,
        b"Nov 23 20:16:53 mail1 postfix/smtpd[x]: " + _TEXT,
        b" Nov 23 20:16:53 mail1 postfix/smtpd[77]: " + _TEXT,
        b"x Nov 23 20:16:53 mail1 postfix/smtpd[77]: " + _TEXT,
        b"Nov 23 20:16:53 mail1 postfix/smtpd[77] " + _TEXT,
        b"Nov 23 20:16:53 mail1 last message repeated 2 times",
        b"-- MARK --",
        b"\x00\xff\x1b[2J",
        b'{"MESSAGE": "x", "SYSLOG_IDENTIFIER": "cron"}',
    ],
)
def test_a_tag_is_believed_only_where_tags_stand(line: bytes, tmp_path: Path) -> None:
    counts = LineCounts()

    assert list(read_log(log_file(tmp_path, line), counts)) == []
    assert (counts.lines, counts.of_mail_servers, counts.broken) == (1, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"{}x",
        json.dumps({**_JOURNAL, "MESSAGE": 99999999999}).encode(),
        json.dumps({**_JOURNAL, "MESSAGE": [256]}).encode(),
        json.dumps({**_JOURNAL, "MESSAGE": None}).encode(),
        json.dumps({**_JOURNAL, "__REALTIME_TIMESTAMP": "soon"}).encode(),
        json.dumps({**_JOURNAL, "__REALTIME_TIMESTAMP": "9" * 30}).encode(),
        b"Nov 31 20:16:53 mail1 postfix/smtpd[77]: " + _TEXT,
        b"A" * MAX_LINE_BYTES + b"Nov 23 20:16:53 mail1 postfix/smtpd[77]: " + _TEXT,
    ],
)
def test_a_broken_line_is_counted_and_stops_nothing(line: bytes, tmp_path: Path) -> None:
    counts = LineCounts()
    good = PREFIX + b"postfix/smtpd[77]: " + _TEXT

    found = list(read_log(log_file(tmp_path, good, line, b"", good), counts))

    assert [each.place.line for each in found] == [1, 4]
    assert (counts.lines, counts.broken) == (3, 1)


def test_a_log_that_is_being_written_is_read_to_its_last_byte(tmp_path: Path) -> None:
    file = tmp_path / "mail.log"
    file.write_bytes(PREFIX + b"postfix/smtpd[77]: " + _TEXT + b"\r\n" + PREFIX + b"postfix/smtpd[78]: " + _TEXT)

    assert len(connections(file)) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_log_that_windows_wrote_is_read_from_its_first_line(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_bytes((DATA / "postfix.log").read_text().encode(encoding))

    assert len(connections(tmp_path / "mail.log")) == 15


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
@pytest.mark.parametrize("name", ["mail.log.2.gz", "mail.log-20261123.bz2", "mail.log.xz", "mail.log.zst", "mail.log"])
def test_packed_logs_are_read_and_damaged_ones_named(name: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = (DATA / "postfix.log").read_bytes()
    (tmp_path / name).write_bytes(pack(text))
    assert len(connections(tmp_path / name)) == 15

    (tmp_path / name).write_bytes(pack(text * 50)[:-10])
    with pytest.raises(InputError, match=rf"{name}: damaged (?:after line \d+|before its first line was read): "):
        connections(tmp_path / name)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\\x0asuch: cannot be read \(No such file or directory\)"):
        connections(tmp_path / "no\nsuch")
    with pytest.raises(InputError, match="cannot be read"):
        connections(tmp_path)


def test_rotated_files_are_read_oldest_first_so_that_a_connection_over_midnight_is_one(tmp_path: Path) -> None:
    began = log_file(tmp_path, PREFIX + b"postfix/smtpd[7]: " + _TEXT, name="mail.log.1", changed_at=CHANGED_AT - 9)
    ended = log_file(tmp_path, PREFIX + b"postfix/smtpd[7]: dis" + _TEXT + b" quit=1 commands=1", name="mail.log")

    (found,) = connections(ended, began)

    assert [place.file for place in found.places] == [str(began), str(ended)]
    assert oldest_first(["-", str(ended), "nowhere", str(began)]) == ["nowhere", str(began), str(ended), "-"]


def test_a_line_longer_than_any_is_skipped_whole(tmp_path: Path) -> None:
    """However often its length comes to just the limit, no part of it is read as a line of its own."""
    inside = PREFIX + b"postfix/smtpd[77]: " + _TEXT
    counts = LineCounts()

    found = list(read_log(log_file(tmp_path, b"A" * (3 * MAX_LINE_BYTES) + inside, inside), counts))

    assert [each.place.line for each in found] == [2]
    assert (counts.lines, counts.broken) == (2, 1)


def test_a_line_with_an_address_that_is_none_says_nothing(tmp_path: Path) -> None:
    assert connections(log_file(tmp_path, PREFIX + b"postfix/smtpd[77]: connect from c[300.0.2.9]")) == []


def test_ever_new_programs_do_not_pile_up(tmp_path: Path) -> None:
    programs = [PREFIX + b"program%d: x" % number for number in range(2000)]

    counts = LineCounts()
    found = list(read_log(log_file(tmp_path, *programs, PREFIX + b"postfix/smtpd[77]: " + _TEXT), counts))

    assert (len(found), counts.lines) == (1, 2001)
