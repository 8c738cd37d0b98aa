"""Every command that waits ends on TERM and on HUP as on Ctrl-C: with its documented code and without a traceback."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError
from tests.support.processes import PATIENCE_S, ROOT, ended, started
from tests.support.receivers_fake import provided

REQUESTS = [signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("identify", "-"),
        ("convert", "-", "--format", "ecs", "-o", "out"),
        ("policy", "check", "-"),
        ("sweep", "-"),
        ("logs", "-"),
        ("verify", "-"),
    ],
    ids=" ".join,
)
def test_whoever_reads_standard_input(tmp_path: Path, arguments: Sequence[str], request_: signal.Signals) -> None:
    with started(arguments, tmp_path) as process:
        assert process.stdin is not None
        os.write(process.stdin.fileno(), b"\n" * 65_536)  # what a pipe holds
        os.write(process.stdin.fileno(), b"\n")  # taken, so it is reading
        process.send_signal(request_)

        assert ended(process) == (3, "smtpsweep: interrupted\n")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "127.0.0.1"),
        ("verify", "127.0.0.1"),
        ("smoke", "127.0.0.1", "--from", "a@mx.example", "--to", "b@mx.example", "--receive", "maildir:box", "-y"),
    ],
    ids=lambda words: words[0],
)
def test_whoever_waits_for_a_server(tmp_path: Path, arguments: Sequence[str], request_: signal.Signals) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(PATIENCE_S)
    with silent, started((*arguments, "-p", str(silent.getsockname()[1])), tmp_path) as process, silent.accept()[0]:
        process.send_signal(request_)

        assert ended(process) == (3, "smtpsweep: interrupted\n")


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("command", ["replay", "sinks test"])
def test_whoever_waits_for_a_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, request_: signal.Signals
) -> None:
    site = provided(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}")
    monkeypatch.syspath_prepend(str(site))
    url = f"scriptfile://h{tmp_path / 'remote'}?name=siem"
    (tmp_path / ("remote.down" if command == "replay" else "remote.stuck")).touch()
    arguments = {
        "replay": ("replay", str(tmp_path / "run"), "--sink", "siem", "--drain", "1h"),
        "sinks test": ("sinks", "test", url, "--timeout", "1h"),
    }
    if command == "replay":
        asyncio.run(_run_that_lacks_something(RunFolder(tmp_path / "run"), url))
    (tmp_path / "remote.asked").unlink(missing_ok=True)
    with started(arguments[command], tmp_path) as process:
        while not (tmp_path / "remote.asked").exists():
            assert process.poll() is None
        process.send_signal(request_)

        assert ended(process) == (3, "smtpsweep: interrupted\n")


async def _run_that_lacks_something(folder: RunFolder, url: str) -> None:
    sinks = SpoolSink(folder, make_destinations([url]), {}, drain_s=0.0)
    await sinks.open(None)
    await sinks.write([b'{"schema":"smtpsweep.record/1","event_id":"1","ip":"192.0.2.1","port":25,"findings":[]}\n'])
    with pytest.raises(SinkError, match="sink siem lacks"):
        await sinks.close()


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_lab(tmp_path: Path, request_: signal.Signals) -> None:
    with started(("lab", "--port", "0", "--bind", "127.0.0.1"), tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"lab: listening on 127.0.0.1 port ")
        process.send_signal(request_)

        assert ended(process) == (0, "")


@pytest.mark.parametrize("request_", [*REQUESTS, signal.SIGKILL])
def test_the_demo_takes_its_lab_with_it(tmp_path: Path, request_: signal.Signals) -> None:
    with started(("demo",), tmp_path) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith(b"a simulated network is listening on loopback, port ")
        process.send_signal(request_)
        code, said = ended(process)

    assert code == (3 if request_ != signal.SIGKILL else -signal.SIGKILL)
    assert "Traceback" not in said
    while True:  # the lab of a demo that was killed ends by itself, a moment later
        with socket.socket() as probe:
            if probe.connect_ex(("127.20.0.1", int(line.split()[-1]))):
                return


_STUCK = """
import asyncio, os, sys
from scanner.cli import entry, running, signals

def stuck(arguments):
    read, write = os.pipe()
    async def main():
        look_up = asyncio.get_running_loop().run_in_executor(None, os.read, read, 1)
        print("waiting", flush=True)
        await look_up
    try:
        running.run(main())
    except KeyboardInterrupt:
        return 3

entry.run = stuck
entry.main()
"""


@pytest.mark.parametrize("request_", [*REQUESTS, signal.SIGINT])
def test_a_look_up_that_nobody_answers_does_not_keep_the_process(tmp_path: Path, request_: signal.Signals) -> None:
    with started((), tmp_path, _STUCK) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(request_)

        assert ended(process) == (3, "")


_HANGS = """
import asyncio, sys, time
from scanner.cli import entry, running, signals

signals.BOUND_S = 3600.0
signals.AT_ONCE_S = {at_once_s}

def hang(arguments):
    async def main():
        with running.requests(lambda: print("first", flush=True), lambda: print("second", flush=True), {bound_s}):
            print("waiting", flush=True)
            {wait}
    return running.run(main())

entry.run = hang
entry.main()
"""


@pytest.mark.parametrize(
    ("requests", "bound_s", "at_once_s"),
    [(1, 0.01, 3600.0), (2, 3600.0, 0.01), (3, 3600.0, 3600.0)],
    ids=["its bound after the first", "a moment after the second", "at the third"],
)
@pytest.mark.parametrize("wait", ["await asyncio.sleep(3600)", "time.sleep(3600)"], ids=["task", "loop"])
def test_a_command_that_hangs_is_ended(
    tmp_path: Path, requests: int, bound_s: float, at_once_s: float, wait: str
) -> None:
    with started((), tmp_path, _HANGS.format(bound_s=bound_s, at_once_s=at_once_s, wait=wait)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        said = {signal.SIGTERM: b"first\n", signal.SIGHUP: b"second\n", signal.SIGINT: b""}
        for request, word in list(said.items())[:requests]:  # the kernel takes two alike for one
            process.send_signal(request)
            if "await" in wait and word:
                assert process.stdout.readline() == word

        assert ended(process) == (3, "")


def test_a_request_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """As under `nohup`, or for a job that a script put into the background."""
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{_STUCK}"
    with started((), tmp_path, code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.send_signal(0)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        assert ended(process) == (3, "")


def test_a_reader_that_has_left_does_not_make_a_check_find_something(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "scanner", "check", "127.0.0.1", "-p", str(server.getsockname()[1])]
        with subprocess.Popen(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE) as process:
            os.close(write)
            server.settimeout(PATIENCE_S)
            with server.accept()[0] as peer:
                peer.sendall(b"220 mx.example.org ESMTP\r\n")
                heard = peer.recv(100)
            code, said = ended(process)

    assert heard == b"QUIT\r\n"  # the visit went on to its end
    assert (code, said) == (3, "smtpsweep: stdout: the reader closed the pipe\n")
