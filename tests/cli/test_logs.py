"""Claims about `smtpsweep logs`, run as a user runs it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.entry import run
from scanner.model import Record
from scanner.record import encode
from tests.support.command_line import smtpsweep
from tests.support.mail_logs import DATA, PREFIX, log_file
from tests.support.records import record_of

Output = pytest.CaptureFixture[bytes]
#: The two visits of 198.51.100.1 in the real Postfix's log: 20:18:36 and 20:18:37 UTC.
AT = 1795465116.5


def sweep_file(folder: Path, *visits: Record) -> str:
    file = folder / "sweep.jsonl"
    file.write_bytes(b"".join(map(encode, visits)))
    return str(file)


def visit(at: float = AT, **changes: Any) -> Record:
    return record_of(ip="127.0.20.2", observed_at=at, total_s=0.01, event_id=f"id-{at}", **changes)


def objects(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def postfix(*options: str) -> list[str]:
    return ["logs", str(DATA / "postfix.log"), "--timezone", "UTC", *options]


def test_who_connected_is_a_table_and_mail_is_left_out(capsysbinary: Output) -> None:
    assert run(postfix()) == 0

    out, err = (text.decode() for text in capsysbinary.readouterr())
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows[0] == ["198.51.100.1", "scanner.lab.example", "2", "other", "took the greeting 1, spoke, no mail 1",
                       "2026-11-23T20:18:36Z", "2026-11-23T20:18:37Z"]  # fmt: skip
    assert {row[0] for row in rows} == {"127.0.0.1", *(f"198.51.100.{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9, 21, 22, 23))}
    assert err == ("smtpsweep: 45 lines, 41 of mail servers, 40 about connections; 15 connections: 1 mail, 14 other\n")


def test_on_a_narrow_terminal_nothing_is_cut(capsysbinary: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)

    assert run(postfix("--top", "1")) == 0

    rows = [line.split("│")[1:-1] for line in capsysbinary.readouterr().out.decode().splitlines() if line[:1] == "│"]
    cells = ["".join(cell.strip() for cell in column) for column in zip(*rows, strict=True)]
    assert (cells[0], cells[1]) == ("198.51.100.1", "scanner.lab.example")
    assert cells[-1] == "2026-11-23T20:18:37Z"


def test_with_mail_the_senders_are_shown_too(capsysbinary: Output) -> None:
    assert run(postfix("--mail", "--top", "0")) == 0

    assert b"198.51.100.8" in capsysbinary.readouterr().out


def test_the_table_is_cut_at_the_top_and_says_so(capsysbinary: Output) -> None:
    assert run(postfix("--top", "2")) == 0

    out = capsysbinary.readouterr().out.decode()
    assert sum(line.startswith("│") and "198.51.100." in line for line in out.splitlines()) == 2
    assert "10 more clients" in out


def test_every_visit_with_a_trace_is_exit_code_0(tmp_path: Path, capsysbinary: Output) -> None:
    sweep = sweep_file(tmp_path, visit())

    assert run(postfix("--scanner", "198.51.100.1", "--sweep", sweep, "--json")) == 0

    out, err = capsysbinary.readouterr()
    found = objects(out)
    (ours,) = [each for each in found if each.get("verdict") == "ours"]
    assert ours == {
        "type": "connection", "verdict": "ours", "event_id": f"id-{AT}", "software": "Postfix", "host": None,
        "address": "198.51.100.1", "name": "scanner.lab.example", "first_at": "2026-11-23T20:18:36Z",
        "last_at": "2026-11-23T20:18:36Z", "manner": "took the greeting", "commands": ["QUIT"],
        "commands_complete": True, "messages": 0, "greeting": None,
        "lines": [f"{DATA / 'postfix.log'}:29", f"{DATA / 'postfix.log'}:30"], "line_count": 2,
    }  # fmt: skip
    assert found[-2] == {
        "type": "visit", "found": True, "event_id": f"id-{AT}", "ip": "127.0.20.2", "port": 25,
        "observed_at": "2026-11-23T20:18:36.500Z", "status": "silent", "lines": ours["lines"],
    }  # fmt: skip
    assert found[-1] == {
        "type": "summary", "lines": 45, "of_mail_servers": 41, "understood": 40, "not_understood": 0, "broken": 0,
        "without_client": 0, "connections": {"Postfix": 15},
        "verdicts": {"other": 12, "mail": 1, "unexplained": 1, "ours": 1},
        "visits": 1, "visits_without_trace": 0, "doubts": [], "hints": [],
    }  # fmt: skip
    assert err.decode().splitlines()[-1] == "smtpsweep: 1 of 1 visits left a trace"


def test_a_visit_without_a_trace_is_exit_code_1(tmp_path: Path, capsysbinary: Output) -> None:
    sweep = sweep_file(tmp_path, visit(), visit(AT + 120))

    assert run(postfix("--scanner", "198.51.100.1", "--sweep", sweep, "--server", "127.0.20.2")) == 1

    out, err = capsysbinary.readouterr()
    assert "none" in out.decode()
    assert "smtpsweep: 1 of 2 visits left a trace" in err.decode().splitlines()


def test_a_visit_that_never_connected_leaves_no_trace_and_is_not_missed(tmp_path: Path, capsysbinary: Output) -> None:
    sweep = sweep_file(tmp_path, visit(connect_s=None))

    assert run(postfix("--scanner", "198.51.100.1", "--sweep", sweep)) == 0
    assert b"0 of 0 visits" in capsysbinary.readouterr().err


@pytest.mark.parametrize(("scanner", "code"), [("198.51.100.1", 0), ("::ffff:198.51.100.1", 0), ("192.0.2.99", 1)])
def test_without_a_sweep_the_scanners_address_is_looked_for(scanner: str, code: int, capsysbinary: Output) -> None:
    assert run(postfix("--scanner", scanner)) == code


def test_the_tolerance_is_the_users(tmp_path: Path, capsysbinary: Output) -> None:
    late = postfix("--scanner", "198.51.100.1", "--sweep", sweep_file(tmp_path, visit(AT - 60)))

    assert run(late) == 1
    assert b"60 s after a visit without a trace" in capsysbinary.readouterr().err
    assert run([*late, "--clock-tolerance", "2m"]) == 0


def test_year_and_zone_of_the_stamps_are_the_users(capsysbinary: Output) -> None:
    assert run(["logs", str(DATA / "courier.log"), "--json", "--year", "2019", "--timezone", "+02:00"]) == 0

    assert min(each["first_at"] for each in objects(capsysbinary.readouterr().out)[:-1]) == "2019-11-23T18:16:54Z"


@pytest.mark.parametrize(
    ("options", "connections"),
    [
        (["--since", "2026-11-23T20:18:36Z"], 6),
        (["--until", "2026-11-23T20:17:00"], 1),
        (["--since", "2026-11-23T21:17:00+01:00", "--until", "2026-11-23T20:17:33Z"], 1),
        (["--host", "mail1"], 0),
    ],
)
def test_lines_are_chosen_by_time_and_host(options: list[str], connections: int, capsysbinary: Output) -> None:
    assert run(postfix("--year", "2026", "--json", *options)) == 0

    assert len(objects(capsysbinary.readouterr().out)) - 1 == connections


def test_standard_input_is_read_as_journal_or_log(tmp_path: Path) -> None:
    entry = {
        "__REALTIME_TIMESTAMP": "1795465013000000",
        "_HOSTNAME": "mail1",
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "_PID": "7",
        "MESSAGE": "connect from c.example[192.0.2.1]",
    }

    done = smtpsweep("logs", "-", "--json", cwd=tmp_path, stdin=json.dumps(entry) + "\n")

    first, _ = objects(done.out.encode())
    assert (done.code, first["address"], first["host"], first["lines"]) == (
        0,
        "192.0.2.1",
        "mail1",
        ["standard input:1"],
    )
    assert first["first_at"] == "2026-11-23T20:16:53Z"


_HOSTILE = [
    b"<script>alert(1)</script>",
    b"\x1b[2J\x1b]0;x\x07",
    b"=cmd|' /C calc'!A0",
    b"${jndi:ldap://x}",
    b"\xe2\x80\xa8",
    b"`id`",
    b"::error::x",
    b"[red]x[/red]",
    b"\r",
]


@pytest.mark.parametrize("text", _HOSTILE)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_a_client_chose_comes_out_as_printable_ascii(
    text: bytes, tmp_path: Path, capsysbinary: Output, *, as_json: bool
) -> None:
    name = text.translate(None, b" []\r") or b"x"
    file = log_file(
        tmp_path,
        PREFIX + b"postfix/smtpd[1]: connect from " + name + b"[192.0.2.1]",
        PREFIX + b"sm-mta[1]: NOQUEUE: connect from [192.0.2.2]",
        PREFIX + b"sm-mta[1]: 6AMA3VoI007310: --- 220 " + text,
        PREFIX + b"sm-mta[1]: 6AMA3VoI007310: <-- " + text,
    )

    assert run(["logs", str(file), *(["--json"] if as_json else [])]) == 0

    out = capsysbinary.readouterr().out.decode()
    assert re.fullmatch(r"[ -~\n\u2500-\u257f]*", out), ascii(out)  # the last range are the lines of tables
    if as_json:
        assert {each["address"] for each in objects(out.encode())[:-1]} == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep", "x"], "--sweep needs --scanner, the address that the sweep came from"),
        (["--server", "192.0.2.1"], "--server needs --sweep: it selects visits of the sweep"),
        (["--scanner", "mail"], "--scanner 'mail': is not an IPv4 or IPv6 address"),
        (
            ["--timezone", "Atlantis"],
            "--timezone 'Atlantis': is not a time zone: write UTC, an offset (+02:00) or a name (Europe/Berlin)",
        ),
        (
            ["--timezone", "../x"],
            "--timezone '../x': is not a time zone: write UTC, an offset (+02:00) or a name (Europe/Berlin)",
        ),
        (
            ["--timezone", "Europe"],
            "--timezone 'Europe': is not a time zone: write UTC, an offset (+02:00) or a name (Europe/Berlin)",
        ),
        (["--since", "soon"], "--since 'soon': is not a time: write it as 2026-11-22T10:00 or 2026-11-22T10:00Z"),
        (["--scanner", "192.0.2.1", "--sweep", "nowhere"], "nowhere: cannot be read (No such file or directory)"),
        (
            ["-", "--scanner", "192.0.2.1", "--sweep", "-"],
            "standard input can be the log or the sweep, not both: name a file for the other",
        ),
        (["nowhere"], "nowhere: cannot be read (No such file or directory)"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(options: list[str], message: str, capsysbinary: Output) -> None:
    assert run(["logs", str(DATA / "courier.log"), *options]) == 2

    assert capsysbinary.readouterr().err.decode() == f"smtpsweep: {message}\n"


def test_a_log_is_needed(capsysbinary: Output) -> None:
    assert run(["logs"]) == 2
