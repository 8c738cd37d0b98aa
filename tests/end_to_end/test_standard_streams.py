"""Claims about every command whose standard output or standard error is closed, full, or has lost its reader.

What is said to people never changes what a command does: its files, its results and its exit code are the same. Results
that standard output does not take are missing, so that is exit code 3 and one line, never 1 ("found something").
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from scanner.lab import LabProcess, LabSettings
from scanner.model import Attempt, Status, Target
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps import record_builder
from scanner.sweeps.record_builder import RecordBuilder
from tests.support.command_line import ROOT
from tests.support.mail_logs import DATA
from tests.support.records import full_record

SWEEP = ["sweep", "127.1.0.0/28", "-p", "LAB", "--rate", "0", "--subnet-rate", "0", "--greeting-timeout", "20"]
REFUSED = ["-p", "1", "--connect-timeout", "1", "--retries", "0"]
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Command(NamedTuple):
    """A command line, how it ends when all is well, whether it prints results, and a file that must be whole."""

    line: list[str]
    code: int
    prints: bool
    leaves: str | None = None


COMMANDS: Mapping[str, Command] = {
    "help": Command(["--help"], 0, prints=True),
    "nothing": Command([], 2, prints=False),
    "sweep": Command([*SWEEP, "-o", "out.jsonl", "--summary", "sum.json"], 0, prints=False, leaves="out.jsonl"),
    "sweep --plan": Command(["sweep", "127.0.0.1", "--plan"], 0, prints=True),
    "identify": Command(["identify", "greetings.txt"], 0, prints=True),
    "check": Command(["check", "127.0.0.1", *REFUSED], 1, prints=True),
    "demo": Command(["demo", "--network", "127.20.0.0/31", "-o", "out.jsonl"], 0, prints=True, leaves="out.jsonl"),
    "lab": Command(["lab", "--port", "0", "--statistics", "counts.json"], 0, prints=False),
    "vulns": Command(["vulns", "sendmail", "8.14.7"], 0, prints=True),
    "convert": Command(["convert", "a.jsonl", "--format", "ecs", "-o", "out.jsonl"], 0, prints=False,
                       leaves="out.jsonl"),
    "convert -": Command(["convert", "a.jsonl", "--format", "csv", "-o", "-"], 0, prints=True),
    "diff": Command(["diff", "a.jsonl", "b.jsonl"], 1, prints=True),
    "smoke": Command(
        ["smoke", "127.0.0.1", "-p", "1", "--from", "a@example.com", "--to", "b@example.com", "--receive",
         "maildir:mail", "--yes-send-mail"], 1, prints=True,
    ),
    "remedy": Command(["remedy", "a.jsonl", "-o", "plan"], 0, prints=False),
    "remedy --mc": Command(["remedy", "--mc", "sendmail.mc"], 1, prints=True),
    "verify": Command(["verify", "127.0.0.1", *REFUSED, "--samples", "1"], 3, prints=True),
    "policy init": Command(["policy", "init"], 0, prints=True),
    "policy check": Command(["policy", "check", "a.jsonl"], 1, prints=True),
    "sinks": Command(["sinks"], 0, prints=True),
    "sinks test": Command(["sinks", "test", "syslog+tcp://127.0.0.1:9"], 1, prints=False),
    "replay": Command(["replay", "run", "--sink", "syslog-tcp-1", "--drain", "100ms"], 3, prints=False),
    "logs": Command(["logs", str(DATA / "postfix.log"), "--timezone", "UTC"], 0, prints=True),
    "schema": Command(["schema"], 0, prints=True),
}  # fmt: skip
#: Where the streams lead to: (standard input, standard output, standard error).
STREAMS: Mapping[str, tuple[str, str, str]] = {
    "2>/dev/full": ("", "kept", "full"),
    "2>&- <&-": ("closed", "kept", "closed"),
    "2>(gone)": ("", "kept", "gone"),
    ">/dev/full": ("", "full", "kept"),
    ">&-": ("", "closed", "kept"),
    ">(gone)": ("", "gone", "kept"),
    ">&- 2>&- <&-": ("closed", "closed", "closed"),
}
#: The door is the same for all commands, so most of them are tried in some of these ways only.
EVERY_WAY = frozenset({"sweep", "check", "policy check", "schema"})
USUAL = frozenset({"2>/dev/full", ">/dev/full", ">(gone)"})
SILENT = frozenset({"2>&- <&-", "2>(gone)"})


class Ended(NamedTuple):
    """How a cell of the table ended."""

    code: int
    out: bytes
    err: bytes
    folder: Path


@pytest.fixture(scope="module")
def lab_port() -> Iterator[int]:
    with LabProcess(LabSettings(port=0, profile="dense")) as lab:
        yield lab.port


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one of everything that the commands read."""
    folder = tmp_path_factory.mktemp("inputs")
    folder.joinpath("a.jsonl").write_bytes(encode(full_record()))
    record = full_record()
    assert record.software is not None
    other = record._replace(scan_id="other", software=replace(record.software, product="Postfix"))
    folder.joinpath("b.jsonl").write_bytes(encode(other))
    folder.joinpath("greetings.txt").write_text("220 mx ESMTP Postfix\nnonsense \\xzz\n" * 3)
    folder.joinpath("sendmail.mc").write_text("OSTYPE(`linux')\nMAILER(`smtp')\n")
    folder.joinpath("mail").mkdir()
    sink = ["-o", "syslog+tcp://127.0.0.1:9", "--run", "run", "--drain", "100ms"]
    made = ["sweep", "127.0.0.1", "--all", "-q", *sink, *REFUSED]
    ended = subprocess.run([sys.executable, "-m", "scanner", *made], cwd=folder, env=environment(), check=False)
    assert ended.returncode == 3
    return folder


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **(more or {})}


