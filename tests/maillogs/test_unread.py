"""Claims about logs that are not understood: nobody takes that for silence, and an example says what was not read."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.entry import run
from scanner.maillogs.report import LogQuestion
from scanner.record import encode
from tests.support.mail_logs import PREFIX, connections, examined, log_file
from tests.support.records import record_of

Output = pytest.CaptureFixture[bytes]
CONNECT = b"connect from unknown[192.0.2.5]"
#: Lines of logs that look like a mail server's, in forms or of servers that are not read.
STRANGE = [
    b"11/23/2026 20:16:53 mx1 postfix/smtpd[77]: " + CONNECT,
    b"Monday 20:16:53|mx1|sendmail|77|[192.0.2.5] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA",
    b"    MESSAGE=" + CONNECT,
    CONNECT,
    b"Nov 31 20:16:53 mx1 postfix/smtpd[77]: " + CONNECT,
    b"Nov 23 20:16:53 mx1 my-smtpd[77]: " + CONNECT,
    b"Nov 23 20:16:53 mx1 haraka[77]: [NOTICE] [4AC21C94] [core] connect ip=192.0.2.5 port=45966 smtp SMTP",
    b"[NOTICE] [4AC21C94-E391-442B-9EB7-AAE46C8B318D] [core] connect ip=192.0.2.5 port=45966 local_port=25",
    b"Nov 23 20:16:53 mx1 mail.example[7823]: 220 mail.example ESMTP qpsmtpd 0.94 ready",
    b"2026-11-23 20:16:53 192.0.2.5 c.example SMTPSVC1 MX1 203.0.113.1 0 EHLO - +c.example 250 0",
    b'"SMTPD"\t4244\t1\t"2026-11-23 20:16:53.250"\t"192.0.2.5"\t"SENT: 220 mail.example ESMTP"',
    b"2026-11-23 20:16:53 INFO [smtp] new connection from 192.0.2.5 (SMTP)",
    b"#Fields: date-time,connector-id,session-id SMTP Receive",
    b"2026-11-23T20:16:53.612Z,MX\\Default,08D8,0,203.0.113.1:25,192.0.2.5:50404,+,,EHLO",
    b"2026-11-23 20:16:53 SMTP connection identified as Xi=77 from [192.0.2.5] closed",
    b"2026-11-23 20:16:53 SMTP client [192.0.2.5] was answered",
    b"Nov 23 20:16:53 mx1 sm-mta[77]: 6ANKGrHt000910: [192.0.2.5] (c.example) did not issue anything",
    b"Nov 23 20:16:53 mx1 sm-mta[7]: (info) 6ANKGrHt000910: [192.0.2.5] did not issue MAIL during connection to MTA",
    b"Nov 23 20:16:53 mx1 smtpd[77]: f9c0dbf27cbba6d3 smtp connected from address=192.0.2.5",
    b"Nov 23 20:16:53 mx1 courieresmtpd: started, ip=192.0.2.5",
    b'{"level":"info","log":"connect from unknown[192.0.2.5]"}',
    b'{"level":"info","what":"SMTP","ip":"192.0.2.5"}',
    b"2026-11-23 20:16:53 SMTP connection from [192.0.2.5] Xy=1 (TCP/IP connection count = 1)",
]
GOOD = PREFIX + b"postfix/smtpd[77]: connect from c.example[198.51.100.7]"
OTHER = PREFIX + b"sshd[9]: Connection from 192.0.2.5 port 50404 on 192.0.2.1 port 22"


def doubts(file: Path, *scanners: str) -> list[str]:
    return examined(file, question=LogQuestion(scanners=scanners, zone=UTC))[1].doubts


@pytest.mark.parametrize("line", STRANGE)
def test_what_looks_like_mail_and_is_not_understood_is_said_with_an_example(line: bytes, tmp_path: Path) -> None:
    (doubt,) = doubts(log_file(tmp_path, OTHER, line, line, GOOD))

    assert doubt.startswith(f"{tmp_path}/mail.log: 2 lines that look like a mail server's were not understood, 1 was: ")
    assert ": nothing can be concluded from this file; for example line 2: " in doubt
    assert line.decode()[-20:].strip('"}') in doubt


@pytest.mark.parametrize("line", STRANGE)
@pytest.mark.parametrize("options", [[], ["--scanner", "192.0.2.5"], ["--scanner", "192.0.2.9"]])
def test_the_exit_code_is_3_whatever_was_asked(
    line: bytes, options: list[str], tmp_path: Path, capsysbinary: Output
) -> None:
    assert run(["logs", str(log_file(tmp_path, line)), "--timezone", "UTC", *options]) == 3

    assert b"for example line 1: " in capsysbinary.readouterr().err


def sweep_of(folder: Path) -> str:
    """Return the file of a sweep of one visit."""
    visit = record_of(ip="203.0.113.25", observed_at=1795465013.5, total_s=0.01, event_id="id")
    (folder / "sweep.jsonl").write_bytes(encode(visit))
    return str(folder / "sweep.jsonl")


def asked(log: Path, folder: Path, capture: Output) -> tuple[int, list[dict[str, Any]], list[str]]:
    """Look for the visit in a log; return the exit code, the objects and the remarks."""
    code = run(["logs", str(log), "--scanner", "192.0.2.5", "--sweep", sweep_of(folder), "--timezone", "UTC", "--json"])
    out, err = capture.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err.decode().splitlines()


def test_a_visit_that_is_not_found_in_what_was_not_understood_is_not_without_trace(
    tmp_path: Path, capsysbinary: Output
) -> None:
    code, objects, remarks = asked(log_file(tmp_path, STRANGE[0]), tmp_path, capsysbinary)

    assert code == 3
    assert [each["found"] for each in objects if each["type"] == "visit"] == [None]
    assert objects[-1]["visits_without_trace"] is None
    assert (objects[-1]["not_understood"], len(objects[-1]["doubts"])) == (1, 1)
    assert remarks[1] == "smtpsweep: 0 of 1 visits found; whether the others left a trace is not known"
    assert not any("visits left a trace" in remark for remark in remarks)


def test_the_table_says_unknown_and_not_none(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, STRANGE[0])

    assert run(["logs", str(log), "--scanner", "192.0.2.5", "--sweep", sweep_of(tmp_path)]) == 3

    assert b"unknown" in capsysbinary.readouterr().out


def test_one_line_that_names_our_address_is_a_doubt_where_most_are_understood(
    tmp_path: Path, capsysbinary: Output
) -> None:
    log = log_file(tmp_path, GOOD, GOOD.replace(b"[77]", b"[78]"), STRANGE[0])

    code, objects, remarks = asked(log, tmp_path, capsysbinary)

    assert (code, objects[-1]["visits_without_trace"]) == (3, None)
    assert remarks[2] == (
        "smtpsweep: a line with our address was not understood, and may be what is missing: line 3: "
        + STRANGE[0].decode()
    )


@pytest.mark.parametrize("line", [STRANGE[0].replace(b"192.0.2.5]", b"192.0.2.55]"), OTHER])
def test_lines_that_do_not_name_us_are_no_doubt_where_most_are_understood(
    line: bytes, tmp_path: Path, capsysbinary: Output
) -> None:
    log = log_file(tmp_path, GOOD, GOOD.replace(b"[77]", b"[78]"), line)

    code, objects, remarks = asked(log, tmp_path, capsysbinary)

    assert (code, objects[-1]["visits_without_trace"], objects[-1]["doubts"]) == (1, 1, [])
    assert remarks[1] == "smtpsweep: 0 of 1 visits left a trace"


def test_each_file_is_judged_by_itself(tmp_path: Path) -> None:
    read = log_file(tmp_path, *[GOOD] * 9, name="mail.log.1")
    strange = log_file(tmp_path, STRANGE[0], name="mail.log")

    _, report = examined(read, strange)

    (doubt,) = report.doubts
    assert doubt.startswith(f"{strange}: 1 line that looks like a mail server's was not understood, 0 were: ")


@pytest.mark.parametrize(
    ("lines", "doubt"),
    [
        ([], "the log is empty: it shows neither a visit nor that there was none"),
        ([OTHER], "no line is of a mail server that is understood: sendmail, postfix, exim, opensmtpd, courier"),
        (
            [b"2026-11-23 20:16:53 imap-login: Info: Login: user=<a>, rip=192.0.2.5, lip=203.0.113.1, TLS"],
            "no line is of a mail server that is understood: sendmail, postfix, exim, opensmtpd, courier",
        ),
    ],
)
def test_a_log_of_nothing_is_no_answer(lines: list[bytes], doubt: str, tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, *lines)

    assert doubts(log, "192.0.2.5") == [doubt]
    assert run(["logs", str(log), "--scanner", "192.0.2.5"]) == 3
    assert run(["logs", str(log)]) == (3 if lines else 0)


def test_a_server_that_logs_no_visit_is_understood_all_the_same(tmp_path: Path, capsysbinary: Output) -> None:
    """Exim by default: its lines, and none about a connection. Then there is no trace, and a hint says why."""
    log = log_file(
        tmp_path,
        b"2026-11-23 20:16:53 exim 4.96 daemon started: pid=7, -q30m, listening for SMTP on port 25 (IPv6 and IPv4)",
        b"2026-11-23 20:16:54 Start queue run: pid=8",
        b"2026-11-23 20:16:55 1xVaTt-0000BG-0H => a@b.example R=dnslookup T=remote_smtp H=mx.example [192.0.2.5] C=OK",
        b"2026-11-23 20:16:56 End queue run: pid=8",
        b"2026-11-23 20:16:57 SMTP connection identification H=localhost A=127.0.0.1 P=4711 U=a ID=1000 S=a B=x",
    )

    code, objects, _ = asked(log, tmp_path, capsysbinary)

    assert (code, objects[-1]["doubts"], objects[-1]["visits_without_trace"]) == (1, [], 1)
    assert len(objects[-1]["hints"]) == 1


def test_what_repeats_and_what_others_say_is_no_mail_servers(tmp_path: Path) -> None:
    lines = [
        PREFIX + b"last message repeated 3 times",
        PREFIX + b"postfix/smtp[9]: connect to mx.example[192.0.2.5]:25: Connection timed out",
        PREFIX + b"dovecot: lmtp(9): Connect from local ESMTP EHLO [192.0.2.5]",
        b"Nov 23 20:16:53 smtpd-1 message repeated 2 times: [ x ]",
        b"-- MARK --",
    ]

    _, report = examined(log_file(tmp_path, *lines, GOOD))

    assert ([read.unread.lines for read in report.files], report.doubts) == ([0], [])


def test_an_example_is_escaped_and_cut(tmp_path: Path) -> None:
    (doubt,) = doubts(log_file(tmp_path, b"\x1b[2J SMTP " + b"x" * 1000))

    assert doubt.endswith("line 1: \\x1b[2J SMTP " + "x" * 190 + "...")


def test_lines_without_a_time_are_read_and_never_matched(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(
        tmp_path, b"postfix/smtpd[77]: " + CONNECT, b"postfix/smtpd[77]: dis" + CONNECT + b" quit=1 commands=1"
    )

    assert run(["logs", str(log), "--scanner", "192.0.2.5"]) == 0
    assert b"unknown" in capsysbinary.readouterr().out
    code, objects, remarks = asked(log, tmp_path, capsysbinary)

    assert (code, objects[0]["verdict"], objects[0]["first_at"]) == (3, "unexplained", None)
    assert remarks[2] == (
        "smtpsweep: 1 connection from our address cannot be matched with a visit: the lines of this log have no time"
    )


@pytest.mark.parametrize(
    "options", [["--host", "mx7"], ["--since", "2027-01-01T00:00"], ["--until", "2020-01-01T00:00"]]
)
def test_a_choice_that_leaves_nothing_is_no_answer(options: list[str], tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, GOOD, GOOD)

    assert run(["logs", str(log), "--scanner", "192.0.2.5", "--timezone", "UTC", *options]) == 3
    assert capsysbinary.readouterr().err.decode().splitlines()[1] == (
        "smtpsweep: --host, --since and --until leave none of 2 lines about connections: nothing was looked at"
    )
    assert run(["logs", str(log), "--timezone", "UTC", *options]) == 0


def test_a_visit_from_before_the_log_begins_is_not_without_trace(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, b"Nov 23 20:17:01 mx1 postfix/smtpd[77]: connect from c.example[198.51.100.7]")

    code, objects, _ = asked(log, tmp_path, capsysbinary)

    assert (code, [each["found"] for each in objects if each["type"] == "visit"]) == (3, [None])
    assert objects[-1]["doubts"] == [
        "1 visit without a trace came before this log begins, 2026-11-23T20:17:01Z: give the older files too"
    ]


def test_a_visit_within_the_tolerance_of_the_logs_begin_is_missed(tmp_path: Path, capsysbinary: Output) -> None:
    log = log_file(tmp_path, b"Nov 23 20:16:58 mx1 postfix/smtpd[77]: connect from c.example[198.51.100.7]")

    code, objects, _ = asked(log, tmp_path, capsysbinary)

    assert (code, objects[-1]["doubts"]) == (1, [])


def test_lines_without_a_time_are_not_chosen_by_time(tmp_path: Path) -> None:
    log = log_file(tmp_path, b"postfix/smtpd[77]: " + CONNECT)

    for question in (LogQuestion(since=0.0), LogQuestion(until=4e9)):
        assert examined(log, question=question)[1].events == 0


def test_a_line_without_a_stamp_is_not_believed_where_others_have_one(tmp_path: Path) -> None:
    """It is a piece of another line then, and a client may have written it."""
    found, _ = examined(log_file(tmp_path, GOOD, b"postfix/smtpd[78]: " + CONNECT))

    assert [judged.connection.address for judged in found] == ["198.51.100.7"]


def test_a_line_too_long_to_be_read_that_names_us_gives_doubt(tmp_path: Path) -> None:
    line = PREFIX + b"postfix/smtpd[77]: connect from unknown[192.0.2.5]" + b"x" * (1 << 20)
    (doubt,) = doubts(log_file(tmp_path, line, OTHER), "192.0.2.5")

    assert "connect from unknown[192.0.2.5]" in doubt


@pytest.mark.parametrize("zeros", [1, 5000])
def test_zero_bytes_before_a_line_hide_nothing(zeros: int, tmp_path: Path) -> None:
    line = PREFIX + b"postfix/smtpd[77]: %bconnect from unknown[192.0.2.5]"

    (found,) = connections(log_file(tmp_path, b"\0" * zeros + line % b"", b"\0" * zeros + line % b"dis"))

    assert (found.address, found.lines) == ("192.0.2.5", 2)


@pytest.mark.parametrize("line", [b"tcpserver: pid 7 from 192.0.2.5", b"xinetd[7]: START: smtp pid=8 from=192.0.2.5"])
def test_a_program_that_starts_a_mail_server_for_our_address_gives_doubt(line: bytes, tmp_path: Path) -> None:
    (doubt,) = doubts(log_file(tmp_path, GOOD, PREFIX + line), "192.0.2.5")

    assert doubt.startswith("a line with our address was not understood, and may be what is missing: line 2: ")
    assert doubts(log_file(tmp_path, GOOD, PREFIX + line), "192.0.2.6") == []
