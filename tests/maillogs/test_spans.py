"""Claims about the time a log covers: a visit outside of it is unknown, not without a trace."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.entry import run
from scanner.maillogs.report import LogQuestion
from scanner.maillogs.spans import Span
from scanner.record import encode
from tests.support.mail_logs import examined, log_file
from tests.support.records import record_of

Output = pytest.CaptureFixture[bytes]
#: 2026-11-23T20:16:53.5Z, when the visit came; it took 10 ms.
AT = 1795465013.5
BETWEEN = (
    "1 visit without a trace came between the files of this log, of which one ends 2026-11-23T20:00:00Z and the next "
    "begins 2026-11-23T20:30:00Z: is one missing?"
)


def smtpd(clock: str, text: str = "connect from c.example[198.51.100.7]", host: str = "mx1") -> bytes:
    return f"2026-11-23T{clock}+00:00 {host} postfix/smtpd[77]: {text}".encode()


def asked(
    *files: Path, capture: Output, options: tuple[str, ...] = (), took_s: float = 0.01
) -> tuple[int, list[Any], list[str]]:
    """Look for the visit; return the exit code, `found` of each visit, and the doubts."""
    sweep = files[0].with_name("sweep.jsonl")
    sweep.write_bytes(encode(record_of(ip="203.0.113.25", observed_at=AT, total_s=took_s, event_id="id")))
    code = run(["logs", *map(str, files), "--scanner", "192.0.2.5", "--sweep", str(sweep), "--timezone", "UTC",
                "--json", *options])  # fmt: skip
    objects = [json.loads(line) for line in capture.readouterr().out.splitlines()]
    return code, [each["found"] for each in objects if each["type"] == "visit"], objects[-1]["doubts"]


def test_a_log_that_ends_before_the_visit_tells_nothing_of_it(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, smtpd("20:10:00"), smtpd("20:16:46"))

    assert asked(log, capture=capsysbinary) == (
        3,
        [None],
        ["1 visit without a trace came after this log ends, 2026-11-23T20:16:46Z: give the newer files too"],
    )


def test_a_log_that_goes_on_beyond_the_visit_has_no_trace_of_it(tmp_path: Path, capsysbinary: Output) -> None:
    for last in ("20:16:48", "20:30:00"):
        log = log_file(tmp_path, smtpd("20:10:00"), smtpd(last))

        assert asked(log, capture=capsysbinary) == (1, [False], [])


def test_the_trace_of_a_long_visit_may_stand_behind_its_end(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, smtpd("20:10:00"), smtpd("20:17:00"))

    assert asked(log, capture=capsysbinary, took_s=60.0)[:2] == (3, [None])


def test_between_two_files_one_may_be_missing(tmp_path: Path, capsysbinary: Output) -> None:
    older = log_file(tmp_path, smtpd("19:00:00"), smtpd("20:00:00"), name="mail.log.2")
    newer = log_file(tmp_path, smtpd("20:30:00"), smtpd("21:00:00"))

    assert asked(older, newer, capture=capsysbinary) == (
        3,
        [None],
        [BETWEEN],
    )
    middle = log_file(tmp_path, smtpd("20:00:00"), smtpd("20:29:00"), name="mail.log.1")
    assert asked(older, middle, newer, capture=capsysbinary) == (1, [False], [])


@pytest.mark.parametrize("options", [("--until", "2026-11-23T20:16:00"), ("--since", "2026-11-23T20:18:00")])
def test_a_visit_at_a_time_that_was_not_looked_at_is_unknown(
    options: tuple[str, str], tmp_path: Path, capsysbinary: Output
) -> None:
    log = log_file(tmp_path, smtpd("20:10:00"), smtpd("20:30:00"))

    assert asked(log, capture=capsysbinary, options=options) == (
        3,
        [None],
        ["--since and --until leave out the time of 1 visit without a trace"],
    )


def test_a_choice_around_the_visit_changes_nothing(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, smtpd("20:10:00"), smtpd("20:16:55"), smtpd("20:30:00"))
    options = ("--since", "2026-11-23T20:16:00", "--until", "2026-11-23T20:18:00")

    assert asked(log, capture=capsysbinary, options=options) == (1, [False], [])


@pytest.mark.parametrize(
    "last",
    [
        b"2026-11-23T20:30:00+00:00 mx1 CRON[9]: (root) CMD (true)",
        b"2026-11-23T20:30:00+00:00 mx1 some-program[9]: hello",
        b'{"__REALTIME_TIMESTAMP":"1795465813000000","SYSLOG_IDENTIFIER":"exim","MESSAGE":"Start queue run: pid=8"}',
    ],
)
def test_lines_of_others_in_the_same_file_show_that_it_goes_on(
    last: bytes, tmp_path: Path, capsysbinary: Output
) -> None:
    others = log_file(tmp_path, b"2026-11-23T20:00:00+00:00 mx1 CRON[9]: x", smtpd("20:10:00"), last)

    assert asked(others, capture=capsysbinary) == (1, [False], [])


def test_a_file_without_a_mail_server_covers_no_time(tmp_path: Path, capsysbinary: Output) -> None:
    other = log_file(tmp_path, b"2026-11-23T20:00:00+00:00 mx1 CRON[9]: x",
                     b"2026-11-23T20:30:00+00:00 mx1 CRON[9]: x", name="auth.log")  # fmt: skip
    log = log_file(tmp_path, smtpd("20:10:00"))

    assert asked(log, other, capture=capsysbinary)[:2] == (3, [None])


def test_lines_of_another_host_cover_no_time_of_this_one(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, smtpd("20:10:00"), smtpd("20:30:00", host="mx2"))

    assert asked(log, capture=capsysbinary, options=("--host", "mx1"))[:2] == (3, [None])
    assert asked(log, capture=capsysbinary)[:2] == (1, [False])


def test_a_log_without_times_may_be_of_any_day(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, b"postfix/smtpd[77]: connect from c.example[198.51.100.7]")

    assert asked(log, capture=capsysbinary) == (
        3,
        [None],
        ["the lines of this log have no time: it may not be from the time of the visits"],
    )


def test_a_client_that_the_log_does_not_name_may_be_us(tmp_path: Path, capsysbinary: Output) -> None:
    at_the_visit = [smtpd("20:16:53", "connect from unknown[unknown]"), smtpd("20:16:54")]
    doubt = "1 connection of a client that the log does not name (unknown[unknown]) may be what is missing"
    log = log_file(tmp_path, *at_the_visit)

    assert asked(log, capture=capsysbinary) == (3, [None], [doubt])
    assert examined(log, question=LogQuestion(scanners=("192.0.2.5",), zone=UTC))[1].doubts == [doubt]
    log = log_file(tmp_path, smtpd("20:10:53", "connect from unknown[unknown]"), smtpd("20:16:54"))
    assert asked(log, capture=capsysbinary) == (1, [False], [])


@pytest.mark.parametrize(
    "text",
    [
        "warning: 192.0.2.5 was turned away for another reason",
        "filter: something about unknown[192.0.2.5] that is new",
        "warning: hostname c.example does not resolve to address 192.0.2.5",
        "warning: Connection rate limit exceeded: 31 from unknown[192.0.2.5] for service smtp",
        "statistics: max connection rate 1/60s for (smtp:192.0.2.5) at Nov 23 20:16:53",
        "Anonymous TLS connection established from unknown[192.0.2.5]: TLSv1.3",
    ],
)
def test_any_line_of_the_server_with_our_address_may_be_the_trace(
    text: str, tmp_path: Path, capsysbinary: Output
) -> None:
    log = log_file(tmp_path, smtpd("20:16:54"), smtpd("20:16:54", text))

    code, found, doubts = asked(log, capture=capsysbinary)

    assert (code, found) == (3, [None])
    assert doubts == [f"a line with our address was not understood, and may be what is missing: line 2: {text}"]


@pytest.mark.parametrize(
    "text",
    [
        "connect to mx.example[192.0.2.5]:25: Connection refused",
        "something of 192.0.2.55 and 192.0.2.5.9",
    ],
)
def test_a_line_about_something_else_is_no_doubt(text: str, tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, smtpd("20:16:54"), smtpd("20:16:54", text))

    assert asked(log, capture=capsysbinary) == (1, [False], [])


def test_spans_are_joined() -> None:
    span = Span()
    span.join(Span())
    assert span.maybe_ends is None
    span.join(Span(2.0, 3.0))
    span.join(Span(1.0, 2.5))
    assert span.maybe_ends == (1.0, 3.0)


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 20:16:54 mx postfix/tlsproxy[9]: CONNECT from [192.0.2.5]:4444",
        b"Nov 23 20:16:54 mx postfix/anvil[9]: statistics: max connection rate 1/60s for (smtp:192.0.2.5)",
        b"Nov 23 20:16:54 mx spamgw/sm-mta[9]: xAN0ffff: [192.0.2.5] did not issue MAIL/EXPN/VRFY/ETRN",
        b"Nov 23 20:16:54 mx dovecot-postfix[9]: connect from unknown[192.0.2.5]",
        b"Nov 23 20:16:54 mx systemd-nspawn[9]: postfix/smtpd[3]: connect from unknown[192.0.2.5]",
        b"Nov 23 20:16:54 mx message repeated 2 times: [ postfix/smtpd[9]: connect from unknown[192.0.2.5]]",
    ],
)
def test_a_program_beside_the_server_that_names_us_gives_doubt(
    line: bytes, tmp_path: Path, capsysbinary: Output
) -> None:
    code, found, (doubt,) = asked(log_file(tmp_path, smtpd("20:16:54"), line), capture=capsysbinary)

    assert (code, found) == (3, [None])
    assert doubt.startswith("a line with our address was not understood, and may be what is missing: line 2: ")


@pytest.mark.parametrize(
    "line",
    [
        b"Nov 23 20:16:54 mx rsyslogd: imuxsock lost 12 messages from pid 77 due to rate-limiting",
        b"Nov 23 20:16:54 mx systemd-journald[1]: Suppressed 812 messages from postfix.service",
        b"Nov 23 20:16:54 mx sendmail[7]: rejecting connections on daemon MTA: load average: 20",
        b"Nov 23 20:16:54 mx postfix/smtpd[7]: connect from unknown[192.0.2.x]",
        b"Nov 23 20:16:54 mx postfix/smtpd[7]: connect from a.example[REDACTED]",
    ],
)
def test_a_log_that_says_what_it_does_not_tell_gives_doubt(line: bytes, tmp_path: Path, capsysbinary: Output) -> None:
    code, found, doubts = asked(log_file(tmp_path, smtpd("20:16:53"), smtpd("20:16:54"), line), capture=capsysbinary)

    assert (code, found) == (3, [None])
    assert doubts[0].startswith("the log says that it does not tell everything, and may not tell of a visit: line 3: ")
