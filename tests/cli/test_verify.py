"""`smtpsweep verify` as its users run it: exit codes, both outputs, reports, policies, and hostile servers in each."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from scanner.cli import verify as cli_verify
from scanner.cli.entry import run
from tests.support.command_line import Done, smtpsweep
from tests.support.dialogues import HARDENED_REPLIES, POSTFIX_REPLIES, SENDMAIL_REPLIES
from tests.support.greetings import NO_PRODUCT_LAB, SENDMAIL_8_17
from tests.support.mail_hosts import MailHost
from tests.support.servers import Peer, Script, free_port, greets, serving

QUICK = ("--rate", "0", "--subnet-rate", "0", "--retries", "0", "--connect-timeout", "2s", "--greeting-timeout", "1s")
LEAKING, HARDENED = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES), MailHost(NO_PRODUCT_LAB, HARDENED_REPLIES)
POSTFIX_HOST = MailHost(b"220 mail2.lab.example ESMTP Postfix\r\n", POSTFIX_REPLIES)


def verify(folder: Path, script: Script, *arguments: str | Path, target: str = "127.0.0.9") -> Done:
    with serving(script) as server:
        return smtpsweep("verify", target, "-p", str(server.port), *QUICK, *arguments, cwd=folder)


def results(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(
    ("script", "options", "code", "state"),
    [
        (HARDENED, (), 0, "fixed"),
        (POSTFIX_HOST, (), 0, "hidden_but_recognisable"),
        (POSTFIX_HOST, ("--strict",), 1, "hidden_but_recognisable"),
        (LEAKING, (), 1, "still_discloses"),
        (greets(b"421 too many connections from your host\r\n"), (), 3, "refused_us"),
        (greets(b"nonsense\r\n"), (), 3, "inconclusive"),
    ],
)
def test_the_exit_code_says_whether_all_is_fixed(
    script: Script, options: tuple[str, ...], code: int, state: str, tmp_path: Path
) -> None:
    done = verify(tmp_path, script, "--json", "--samples", "2", *options)

    (result,) = results(done)
    assert (done.code, result["state"]) == (code, state)
    assert list(result) == ["schema", "ip", "port", "host", "state", "evidence", "before", "after", "samples"]
    assert (result["schema"], result["ip"], result["host"]) == ("smtpsweep.verify/1", "127.0.0.9", None)
    assert result["samples"]["asked"] == 2
    assert f"1 verified: 1 {state.replace('_', ' ')}" in done.err


def test_progress_is_a_line_on_stderr(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli_verify, "_SAY_EVERY_S", 0.0)
    with serving(HARDENED) as server:
        code = run(["verify", "127.0.0.9", "-p", str(server.port), *QUICK, "--json", "--samples", "2"])

    said = capfd.readouterr()
    assert code == 0
    assert "smtpsweep: 2 of 2 visits\n" in said.err
    assert "smtpsweep: 2 of 2 visits, 1 of 1 hosts read again\n" in said.err
    assert len(said.out.splitlines()) == 1


def test_a_host_that_is_down_is_not_fixed_and_one_that_leaks_beside_it_decides(tmp_path: Path) -> None:
    down = smtpsweep("verify", "127.0.0.9", "-p", str(free_port()), *QUICK, "--json", cwd=tmp_path)

    with serving(LEAKING) as server:
        both = smtpsweep(
            *("verify", "127.0.0.9", "-p", str(server.port), "-p", str(free_port()), *QUICK, "--json"), cwd=tmp_path
        )

    assert (down.code, results(down)[0]["state"]) == (3, "unreachable")
    assert "NOT ENOUGH SEEN" in down.err
    assert both.code == 1
    assert sorted(each["state"] for each in results(both)) == ["still_discloses", "unreachable"]


def test_a_stored_sweep_says_whom_to_visit_and_what_was_there(tmp_path: Path) -> None:
    host = MailHost(SENDMAIL_8_17, SENDMAIL_REPLIES)
    with serving(host) as server:
        swept = smtpsweep(
            *(
                "sweep",
                "127.0.0.9",
                "127.0.0.10",
                "-p",
                str(server.port),
                "--probe",
                "dialogue",
                "-o",
                "sweep.jsonl.gz",
            ),
            cwd=tmp_path,
        )
        host.greeting, host.replies = HARDENED.greeting, HARDENED.replies
        done = smtpsweep(*("verify", "--before", "sweep.jsonl.gz", "-x", "127.0.0.10", *QUICK, "--json"), cwd=tmp_path)
        table = smtpsweep("verify", "--before", "sweep.jsonl.gz", "-x", "127.0.0.10", *QUICK, cwd=tmp_path)

    assert (swept.code, done.code) == (0, 0)
    (result,) = results(done)
    assert (result["ip"], result["state"]) == ("127.0.0.9", "fixed")
    assert result["before"]["software"] == {"product": "Sendmail", "version": "8.17.1.9"}
    assert result["before"]["versions_in"] == ["greeting", "help"]
    assert result["after"]["greeting"] == "220 mail1.lab.example ESMTP"
    assert "1 host of the stored sweep not visited: excluded" in done.err
    assert "220 mail1.lab.example ESMTP Sendmail" in " ".join(table.out.split())
    assert "fixed, 3 of 3 visits" in table.out


def test_the_table_has_before_and_after_beside_each_other_and_whole_lines_of_evidence(tmp_path: Path) -> None:
    done = verify(tmp_path, MailHost(NO_PRODUCT_LAB, SENDMAIL_REPLIES))

    assert done.code == 1
    assert "still discloses, 3 of 3 visits" in done.out
    assert [line.split() for line in done.out.splitlines() if "before" in line] == [["before", "after"]]
    assert "  help shows version 8.17.1.9: 214-2.0.0 This is sendmail version 8.17.1.9\n" in done.out


# Policies and reports

ONLY_PRODUCT = 'version = 1\n[rules.starttls-offered]\nlevel = "off"\n[rules.no-product-in-greeting]\nlevel = "{}"\n'


@pytest.mark.parametrize(("level", "code"), [("warning", 0), ("error", 1)])
def test_a_policy_can_make_a_named_product_an_error(level: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(ONLY_PRODUCT.format(level))

    done = verify(tmp_path, POSTFIX_HOST, "--policy", "policy.toml", "--json")

    assert (done.code, results(done)[0]["state"]) == (code, "hidden_but_recognisable")


def test_a_policys_coverage_lets_some_hosts_be_unseen_but_never_a_version(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        'version = 1\n[rules.starttls-offered]\nlevel = "off"\n[coverage]\nmin_seen = 0.5\n'
    )
    with serving(HARDENED) as server:
        ports = ("-p", str(server.port), "-p", str(free_port()))
        strict = smtpsweep("verify", "127.0.0.9", *ports, *QUICK, "--json", cwd=tmp_path)
        lenient = smtpsweep(*("verify", "127.0.0.9", *ports, *QUICK, "--json", "--policy", "policy.toml"), cwd=tmp_path)

    assert (strict.code, lenient.code) == (3, 0), lenient.err


def test_reports_have_a_verdict_for_each_host_and_are_read_by_others(tmp_path: Path) -> None:
    with serving(LEAKING) as server:
        ports = ("-p", str(server.port), "-p", str(free_port()))
        done = smtpsweep(
            *("verify", "127.0.0.9", *ports, *QUICK, "--junit", "r.xml", "--sarif", "r.sarif"), cwd=tmp_path
        )

    assert done.code == 1
    cases = ET.parse(tmp_path / "r.xml").getroot().iter("testcase")  # noqa: S314  our own file
    kinds = sorted(",".join(child.tag for child in case) for case in cases)
    assert kinds == ["failure", "failure", "skipped"]  # the leak, the coverage, the host that is down
    (run,) = json.loads((tmp_path / "r.sarif").read_bytes())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["verify", "coverage"]
    assert "8.17.1.9" in run["results"][0]["message"]["text"]


def test_a_report_that_exists_is_refused_before_anybody_is_visited(tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_text("mine")
    with serving(HARDENED) as server:
        arguments = ("verify", "127.0.0.9", "-p", str(server.port), *QUICK, "--junit", "r.xml")
        refused = smtpsweep(*arguments, cwd=tmp_path)
        visits = len(server.peers)
        replaced = smtpsweep(*arguments, "--overwrite", cwd=tmp_path)

    assert (refused.code, visits, replaced.code) == (2, 0, 0)
    assert (tmp_path / "r.xml").read_text().startswith("<?xml")


HOSTILE = [
    b"<script>alert(1)</script>",
    b"\x1b[31mred\x1b[0m\x1b]0;title\x07",
    b"]]> &amp; <!--",
    b"=cmd|' /C calc'!A0",
    b"${jndi:ldap://x}",
    "a\u2028b".encode(),
    b"`id` $(id)",
    b"::error::pwned ##[error]pwned",
    b"{{ lookup('pipe','id') }}",
    b"[bold]markup[/bold] :smile:",
    b"x\r\n220-y\r\n220 z",
    b"\xff\xfe\x00\x85",
]


def hostile(peer: Peer) -> None:
    """Be another hostile server at each address: 127.0.9.0, 127.0.9.1 and so on."""
    words = HOSTILE[int(peer.sock.getsockname()[0].rpartition(".")[2])]
    MailHost(b"220 " + words + b" Sendmail 8.14.4\r\n", {"EHLO": b"250 h\r\n", "HELP": b"214 " + words + b"\r\n"})(peer)


def test_hostile_words_are_neutral_in_every_output(tmp_path: Path) -> None:
    with serving(hostile) as server:
        arguments = ("verify", f"127.0.9.0-127.0.9.{len(HOSTILE) - 1}", "-p", str(server.port), *QUICK)
        done = smtpsweep(*arguments, "--samples", "1", "--json", "--junit", "r.xml", "--sarif", "r.sarif", cwd=tmp_path)
        table = smtpsweep(*arguments, "--samples", "1", cwd=tmp_path)

    assert (done.code, table.code) == (1, 1)
    assert len(results(done)) == table.out.count(", 1 of 1 visits") == len(HOSTILE)
    for text in (done.out, done.err, table.err, table.out.replace("\u2500", "")):
        assert text.isascii()
        assert all(line.isprintable() for line in text.split("\n"))
    # A command of GitHub's begins a line; ours begin with two spaces and a place, or with an address.
    assert not any(line.startswith("::") for line in table.out.splitlines())
    assert "  greeting shows version 8.14.4: 220 [bold]markup[/bold] :smile: Sendmail 8.14.4\n" in table.out
    failures = [each.get("message") for each in ET.parse(tmp_path / "r.xml").getroot().iter("failure")]  # noqa: S314  our own file
    assert len(failures) >= len(HOSTILE) - 1
    assert b"<script>" not in (tmp_path / "r.xml").read_bytes()
    (run,) = json.loads((tmp_path / "r.sarif").read_bytes())["runs"]
    assert len(run["results"]) == len(failures)


# What cannot be used


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "nothing to verify: name targets, or a stored sweep with --before"),
        (("--before", "none.jsonl"), "none.jsonl: cannot be read"),
        (("--before", "other.jsonl"), "other.jsonl:1: not a record of schema smtpsweep.record/1"),
        (("--before", "empty.jsonl"), "nothing to verify: no server has sent a greeting before"),
        (("127.0.0.9", "--received", "none.eml"), "none.eml: cannot be read"),
        (("127.0.0.9", "--samples", "2", "--agree", "3"), "--agree 3: is more than --samples 2"),
        (("127.0.0.9", "-x", "127.0.0.0/8"), "excluded: nothing to do"),
        (("127.0.0.9", "--policy", "other.jsonl"), "other.jsonl: "),
        (("127.0.0.9", "--before", "-", "-x", "-"), "standard input: can be read only once"),
        (("127.0.0.9", "--junit", "r", "--sarif", "r"), "--junit r would overwrite --sarif r"),
        (
            ("127.0.0.9", "--before", "empty.jsonl", "--junit", "empty.jsonl"),
            "--junit empty.jsonl would overwrite --before empty.jsonl",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "other.jsonl").write_text('{"schema": "else"}\n')
    (tmp_path / "empty.jsonl").write_text("")

    done = smtpsweep("verify", *arguments, cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert problem in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.jsonl", "other.jsonl"]


def test_a_leak_by_a_server_that_was_not_verified_is_said_on_stderr(tmp_path: Path) -> None:
    lines = "Received: by other.example (Exim 4.96) id 1; now\nReceived: by third.example (3.2.1) id 1; now\n"
    (tmp_path / "h.eml").write_text(lines)

    done = verify(tmp_path, HARDENED, "--received", "h.eml")

    assert done.code == 3
    assert (
        "--received: no Received: line was written by a verified host, only by other.example, third.example\n"
        in done.err
    )
    assert "inconclusive" in done.out
    assert (
        "a header line that no verified host wrote shows a version: Received: by other.example (Exim 4.96)" in done.err
    )
    assert "wrote has a number that may be a version: Received: by third.example (3.2.1)" in done.err


def test_a_message_with_a_line_of_the_host_passes_it_and_one_of_others_beside_it_does_not_let_the_whole_pass(
    tmp_path: Path,
) -> None:
    (tmp_path / "own.eml").write_text("Received: from a by mail1.lab.example with ESMTP id 1; now\n")
    (tmp_path / "other.eml").write_text("Received: from a (h [192.0.2.1]) id 1; now\n")

    assert verify(tmp_path, HARDENED, "--received", "own.eml").code == 0
    both = verify(tmp_path, HARDENED, "--received", "own.eml", "--received", "other.eml")

    assert both.code == 3
    assert "1 verified: 1 fixed" in both.err
    assert "no Received: line was written by a verified host, only by hosts without a name\n" in both.err
    assert "NOT ENOUGH SEEN" in both.err


@pytest.mark.parametrize("product", ["Mirapoint", "Symantec Messaging Gateway", "Postfix", "FooMail"])
def test_a_product_without_a_version_in_the_hosts_line_leaves_it_recognisable(tmp_path: Path, product: str) -> None:
    (tmp_path / "h.eml").write_text(f"Received: from a by mail1.lab.example ({product}) with ESMTP id 1; now\n")

    done = verify(tmp_path, HARDENED, "--received", "h.eml", "--json")

    named = [state for state in ("hidden_but_recognisable", "fixed") if f'"state":"{state}"' in done.out]
    assert (done.code, named) == (0, ["fixed" if product == "FooMail" else "hidden_but_recognisable"])
