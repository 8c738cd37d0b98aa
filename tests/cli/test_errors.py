"""What users get when something is wrong: one line on stderr, an exit code, and nothing made or visited."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.sweeps.checkpoint import Checkpoint
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.saved_state import Identity
from scanner.targets import Progress
from tests.support.command_line import ROOT, Done, smtpsweep
from tests.support.foreign_files import names_in

#: Options with which a sweep that is not refused ends at once.
QUICK = ("-p", "1", "--connect-timeout", "1", "--retries", "0")


class Listener:
    """A port on loopback, and how many connections came to it."""

    def __init__(self) -> None:
        self._sock = socket.create_server(("0.0.0.0", 0))  # noqa: S104  all of 127.0.0.0/8
        self.port: int = self._sock.getsockname()[1]

    def visits(self) -> int:
        """Count the connections that wait to be accepted."""
        self._sock.setblocking(False)
        count = 0
        while True:
            try:
                self._sock.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


def refusal(done: Done, code: int = 2) -> str:
    """Return the one line of a command that was refused."""
    assert (done.code, done.out) == (code, "")
    assert done.err.endswith("\n")
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("smtpsweep: ")
    assert lines[0].isprintable()
    return lines[0].removeprefix("smtpsweep: ")


REFUSED = {
    "no command": (["nope"], "No such command 'nope'. (see 'smtpsweep --help')"),
    "no target": (
        ["sweep"],
        "no targets: name addresses, ranges, host names, mx:DOMAIN, @FILE or - for standard input",
    ),
    "bad target": (["sweep", "192.0.2.300"], "command line: '192.0.2.300': 300 is more than 255"),
    "hostile target": (
        ["sweep", "127.0.0.1\n\x1b[31m"],
        r"command line: '\x1b[31m': not an IP address (zones cannot be used; a port is given with --port)",
    ),
    "bad exclusion": (["sweep", "127.0.0.1", "-x", "1/2"], "command line: '1/2': an IPv4 address has four numbers, "),
    "missing target file": (["sweep", "@no.txt"], "no.txt: cannot be read (No such file or directory)"),
    "missing exclusion file": (
        ["sweep", "127.0.0.1", "--exclude-file", "no.txt"],
        "no.txt: cannot be read (No such file or directory)",
    ),
    "hostile file name": (["sweep", "@a\n\x1b[31m"], r"a\n\x1b[31m: cannot be read (No such file or directory)"),
    "unknown option": (["sweep", "127.0.0.1", "--zzzzz"], "No such option '--zzzzz'. (see 'smtpsweep sweep --help')"),
    "bad value": (
        ["sweep", "127.0.0.1", "--rate", "x"],
        "Invalid value for '--rate': 'x' is not a number: write 0 or more (see 'smtpsweep sweep --help')",
    ),
    "missing value": (["sweep", "127.0.0.1", "--rate"], "Option '--rate' requires an argument."),
    "rate without end": (["sweep", "127.0.0.1", "--rate", "inf"], "--rate inf: must be finite"),
    "rate that is not a number": (["sweep", "127.0.0.1", "--rate", "nan"], "--rate nan: must be 0 or more"),
    "no patience": (["sweep", "127.0.0.1", "--idle-timeout", "0"], "--idle-timeout 0: must be more than 0"),
    "port twice": (["sweep", "127.0.0.1", "-p", "25", "-p", "25"], "--port: names a port twice"),
    "bad configuration": (
        ["sweep", "127.0.0.1", "--config", "no.toml"],
        "--config no.toml: cannot be read (No such file or directory)",
    ),
    "everything excluded": (
        ["sweep", "127.0.0.0/30", "-x", "127.0.0.0/8"],
        "all 4 addresses are excluded: nothing to do",
    ),
    "never to be visited": (["sweep", "0.0.0.1"], "the only address is excluded: nothing to do"),
    "too large": (
        ["sweep", "10.0.0.0/7"],
        "33,554,432 addresses are more than a /8 (16,777,216): if you are allowed",
    ),
    "too large for IPv6": (
        ["sweep", "2001:db8::/64"],
        "command line: '2001:db8::/64': about 2^64 addresses are too many",
    ),
    "unwritable output": (
        ["sweep", "127.0.0.1", "-o", "no/out.jsonl"],
        "no/out.jsonl: cannot be written: No such file or directory: the directory does not exist: create it first",
    ),
    "unknown kind of output": (
        ["sweep", "127.0.0.1", "-o", "nope://x"],
        "-o nope://...: no sink of this kind is installed",
    ),
    "unwritable state": (
        ["sweep", "127.0.0.1", "--state", "no/state"],
        "no/state: cannot be written (No such file or directory)",
    ),
    "state that is a device": (
        ["sweep", "127.0.0.1", "--state", "/dev/null"],
        "/dev/null: cannot be read (it is not a regular",
    ),
    "unwritable summary": (
        ["sweep", "127.0.0.1", "--summary", "no/sum"],
        "--summary no/sum: cannot be written (its folder does not exist)",
    ),
    "summary over the output": (
        ["sweep", "127.0.0.1", "-o", "a", "--summary", "./a"],
        "-o a would overwrite --summary a: name another file",
    ),
    "metrics over the output": (
        ["sweep", "127.0.0.1", "-o", "a", "--metrics-file", "./a"],
        "-o a would overwrite --metrics-file a: name another file",
    ),
    "summary over the state": (
        ["sweep", "127.0.0.1", "--state", "a", "--summary", "a"],
        "--state a would overwrite --summary a: name another file",
    ),
    "state over the output": (
        ["sweep", "127.0.0.1", "--state", "a", "-o", "a"],
        "-o a would overwrite --state a: name another file",
    ),
    "another machine's address": (
        ["sweep", "127.0.0.1", "--source-address", "192.0.2.1"],
        "--source-address 192.0.2.1: not an address of this machine (Cannot assign requested address)",
    ),
    "standard input twice": (["sweep", "-", "-x", "-"], "standard input: can be read only once: name a file with @"),
    "checking a network": (["check", "127.0.0.0/30"], "'127.0.0.0/30' is more than one host: "),
    "checking an excluded host": (["check", "127.0.0.1", "-x", "127.0.0.0/8"], "the only address is excluded"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_one_line_and_exit_code_2_and_nothing_is_made(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    quick = [*QUICK[2:], *([] if "-p" in arguments else QUICK[:2])] if arguments[0] == "sweep" else []

    done = smtpsweep(*arguments, *(quick if arguments[-1] != "--rate" else []), cwd=tmp_path)

    assert refusal(done).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_no_command_shows_the_help_and_is_a_usage_error(tmp_path: Path) -> None:
    done = smtpsweep(cwd=tmp_path)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: smtpsweep [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["-V"], ["sweep", "-h"], ["check", "--help"], ["lab", "--help"]]
)
def test_asking_for_help_or_version_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    done = smtpsweep(*arguments, cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert "smtpsweep" in done.out


def test_an_output_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b'{"mine":1}\n')

    done = smtpsweep(
        "sweep", "127.0.0.1", "-o", "out.jsonl", "--state", "state", "--summary", "sum", *QUICK, cwd=tmp_path
    )

    assert refusal(done) == (
        "out.jsonl: exists and is not empty: use --append, --overwrite, or --state to resume its sweep"
    )
    assert output.read_bytes() == b'{"mine":1}\n'
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("kept", [None, b'{"mine":1}\n'])
def test_an_output_that_is_refused_leaves_the_others_as_they_were(tmp_path: Path, kept: bytes | None) -> None:
    """Even those that may be overwritten: no empty file, none emptied, no folder of a run, no metrics."""
    if kept is not None:
        (tmp_path / "a").write_bytes(kept)
    others = ("--overwrite", "--state", "s", "--summary", "sum", "--metrics-file", "m.prom")
    outputs = ("-o", "a", "-o", "syslog+tcp://127.0.0.1:9", "-o", "no/b")

    done = smtpsweep("sweep", "127.0.0.1", *outputs, *others, *QUICK, cwd=tmp_path)

    assert refusal(done).startswith("no/b: cannot be written: No such file or directory")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({"a": kept} if kept else {})


def test_the_same_output_twice_is_refused(tmp_path: Path) -> None:
    done = smtpsweep("sweep", "127.0.0.1", "-o", "a", "-o", "./a", *QUICK, cwd=tmp_path)

    assert refusal(done) == "-o a would overwrite -o a: name another file"


@pytest.mark.parametrize("data", [b"192.0.2.1\n", b'{"schema":"smtpsweep.state/9"}\n', b"\x00" * 100])
def test_a_bad_state_file_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    state = tmp_path / "state"
    state.write_bytes(data)

    done = smtpsweep("sweep", "127.0.0.1", "--state", "state", "-o", "out.jsonl", *QUICK, cwd=tmp_path)

    assert refusal(done).startswith("state: ")
    assert state.read_bytes() == data
    assert list(tmp_path.iterdir()) == [state]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["127.0.0.2"],
            "state: belongs to a sweep of other targets, exclusions or ports; repeat those, or use another",
        ),
        (["127.0.0.1", "--seed", "8"], "state: belongs to a sweep with --seed 7, not 8; use that, or another --state"),
        (["127.0.0.1", "--shard", "1/2"], "state: belongs to a sweep with --shard 1/1, not 1/2; use that, or another"),
    ],
)
def test_the_state_of_another_sweep_is_refused_with_the_difference(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    first = smtpsweep("sweep", "127.0.0.1", "--seed", "7", "--state", "state", "-q", *QUICK, cwd=tmp_path)
    assert (first.code, first.err) == (0, "")
    before = (tmp_path / "state").read_bytes()

    done = smtpsweep("sweep", *arguments, "--state", "state", "-o", "out.jsonl", *QUICK, cwd=tmp_path)

    assert refusal(done).startswith(message)
    assert (tmp_path / "state").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_state_that_another_sweep_is_using_is_left_to_it(tmp_path: Path) -> None:
    held = Checkpoint(tmp_path / "state", Identity("scan", 7, "digest", "1/1", "", ""))
    held.open()
    held.compact(Ledger(1, 0), {}, Progress())
    before = (tmp_path / "state").read_bytes()

    done = smtpsweep("sweep", "127.0.0.1", "--state", "state", "-o", "out.jsonl", *QUICK, cwd=tmp_path)
    held.close()

    assert refusal(done) == "state: another sweep is using it"
    assert (tmp_path / "state").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_refused_sweep_visits_nobody(tmp_path: Path, listener: Listener) -> None:
    done = smtpsweep("sweep", "127.0.0.0/28", "-p", str(listener.port), "-o", "no/out", cwd=tmp_path)

    assert done.code == 2
    assert listener.visits() == 0


def test_a_plan_says_what_would_be_done_and_visits_nobody(tmp_path: Path, listener: Listener) -> None:
    port = str(listener.port)
    arguments = ("127.0.0.0/24", "::1", "-x", "127.0.0.128/25", "-p", port, "--seed", "7", "--rate", "2000")
    files = ("-o", "out.jsonl", "--state", "state", "--summary", "sum.json")

    done = smtpsweep("sweep", "--plan", *arguments, *files, cwd=tmp_path)

    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert (done.code, done.err) == (0, "")
    assert lines["targets"] == "257 planned, 128 of them excluded, 129 to visit"
    assert lines["shard"] == "1 of 1"
    assert lines["ports"] == port
    assert lines["order"].startswith("seed 7: 127.0.0.")
    assert lines["order"].count(f":{port}") == 5
    assert len(lines["digest"]) == 32
    assert lines["rate"] == "2,000 connections per second in total, 50 connections per second to one /24 (IPv6: /64)"
    assert done.out.splitlines()[-2:] == [
        "at once   1,000 connection attempts",
        "duration  about 3 s if hosts answer, up to 26 s if none does",
    ]
    assert listener.visits() == 0
    assert list(tmp_path.iterdir()) == []


def test_the_same_plan_is_printed_again_and_a_large_one_at_once(tmp_path: Path) -> None:
    arguments = ("10.0.0.0/8", "--shard", "3/16", "--seed", "7", "--plan", "--rate", "0", "--subnet-rate", "0")
    first, second = (smtpsweep("sweep", *arguments, cwd=tmp_path) for _ in range(2))

    assert first == second
    assert "1,048,576 planned, 0 of them excluded, 1,048,576 to visit\nshard     3 of 16\n" in first.out
    assert "no limit in total, no limit to one /24" in first.out


def test_targets_and_exclusions_may_come_from_standard_input_and_files(tmp_path: Path) -> None:
    (tmp_path / "never.txt").write_text("127.0.0.0/30\n2001:db8::/32 # theirs\n")

    done = smtpsweep("sweep", "-", "--exclude-file", "never.txt", "--plan", cwd=tmp_path, stdin="127.0.0.0/29\n")

    assert "8 planned, 4 of them excluded, 4 to visit" in done.out


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_given_to_nobody_else(tmp_path: Path, closed: str) -> None:
    command = f'exec "$0" -m scanner sweep 127.0.0.1 -q -o out.jsonl --all {" ".join(QUICK)} {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=50,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "out.jsonl").read_bytes().count(b'"refused"') == 1


@pytest.mark.parametrize(
    "arguments", [["schema"], ["sweep", "127.0.0.1", "--plan"], ["check", "127.0.0.1", "-p", "1", "--json"]]
)
@pytest.mark.parametrize("where", ["full", "closed"])
def test_an_output_that_takes_nothing_is_one_line(tmp_path: Path, arguments: list[str], where: str) -> None:
    if where == "full":
        fd = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, fd = os.pipe()
        os.close(reader)
    with os.fdopen(fd, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "scanner", *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=50,
            check=False,
        )

    expected = {"full": b"smtpsweep: stdout: cannot write: No space left on device\n",
                "closed": b"smtpsweep: stdout: the reader closed the pipe\n"}  # fmt: skip
    assert (done.returncode, done.stderr) == (3, expected[where])


def test_a_summary_that_cannot_be_written_in_the_end_is_told_and_the_records_are_kept(tmp_path: Path) -> None:
    """A limit for one file that a record stays under and a summary does not."""
    command = shlex.join(
        [sys.executable, "-m", "scanner", "sweep", "127.0.0.1", "--all", "-q", "--summary", str(tmp_path / "sum"),
         "-o", str(tmp_path / "out.jsonl"), *QUICK]
    )  # fmt: skip

    done = subprocess.run(["bash", "-c", f"ulimit -f 1; exec {command}"], cwd=ROOT, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.decode() == f"smtpsweep: --summary {tmp_path}/sum: cannot be written (File too large)\n"
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 1
    assert names_in(tmp_path) == ["out.jsonl"]


def test_one_ctrl_c_ends_the_reading_of_standard_input(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scanner", "sweep", "-"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"127.0.0.1\n" * 100_000)  # more than a pipe holds: it is reading when this returns
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        watchdog = threading.Timer(40, process.kill)
        watchdog.start()
        code = process.wait()  # although standard input stays open
        watchdog.cancel()
        err = process.stderr.read()

    assert (code, err) == (3, b"smtpsweep: interrupted\n")