def started(
    command: list[str], folder: Path, streams: tuple[str, str, str], more: Mapping[str, str] | None = None
) -> Ended:
    """Run a command in a folder with its streams as they are asked for; what is kept is returned."""
    kept = {name: folder.with_name(f"{folder.name}.{name}") for name in ("out", "err")}
    redirections = "".join(
        f" {fd}{'<' if fd == 0 else '>'}&-" for fd, stream in enumerate(streams) if stream == "closed"
    )
    with ExitStack() as stack:

        def opened(kind: str, file: Path) -> int:
            if kind == "gone":
                reader, writer = os.pipe()
                os.close(reader)
                stack.callback(os.close, writer)
                return writer
            return stack.enter_context(open("/dev/full" if kind == "full" else file, "wb")).fileno()  # noqa: PTH123

        process = stack.enter_context(
            subprocess.Popen(
                ["sh", "-c", f'exec "$0" -m scanner "$@"{redirections}', sys.executable, *command],
                cwd=folder,
                env=environment(more),
                stdin=subprocess.DEVNULL,
                stdout=opened(streams[1], kept["out"]),
                stderr=opened(streams[2], kept["err"]),
            )
        )
        if command[:1] == ["lab"]:
            stop_when_it_listens(process, folder / "counts.json")
        code = process.wait(timeout=50)
    out, err = (file.read_bytes() if file.exists() else b"" for file in kept.values())
    return Ended(code, out, err, folder)


