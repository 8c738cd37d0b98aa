"""Claims about `smtpsweep identify`, run as a user runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.entry import run
from scanner.record import decode
from tests.support.command_line import smtpsweep
from tests.support.records import VALIDATOR

DATA = Path(__file__).parents[1] / "data"
Output = pytest.CaptureFixture[bytes]


def records(out: bytes) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.splitlines()]
    for record in found:
        VALIDATOR.validate(record)
        decode(json.dumps(record).encode())
    return found


def test_a_greeting_on_the_command_line_is_a_record_without_any_network(capsysbinary: Output) -> None:
    assert run(["identify", "--text", "mail ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT"]) == 0

    out, err = capsysbinary.readouterr()
    (record,) = records(out)
    software, banner = record["software"], record["banner"]
    assert err == b""
    assert (software["product"], software["version"], software["config_version"]) == ("Sendmail", "8.14.7", "8.13.8")
    assert record["disclosure"] == ["product", "version", "config_version", "time"]
    assert "CVE-2014-3956" in {finding["id"] for finding in record["findings"]}
    assert (banner["server_time"], banner["clock_skew_s"]) == ("2026-11-22T10:16:56Z", None)
    assert (record["ip"], record["port"], record["observed_at"], record["tries"]) == (None, None, None, 0)
    assert set(record["timing"].values()) == {None}
    assert record["status"] == "ready"


def test_every_line_of_a_file_is_a_record_in_its_order(tmp_path: Path, capsysbinary: Output) -> None:
    file = tmp_path / "greetings.txt"
    file.write_bytes(
        b"# ours\nh ESMTP Postfix\n220-a\\r\\n220 b ESMTP Exim 4.96 today\n554 access denied\n\n220 \xff\n"
    )

    assert run(["identify", str(file), "--text", "first ESMTP OpenSMTPD"]) == 0
    found = records(capsysbinary.readouterr().out)
    assert [record["software"] and record["software"]["product"] for record in found] == [
        "OpenSMTPD",
        "Postfix",
        "Exim",
        None,
        None,
    ]
    assert [record["status"] for record in found] == ["ready", "ready", "ready", "rejected", "ready"]
    assert found[3]["refusal"] == {"kind": "policy", "refused_us": True, "evidence": "policy.client"}
    assert len({record["event_id"] for record in found}) == 5
    assert len({record["scan_id"] for record in found}) == 1


def test_the_output_of_a_scanner_brings_address_port_and_time(capsysbinary: Output) -> None:
    assert run(["identify", "--format", "zgrab2", str(DATA / "zgrab2-smtp.jsonl")]) == 0

    found = {record["ip"]: record for record in records(capsysbinary.readouterr().out)}
    assert {ip: record["software"] and record["software"]["product"] for ip, record in found.items()} == {
        "127.77.0.1": "Sendmail",
        "127.77.0.2": "Exim",
        "127.77.0.3": "Postfix",
        "127.77.0.4": None,
        "127.77.0.5": None,
    }
    assert found["127.77.0.1"]["software"]["version"] == "8.14.7"
    assert found["127.77.0.1"]["port"] == 2525
    assert found["127.77.0.1"]["observed_at"] == "2026-11-23T17:52:11.000Z"
    assert found["127.77.0.1"]["banner"]["clock_skew_s"] == -(31 * 3600 + 35 * 60 + 15)
    assert found["127.77.0.4"]["refusal"]["kind"] == "dnsbl"


@pytest.mark.parametrize(
    ("kind", "file", "count"),
    [
        ("zgrab2", "zgrab2-banner.jsonl", 5),
        ("masscan", "masscan.json", 5),
        ("masscan", "masscan.ndjson", 5),
        ("masscan", "masscan.list", 5),
        ("nmap-xml", "nmap-banner.xml", 5),
        ("nmap-xml", "nmap-service.xml", 1),
    ],
)
def test_every_format_gives_records_of_the_schema(kind: str, file: str, count: int, capsysbinary: Output) -> None:
    assert run(["identify", "--format", kind, str(DATA / file)]) == 0

    assert len(records(capsysbinary.readouterr().out)) == count


def test_standard_input_is_read(tmp_path: Path) -> None:
    done = smtpsweep("identify", "-", cwd=tmp_path, stdin="h ESMTP Postfix\nh ESMTP \udcff\n")

    assert (done.code, done.err) == (0, "")
    first, second = records(done.out.encode())
    assert first["software"]["product"] == "Postfix"
    assert second["banner"]["text"] == r"220 h ESMTP \xff"


def test_a_bad_line_is_reported_and_counted_and_the_others_are_read(tmp_path: Path, capsysbinary: Output) -> None:
    file = tmp_path / "grabs.jsonl"
    good = (DATA / "zgrab2-smtp.jsonl").read_text().splitlines()[0]
    file.write_text(f"{{\n{good}\n7\n{good}\n")

    assert run(["identify", "--format", "zgrab2", str(file)]) == 0
    out, err = capsysbinary.readouterr()
    assert len(records(out)) == 2
    first, second, last = err.decode().splitlines()
    assert first.startswith(f"smtpsweep: {file}: line 1: not valid JSON: ")
    assert second == f"smtpsweep: {file}: line 3: not valid JSON: not an object"
    assert last == "smtpsweep: 2 lines could not be read; 2 greetings could"


def test_many_bad_lines_are_counted_and_not_all_named(tmp_path: Path, capsysbinary: Output) -> None:
    file = tmp_path / "grabs.jsonl"
    file.write_text("{\n" * 1000)

    assert run(["identify", "--format", "masscan", str(file)]) == 2
    lines = capsysbinary.readouterr().err.decode().splitlines()
    assert len(lines) == 21
    assert lines[-1] == "smtpsweep: 1,000 lines could not be read; 0 greetings could"


def test_with_strict_the_first_bad_line_ends_it(tmp_path: Path, capsysbinary: Output) -> None:
    file = tmp_path / "grabs.jsonl"
    file.write_text("{}\n{\n")

    assert run(["identify", "--strict", "--format", "zgrab2", str(file)]) == 2
    out, err = capsysbinary.readouterr()
    assert (out, err.decode()) == (b"", f"smtpsweep: {file}: line 1: no object 'data' in it\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to identify: name a file, - for standard input, or give --text"),
        (["no-such-file"], "no-such-file: cannot be read (No such file or directory)"),
        (["--fingerprints", "x", "--text", "a"], "--fingerprints 'x': must be recog:FOLDER"),
        (["--fingerprints", "recog:nowhere", "--text", "a"], "--fingerprints recog:nowhere: has no smtp_banners.xml"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], message: str, capsysbinary: Output) -> None:
    assert run(["identify", *arguments]) == 2

    assert capsysbinary.readouterr().err.decode() == f"smtpsweep: {message}\n"


def test_a_database_of_the_users_own_is_asked_after_ours(tmp_path: Path, capsysbinary: Output) -> None:
    (tmp_path / "smtp_banners.xml").write_text(
        '<fingerprints><fingerprint pattern="^\\S+ ESMTP Frob (\\d+)$"><param pos="0" name="service.product" '
        'value="Frob"/><param pos="1" name="service.version"/></fingerprint></fingerprints>'
    )
    options = ["--fingerprints", f"recog:{tmp_path}"]

    assert run(["identify", *options, "--text", "h ESMTP Frob 7", "--text", "h ESMTP Postfix"]) == 0
    theirs, ours = records(capsysbinary.readouterr().out)
    assert (theirs["software"]["product"], theirs["software"]["version"]) == ("Frob", "7")
    assert ours["software"]["evidence"] == "postfix.plain"
