"""Claims about `smtpsweep diff`, run as a user runs it: exit codes, table, JSON Lines, and what is said beside them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scanner.analysis.change_schema import change_schema
from scanner.analysis.changes import ChangeKind
from scanner.cli.entry import run
from scanner.delivery.local.compression import codec_for
from scanner.model import Status
from scanner.smtp import parse_banner
from tests.support.command_line import ROOT, smtpsweep
from tests.support.sweeps import TUESDAY, dialogue, visit, write, write_summary

Output = pytest.CaptureFixture[str]
A, B, C = "192.0.2.1", "192.0.2.20", "192.0.2.100"
HOSTILE = "<script>\x1b[2J]]>[bold]x[/]=cmd|' /C calc'!A0${jndi:ldap://x}\u2028\u202e`::error::`\r\n{{ 1 }}"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def week(tmp_path: Path) -> list[str]:
    """Monday's and Tuesday's sweep: one version changed, one host hides it now, one is gone, one was busy."""
    monday = [
        visit(C, "Sendmail", "8.14.7"),
        visit(B, "Sendmail", "8.14.7", host="mail.example.com"),
        visit(A, "Exim", "4.96"),
        visit("2001:db8::1"),
    ]
    tuesday = [
        visit(A, scan=TUESDAY, status=Status.REFUSED),
        visit(B, scan=TUESDAY),
        visit(C, "Sendmail", "8.17.1", scan=TUESDAY),
        visit("2001:db8::1", scan=TUESDAY, status=Status.BUSY),
    ]
    return [str(write(tmp_path / "monday.jsonl", monday)), str(write(tmp_path / "tuesday.jsonl", tuesday))]


def lines(out: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.splitlines()]
    for each in found:
        Draft202012Validator(change_schema()).validate(each)
    return found


def test_a_table_shows_each_change_by_address_and_the_exit_code_is_1(week: list[str], capsys: Output) -> None:
    assert run(["diff", *week]) == 1
    out, err = capsys.readouterr()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert rows == [
        [A, "25", "gone", "ready", "refused", ""],
        [B, "25", "now_hidden", "Sendmail 8.14.7", "(not named)", "mail.example.com"],
        [C, "25", "version_changed", "Sendmail 8.14.7", "Sendmail 8.17.1", ""],
    ]
    assert err.splitlines() == [
        "smtpsweep: 3 targets compared: gone 1, version_changed 1, now_hidden 1",
        "smtpsweep: 1 target not compared: busy after 1",
    ]


def test_json_lines_are_all_that_is_on_stdout(week: list[str], capsys: Output) -> None:
    assert run(["diff", *week, "--json"]) == 1
    found = lines(capsys.readouterr().out)
    assert [(each["kind"], each["ip"], each["port"], each["host"]) for each in found] == [
        ("gone", A, 25, None),
        ("now_hidden", B, 25, "mail.example.com"),
        ("version_changed", C, 25, None),
    ]
    assert (found[2]["before"]["version"], found[2]["after"]["version"]) == (["8.14.7"], ["8.17.1"])


def test_no_changes_are_exit_code_0_and_no_table(week: list[str], capsys: Output) -> None:
    assert run(["diff", week[0], week[0]]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "smtpsweep: 4 targets compared: no changes\n")


@pytest.mark.parametrize(
    ("options", "code", "shown"),
    [
        (["--ignore", "gone"], 1, ["now_hidden", "version_changed"]),
        (["--ignore", "gone", "--ignore", "now_hidden", "--ignore", "version_changed"], 0, []),
        (["--fail-on", "gone"], 1, ["gone", "now_hidden", "version_changed"]),
        (["--fail-on", "now_disclosed"], 0, ["gone", "now_hidden", "version_changed"]),
        (["--fail-on", "now_disclosed", "--fail-on", "version_changed"], 1, ["gone", "now_hidden", "version_changed"]),
        (["--fail-on", "now_disclosed", "--ignore", "gone"], 0, ["now_hidden", "version_changed"]),
    ],
)
def test_kinds_can_be_left_out_or_be_the_only_ones_that_fail(
    week: list[str], options: list[str], code: int, shown: list[str], capsys: Output
) -> None:
    assert run(["diff", *week, "--json", *options]) == code
    assert [each["kind"] for each in lines(capsys.readouterr().out)] == shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--ignore", "gone", "--fail-on", "gone"],
            "--ignore gone and --fail-on gone contradict each other: use one of them",
        ),
        (["--ignore", "everything"], "Invalid value for '--ignore'"),
        (["--summary-before", "monday.json"], "--summary-before and --summary-after: give both or none"),
        (["--summary-after", "monday.json"], "--summary-before and --summary-after: give both or none"),
        (["--summary-after", "none", "--summary-before", "none"], "none: cannot be read"),
        (["third"], "unexpected extra argument"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_code_2(
    week: list[str], arguments: list[str], problem: str, capsys: Output
) -> None:
    assert run(["diff", *week, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert problem in err


def test_a_damaged_line_is_named_and_nothing_is_compared(week: list[str], tmp_path: Path, capsys: Output) -> None:
    with (tmp_path / "tuesday.jsonl").open("a") as file:
        file.write('{"schema":"smtpsweep.record/1"\n')
    assert run(["diff", *week]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"smtpsweep: {week[1]}:5: not a record: not valid JSON")


def test_summaries_tell_that_a_missing_host_is_gone_and_without_them_it_is_said_why_not(
    tmp_path: Path, capsys: Output
) -> None:
    files = [str(write(tmp_path / "a", [visit(A)])), str(write(tmp_path / "b", [visit(B, scan=TUESDAY)]))]
    assert run(["diff", *files, "--json"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing was compared: no target has a record in both files" in err
    assert "2 targets not compared: no record after 1, no record before 1" in err
    assert "targets without a record after are not reported: without both summaries" in err

    before, after = write_summary(tmp_path / "a.json"), write_summary(tmp_path / "b.json", TUESDAY)
    summaries = ["--summary-before", str(before), "--summary-after", str(after)]
    assert run(["diff", *files, *summaries]) == 1
    out, err = capsys.readouterr()
    assert [line.split("│")[1:6] for line in out.splitlines() if "│" in line] != []
    assert ("(no record)" in out, "gone" in out, "new" in out) == (True, True, True)
    assert err == "smtpsweep: 2 targets compared: new 1, gone 1\n"

    write_summary(tmp_path / "b.json", TUESDAY, shard="2/2")
    assert run(["diff", *files, *summaries]) == 2
    assert "different shards (1/1 and 2/2); --force compares them all the same" in capsys.readouterr().err
    assert run(["diff", *files, *summaries, "--force"]) == 3
    assert "warning: the sweeps are of different shards" in capsys.readouterr().err


def test_a_time_out_is_gone_when_asked_for(tmp_path: Path, capsys: Output) -> None:
    files = [write(tmp_path / "a", [visit(A)]), write(tmp_path / "b", [visit(A, status=Status.CONNECT_TIMEOUT)])]
    assert run(["diff", *map(str, files)]) == 3
    assert capsys.readouterr().err == (
        "smtpsweep: 0 targets compared\nsmtpsweep: 1 target not compared: connect_timeout after 1\n"
        "smtpsweep: nothing was compared: no target has a conclusive record in both files\n"
    )
    assert run(["diff", *map(str, files), "--time-out-is-gone"]) == 1
    assert "gone" in capsys.readouterr().out


def test_an_empty_file_is_not_a_network_without_changes(tmp_path: Path, capsys: Output) -> None:
    full, empty = str(write(tmp_path / "a", [visit(A)])), str(write(tmp_path / "b", []))

    for files, names in (((full, empty), empty), ((empty, full), empty), ((empty, empty), empty)):
        assert run(["diff", *files]) == 3
        err = capsys.readouterr().err
        assert "smtpsweep: 0 targets compared\n" in err
        assert err.endswith(f"smtpsweep: nothing was compared: {names}: no record of a target\n")
        assert "no changes" not in err
        assert run(["diff", *files, "--fail-on", "gone"]) == 3
        capsys.readouterr()

    before, after = (
        write_summary(tmp_path / "a.json", records=0),
        write_summary(tmp_path / "b.json", TUESDAY, records=0),
    )
    assert run(["diff", empty, empty, "--summary-before", str(before), "--summary-after", str(after)]) == 0


@pytest.mark.parametrize(
    "line",
    [
        ["diff", "SUMMARY", "SUMMARY"],
        ["convert", "SUMMARY", "--format", "ecs", "-o", "-"],
        ["policy", "check", "SUMMARY"],
        ["remedy", "SUMMARY", "-o", "plan"],
        ["verify", "--before", "SUMMARY", "-x", "0.0.0.0/0"],
    ],
    ids=lambda line: line[0],
)
@pytest.mark.parametrize("indented", [True, False])
def test_a_summary_that_is_given_for_records_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, line: list[str], indented: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = write_summary(tmp_path / "s.json")
    summary.write_text(json.dumps(json.loads(summary.read_bytes()), indent=2 if indented else None) + "\n")

    assert run(["s.json" if word == "SUMMARY" else word for word in line]) == 2
    assert capsys.readouterr().err == (
        "smtpsweep: s.json: is the summary of a sweep: name the file of its records (sweep -o)\n"
    )


def test_records_that_are_given_for_a_summary_are_called_so(tmp_path: Path, capsys: Output) -> None:
    file = str(write(tmp_path / "a", [visit(A), visit(B)]))

    for line in (["diff", file, file, "--summary-before", file, "--summary-after", file],
                 ["policy", "check", file, "--summary", file]):  # fmt: skip
        assert run(line) == 2
        assert capsys.readouterr().err == (
            f"smtpsweep: {file}: is not a summary, but the records of a sweep: name its summary (sweep --summary)\n"
        )


def test_bytes_of_servers_and_names_of_files_command_no_terminal(tmp_path: Path, capsys: Output) -> None:
    name = str(tmp_path / "a\x1b]0;x\x07\n::error::b")
    files = [str(write(Path(name), [visit(A, "Exim", "4.96", port=25)])), str(tmp_path / "b")]
    write(tmp_path / "b", [visit(A, HOSTILE, "1\x1b[31m", scan=TUESDAY, host=f"{HOSTILE}.example.com")])
    assert run(["diff", *files]) == 1
    out, err = capsys.readouterr()
    shown = out.replace("\n", "")
    assert all(character.isprintable() for character in shown)
    assert set(shown) - {chr(code) for code in range(0x20, 0x7F)} <= set("┏━┳┓┃┡╇┩│└─┴┘├┼┤┌┬┐")
    assert "[bold]x[/]" in out
    assert r"\x1b" in out
    assert r"\u202e" in out

    assert run(["diff", *files, "--json"]) == 1
    (line,) = lines(capsys.readouterr().out)
    assert line["after"]["product"] == [HOSTILE]

    Path(name).write_bytes(b"{")
    assert run(["diff", *files]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


def test_long_values_are_cut_in_the_table_only(tmp_path: Path, capsys: Output) -> None:
    files = [write(tmp_path / "a", [visit(A, "Exim", "1")]), write(tmp_path / "b", [visit(A, "Exim", "9" * 5000)])]
    assert run(["diff", *map(str, files)]) == 1
    out = capsys.readouterr().out
    assert "Exim 999" in out
    assert out.count("9") < 80
    assert run(["diff", *map(str, files), "--json"]) == 1
    assert lines(capsys.readouterr().out)[0]["after"]["version"] == ["9" * 5000]


def test_certificates_are_shown_by_the_start_of_their_digest(tmp_path: Path, capsys: Output) -> None:
    files = [
        write(tmp_path / name, [visit(A, dialogue=dialogue(digit))]) for name, digit in (("one", "a"), ("two", "b"))
    ]
    assert run(["diff", *map(str, files)]) == 1
    out = capsys.readouterr().out
    assert ("a" * 16 in out, "a" * 17 in out, "b" * 16 in out) == (True, False, True)


def test_pools_and_several_scans_in_one_file_are_said(tmp_path: Path, capsys: Output) -> None:
    pool = [visit(A, "Exim", "4.96", sample=0), visit(A, "Exim", "4.98", sample=1), visit(A, "Exim", "4.98", scan="x")]
    files = [str(write(tmp_path / "a", pool)), str(write(tmp_path / "b", [visit(A, "Exim", "4.98", scan=TUESDAY)]))]
    assert run(["diff", *files]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "smtpsweep: 1 target compared: no changes",
        "smtpsweep: 1 target differs only in part (in one of several answers, or in what only one sweep recorded)",
        "smtpsweep: 1 target with records from several scans in one file: all of them count",
    ]


def test_a_table_ends_where_it_would_not_fit_memory_and_says_how_many_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("scanner.cli.diff.MAX_ROWS", 3)
    addresses = [f"192.0.2.{number}" for number in range(10, 15)]
    files = [
        str(write(tmp_path / "a", [visit(ip, "Exim", "4.96") for ip in addresses])),
        str(write(tmp_path / "b", [visit(ip, scan=TUESDAY) for ip in addresses])),
    ]
    assert run(["diff", *files]) == 1
    out, err = capsys.readouterr()
    assert [ip in out for ip in addresses] == [True, True, True, False, False]
    assert "2 more changes not in the table: --json prints all of them" in err
    assert "5 targets compared: now_hidden 5" in err


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_packed_sweeps_and_standard_input_are_read_like_any_other(week: list[str], tmp_path: Path, suffix: str) -> None:
    packed = tmp_path / f"monday{suffix}"
    packed.write_bytes(codec_for(packed).pack(Path(week[0]).read_bytes()))
    done = smtpsweep("diff", packed, "-", "--json", cwd=tmp_path, stdin=Path(week[1]).read_text())
    assert done.code == 1
    assert [each["kind"] for each in lines(done.out)] == ["gone", "now_hidden", "version_changed"]


def test_without_duckdb_one_line_names_the_command_that_gets_it(
    week: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert run(["diff", *week]) == 2
    assert capsys.readouterr().err == (
        "smtpsweep: comparing needs DuckDB, which is not installed: pip install 'smtpsweep[analysis]'\n"
    )


def test_help_names_every_kind_and_loads_no_database(tmp_path: Path) -> None:
    done = smtpsweep("diff", "--help", cwd=tmp_path)
    assert done.code == 0
    assert all(kind.value in done.out.replace("\n", "").replace(" ", "") for kind in ChangeKind)
    code = "import sys, scanner.cli.diff; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_reader_that_closes_the_pipe_is_exit_code_3_and_leaves_no_folder_behind(
    week: list[str], tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "scanner", "diff", *week, "--json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(aside)},
        cwd=ROOT,
        timeout=50,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (3, b"smtpsweep: stdout: the reader closed the pipe\n")
    assert list(aside.iterdir()) == []


def test_the_table_shows_a_version_that_is_now_shown_of_a_product_nobody_knows(tmp_path: Path, capsys: Output) -> None:
    hidden, shown = visit(A), visit(A, scan=TUESDAY)
    greeting = parse_banner(b"220 mail.example.com ESMTP FooMail 3.2.1\r\n")
    shown = shown._replace(banner=greeting, disclosure=("version",))
    silent = visit(B, scan=TUESDAY)._replace(disclosure=("version",))
    monday, tuesday = write(tmp_path / "m", [hidden, visit(B)]), write(tmp_path / "t", [shown, silent])

    assert run(["diff", str(monday), str(tuesday)]) == 1

    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    assert [row[2:5] for row in rows] == [
        ["now_disclosed", "(not named)", "3.2.1"],
        ["now_disclosed", "(not named)", "(shows a version)"],
    ]