def stop_when_it_listens(process: "subprocess.Popen[bytes]", statistics: Path) -> None:
    """End a lab as soon as it serves: it writes its statistics when it is asked to."""
    status = Path(f"/proc/{process.pid}/status")
    while not int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) >> (signal.SIGUSR1 - 1) & 1:
        assert process.poll() is None
    statistics.unlink()
    process.send_signal(signal.SIGUSR1)
    while not statistics.exists():
        assert process.poll() is None
    process.terminate()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stream_that_takes_nothing_changes_neither_files_nor_exit_code(
    name: str, inputs: Path, lab_port: int, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    line = [str(lab_port) if word == "LAB" else word for word in command.line]

    modes = [mode for mode in STREAMS if name in EVERY_WAY or mode in (USUAL if command.prints else SILENT)]

    def ended(mode: str) -> Ended:
        folder = tmp_path / str(list(STREAMS).index(mode))
        shutil.copytree(inputs, folder)
        return started(line, folder, STREAMS[mode])

    with ThreadPoolExecutor(2) as pool:
        all_ended = dict(zip(modes, pool.map(ended, modes), strict=True))

    for mode, done in all_ended.items():
        _, out, err = STREAMS[mode]
        lost = command.prints and out != "kept"
        assert done.code == (3 if lost else command.code), (mode, done)
        assert b"Traceback" not in done.err, mode
        assert b"Exception ignored" not in done.err, mode
        if lost and err == "kept":
            assert done.err.splitlines()[-1] == b"smtpsweep: stdout: " + REASONS[out], mode
        if out == "kept":
            assert bool(done.out) is command.prints, mode
        if command.leaves is not None:
            assert len(done.folder.joinpath(command.leaves).read_bytes().splitlines()) >= 1, mode
        if name == "sweep":
            assert done.folder.joinpath("out.jsonl").read_bytes().count(b'"status":"ready"') == 16, mode
            assert b'"complete": true' in done.folder.joinpath("sum.json").read_bytes(), mode


REASONS = {
    "full": b"cannot write: No space left on device",
    "closed": b"is closed: redirect it, or name an output file",
    "gone": b"the reader closed the pipe",
}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("lab", "demo")])
def test_a_locale_without_any_special_character_is_enough(
    name: str, inputs: Path, lab_port: int, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    shutil.copytree(inputs, tmp_path / "here")
    line = [str(lab_port) if word == "LAB" else word for word in command.line]

    done = started(line, tmp_path / "here", ("", "kept", "kept"), {**ASCII, "COLUMNS": "40"})

    assert done.code == command.code, done
    assert done.err.isascii(), done
    assert b"Traceback" not in done.err
    assert done.out.isascii()
    assert bool(done.out) is command.prints


def test_debug_tells_of_the_start_of_each_host_of_what_is_tried_again_and_of_the_end(
    lab_port: int, inputs: Path, tmp_path: Path
) -> None:
    shutil.copytree(inputs, tmp_path / "here")
    sink = ["-o", "syslog+tcp://127.0.0.1:9", "--run", "debug.run", "--drain", "2s"]
    line = ["sweep", "127.1.0.0/31", "-p", str(lab_port), "-o", "out.jsonl", "--log-level", "debug", *sink]

    done = started(line, tmp_path / "here", ("", "kept", "kept"))

    said = done.err.decode()
    assert done.code == 3
    assert "DEBUG scanner.sweeps.pipeline: visits begin: 2 targets are left\n" in said
    assert re.search(r"DEBUG scanner.sweeps.record_builder: 127.1.0.0 port \d+: ready after \d+.\d{3} s\n", said)
    assert re.search(r"DEBUG scanner.sweeps.pipeline: visits are over: <Pool started=2 .*>\n", said)
    assert re.search(r"DEBUG scanner.delivery.relay.settling: .*Connect.*, to be tried again\n", said)


def test_without_debug_a_host_costs_no_call_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = RecordBuilder("scan", Settings())

    def never(*_: object) -> None:
        raise AssertionError("the log was called")

    monkeypatch.setattr(record_builder.log, "debug", never)
    monkeypatch.setattr(record_builder.log, "isEnabledFor", never)

    target = Target(0, "192.0.2.1", 25)
    record = builder.record(Attempt(target, None, b"220 mx ESMTP\r\n", 0.0, 0.1, 0.1, 0.2))
    assert record.status is Status.READY
