"""Claims about a sweep in front of people, in a real terminal: what its screen shows while it runs and in the end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.lab import LabProcess, LabSettings
from tests.support.command_line import ROOT
from tests.support.screen import Terminal

DOWN = "syslog+tcp://127.0.0.1:9"
BLOCK = re.compile(r"[━╸╺-]{4}|connecting, \d|pending for the sinks| delivered, \d+ waiting")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with LabProcess(LabSettings(port=0, profile="dense")) as lab:
        yield lab.port


def environment(**more: str) -> dict[str, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**usual, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **more}


def sweep(port: int, *options: str, network: str = "127.1.0.0/24", rate: str = "100") -> list[str]:
    pace = ("--rate", rate, "--subnet-rate", "0")
    return [sys.executable, "-m", "scanner", "sweep", network, "-p", str(port), *pace, *options]


def shown(terminal: Terminal, text: str) -> bool:
    return text in "\n".join(terminal.screen.lines())


def test_in_the_end_the_screen_has_what_was_said_and_nothing_of_the_block(tmp_path: Path, port: int) -> None:
    """A sink that is down says so above the block, and none of the many blocks that were drawn is left."""
    outputs = ("-o", "out.jsonl", "-o", DOWN, "--run", "run", "--drain", "100ms")
    with Terminal(sweep(port, *outputs), cwd=tmp_path, environment=environment()) as terminal:
        terminal.until(lambda seen: "down since" in seen.heard)
        code = terminal.until_end()

    lines = terminal.screen.lines()
    assert code == 3
    assert BLOCK.search(terminal.heard)
    assert [line for line in lines if BLOCK.search(line)] == []
    assert lines[0].startswith("256 targets to visit, 0 excluded; 100 per second, ")
    assert " WARNING scanner.delivery.relay.supervisor: sink syslog-tcp-1: Connection ref" in lines[1]
    assert "  ready                    256" in lines
    assert any(line.startswith("sink out.jsonl: 256 delivered") for line in lines)
    assert any(line.startswith("sink syslog-tcp-1: 0 delivered, 256 not delivered (Connection") for line in lines)
    assert re.search(r"syslog-tcp-1: 0 delivered, \d+ waiting; down since \d\d:\d\d:\d\d: Connection", terminal.heard)
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 256


def test_the_first_ctrl_c_is_answered_at_once_and_the_answer_stays(tmp_path: Path, port: int) -> None:
    line = sweep(port, "-o", "out.jsonl", rate="20")
    with Terminal(line, cwd=tmp_path, environment=environment()) as terminal:
        terminal.until(lambda seen: shown(seen, "connecting, "))
        terminal.press(b"\x03")
        terminal.until(lambda seen: shown(seen, "smtpsweep: stopping: "))
        code = terminal.until_end()

    lines = terminal.screen.lines()
    assert code == 3
    assert [line for line in lines if BLOCK.search(line)] == []
    assert "press Ctrl-C again to stop at once" in "".join(lines)
    assert lines[-2].endswith("smtpsweep: incomplete: interrupted")


@pytest.mark.parametrize("columns", [1, 12, 30])
def test_a_narrow_terminal_wraps_nothing_of_the_block(tmp_path: Path, port: int, columns: int) -> None:
    line = sweep(port, "-o", "out.jsonl")
    with Terminal(line, cwd=tmp_path, environment=environment(), size=(columns, 5)) as terminal:
        code = terminal.until_end()

    assert code == 0
    assert "".join(terminal.screen.lines()).replace(" ", "").startswith("256targetstovisit,")
    assert "connecting" not in "".join(terminal.screen.lines())


def test_a_terminal_that_changes_its_size_is_no_trouble(tmp_path: Path, port: int) -> None:
    line = sweep(port, "-o", "out.jsonl")
    with Terminal(line, cwd=tmp_path, environment=environment()) as terminal:
        for size in ((200, 50), (300, 3), (250, 1), (500, 60)):  # wider only: our screen does not wrap again
            terminal.resize(*size)
            terminal.screen.columns = size[0]
            before = len(terminal.heard)
            terminal.until(lambda seen, before=before: BLOCK.search(seen.heard, before) is not None)  # type: ignore[misc]
        code = terminal.until_end()

    assert code == 0
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 256


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_cannot_redraw_gets_lines(tmp_path: Path, port: int, term: str) -> None:
    line = sweep(port, "-o", "out.jsonl", network="127.1.0.0/26", rate="0")
    with Terminal(line, cwd=tmp_path, environment=environment(TERM=term)) as terminal:
        assert terminal.until_end() == 0

    assert "\x1b" not in terminal.heard
    assert "  ready                     64" in terminal.screen.lines()


@pytest.mark.parametrize("output", ["-", "/dev/tty"])
def test_records_that_share_the_terminal_are_not_torn_by_a_block(tmp_path: Path, port: int, output: str) -> None:
    line = sweep(port, "-o", output, network="127.1.0.0/26", rate="100")
    with Terminal(line, cwd=tmp_path, environment=environment(), size=(20_000, 50)) as terminal:
        assert terminal.until_end() == 0

    assert "\x1b" not in terminal.heard
    assert len([line for line in terminal.screen.lines() if line.startswith("{") and line.endswith("}")]) == 64


def test_a_terminal_that_is_taken_away_ends_neither_records_nor_summary(tmp_path: Path, port: int) -> None:
    line = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *sweep(port, "-o", "out.jsonl", "--summary", "sum.json")]
    with Terminal(line, cwd=tmp_path, environment=environment()) as terminal:
        terminal.until(lambda seen: shown(seen, "connecting, "))
        terminal.hang_up()
        code = terminal.process.wait(timeout=40)

    assert code == 0
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 256
    assert b'"complete": true' in (tmp_path / "sum.json").read_bytes()


def test_a_terminal_that_is_stopped_holds_up_nothing(tmp_path: Path, port: int) -> None:
    """Ctrl-S: the terminal takes nothing any more, and nobody lets it go on."""
    line = sweep(port, "-o", "out.jsonl", "--summary", "sum.json", "--log-level", "debug")
    with Terminal(line, cwd=tmp_path, environment=environment()) as terminal:
        terminal.until(lambda seen: shown(seen, "connecting, "))
        terminal.press(b"\x13")
        while not (tmp_path / "sum.json").exists() or not (tmp_path / "sum.json").read_bytes():
            assert terminal.process.poll() is None
        terminal.press(b"\x11")
        assert terminal.until_end() == 0

    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 256


def test_suspended_and_brought_back_the_block_is_drawn_below_what_the_shell_said(tmp_path: Path, port: int) -> None:
    line = sweep(port, "-o", "out.jsonl")
    shell = f'set -m; {" ".join(line)}; echo "suspended: $?"; fg >/dev/null; echo "ended: $?"'
    with Terminal(["bash", "-c", shell], cwd=tmp_path, environment=environment()) as terminal:
        terminal.until(lambda seen: shown(seen, "connecting, "))
        terminal.press(b"\x1a")
        terminal.until(lambda seen: shown(seen, f"suspended: {128 + signal.SIGTSTP}"))
        assert not shown(terminal, "connecting, ")
        terminal.until(lambda seen: shown(seen, "connecting, "))
        terminal.until_end()

    lines = terminal.screen.lines()
    assert lines[-2] == "ended: 0"
    assert f"suspended: {128 + signal.SIGTSTP}" in lines
    assert [line for line in lines if BLOCK.search(line)] == []


def test_in_the_background_nothing_is_drawn_and_writing_does_not_stop_the_sweep(tmp_path: Path, port: int) -> None:
    line = sweep(port, "-o", "out.jsonl")
    shell = f'set -m; stty tostop; {" ".join(line)} & wait $!; echo "ended: $?"'
    with Terminal(["bash", "-c", shell], cwd=tmp_path, environment=environment()) as terminal:
        terminal.until_end()

    assert terminal.screen.lines()[-2] == "ended: 0"
    assert "  ready                    256" in terminal.screen.lines()
    assert BLOCK.search(terminal.heard) is None


def test_a_reader_of_standard_error_that_stands_still_holds_up_nothing(tmp_path: Path, port: int) -> None:
    """Its pipe is full, so the sweep's first words already find no room."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = subprocess.Popen(
        sweep(port, "-o", "out.jsonl", "--summary", "sum.json", "--log-level", "debug"),
        cwd=tmp_path,
        env=environment(),
        stderr=writer,
    )
    os.close(writer)
    while not (tmp_path / "sum.json").exists() or not (tmp_path / "sum.json").read_bytes():
        assert process.poll() is None
    os.set_blocking(reader, True)
    heard = b""
    while data := os.read(reader, 65536):
        heard += data
    os.close(reader)

    assert process.wait(timeout=20) == 0
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 256
    assert re.search(rb"smtpsweep: \d+ lines were not shown: nobody read them\n", heard)
