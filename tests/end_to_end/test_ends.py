"""Whoever stops a sweep gets it stopped, whatever its remote sink does: every state of a sink, every way to end.

The bounds are a second each (`--grace 1s --drain 1s`). After each run every line is whole, the summary can be read and
says the truth, and the same command goes on from there until nothing is missing anywhere.
"""

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.ending_sweeps import (
    HOSTS,
    PATIENCE_S,
    EndingSweep,
    end,
    event_ids,
    ids_in,
    read_until,
    wait_for_records,
)
from tests.support.waiting import wait_until

BOUNDS = ("--grace", "1s", "--drain", "1s")
#: What the sweep says when its sink is in that state for sure; nothing: when its first records are written.
SIGNS = {
    "up": (),
    "slow": (),
    "down": (b"sink siem: it is down",),
    "denied": (b"sink siem: it denies access",),
    "gone": (b"is started again",),
    "full": (b"has used up its disk quota",),
}
WAYS = {
    "end": (),
    "TERM": (signal.SIGTERM,),
    "INT": (signal.SIGINT,),
    "INT INT": (signal.SIGINT, signal.SIGINT),
    "HUP": (signal.SIGHUP,),
}
#: One for each state, and each way to end; the rest of the table takes two minutes.
QUICK = {
    ("up", "HUP"), ("slow", "TERM"), ("down", "INT INT"), ("denied", "INT"), ("gone", "end"), ("full", "end"),
    ("full", "TERM"),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(LabSettings(port=0, profile="dense", silent=0.1)) as process:
        yield process


def table() -> list[object]:
    return [
        pytest.param(state, way, marks=() if (state, way) in QUICK else pytest.mark.slow, id=f"{state}-{way}")
        for state in SIGNS
        for way in WAYS
    ]


def in_state(lab: LabProcess, folder: Path, state: str) -> EndingSweep:
    full = state == "full"
    sweep = EndingSweep(lab, folder, ("--spool-limit", "20KB") if full else ())
    if state != "up":
        Path(f"{sweep.remote}.{'down' if full else state}").touch()
    return sweep


@pytest.mark.parametrize(("state", "way"), table())
def test_a_sweep_ends_in_time_and_the_same_command_goes_on(
    lab: LabProcess, tmp_path: Path, state: str, way: str
) -> None:
    sweep = in_state(lab, tmp_path, state)
    bounds = ("--grace", "1s", "--drain", "30s") if way == "end" and state in ("up", "slow") else BOUNDS
    waits = ("--greeting-timeout", "0.3s", "--idle-timeout", "0.3s") if way == "end" else ()
    process = sweep.start(*bounds, *waits)
    if way != "end" and SIGNS[state]:
        read_until(process, *SIGNS[state])
    elif way != "end":
        wait_for_records(process, sweep.remote)
    for number, request in enumerate(WAYS[way]):
        if number:
            read_until(process, b"press Ctrl-C again")
        process.send_signal(request)
    said = end(process)

    assert process.returncode == (0 if way == "end" and state in ("up", "slow") else 3), said
    assert "Traceback" not in said
    summary, written = sweep.summary(), ids_in(sweep.file("out.jsonl"))
    assert summary["complete"] is (process.returncode == 0)
    assert (summary["reason"] is None) is summary["complete"]
    assert summary["planned"] == HOSTS
    assert summary["records"] <= written.total()
    assert summary["records"] + summary["not_visited"] == HOSTS

    sweep.let_the_sink_be_well()
    resumed = sweep.run("--spool-limit", "10MB")

    assert (resumed.returncode, sweep.summary()["complete"]) == (0, True), resumed.stderr.decode()
    assert len(ids_in(sweep.file("out.jsonl"))) == HOSTS
    assert set(ids_in(sweep.remote)) == set(ids_in(sweep.file("out.jsonl")))


def no_one_reads(kind: str) -> tuple[int, int]:
    """Return the ends, to read from and to write to, of a pipe or socket that takes little before it is full."""
    if kind == "pipe":
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
        return read, write
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours.detach(), theirs.detach()


def all_of(read: int) -> bytes:
    with os.fdopen(read, "rb", 0) as stream:
        return stream.read()


def wait_until_full(process: "subprocess.Popen[bytes]", write: int) -> None:
    poll = select.poll()
    poll.register(write, select.POLLOUT)
    wait_until(lambda: process.poll() is not None or not poll.poll(0))


@pytest.mark.parametrize("requests", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_takes_nothing_does_not_hold_a_sweep_that_is_asked_to_end(
    lab: LabProcess, tmp_path: Path, kind: str, requests: int
) -> None:
    """Nobody can end a thread that writes into a socket; the sweep ends without it."""
    sweep = EndingSweep(lab, tmp_path, outputs=("-", str(tmp_path / "out.jsonl")))
    read, write = no_one_reads(kind)
    patience = "1s" if requests == 1 else "1h"
    process = sweep.start("--grace", patience, "--drain", patience, stdout=write)
    wait_until_full(process, write)
    os.close(write)
    process.send_signal(signal.SIGTERM)
    if requests == 2:
        read_until(process, b"press Ctrl-C again")
        process.send_signal(signal.SIGTERM)
    said = end(process)
    taken = all_of(read)

    assert process.returncode == 3, said
    assert sweep.summary()["complete"] is False
    read, write = no_one_reads(kind)
    resumed = sweep.start("--greeting-timeout", "0.3s", "--idle-timeout", "0.3s", stdout=write)
    os.close(write)
    taken = taken.rpartition(b"\n")[0] + b"\n" + all_of(read)
    said = end(resumed)
    assert resumed.returncode == 0, said
    assert len(event_ids(filter(None, taken.split(b"\n")))) == HOSTS
    assert len(ids_in(sweep.file("out.jsonl"))) == HOSTS


def test_a_sweep_that_waits_for_a_required_sink_ends_at_the_first_request(lab: LabProcess, tmp_path: Path) -> None:
    sweep = EndingSweep(lab, tmp_path, sink="&policy=required&max_lag=5")
    Path(f"{sweep.remote}.down").touch()
    process = sweep.start(*BOUNDS)
    read_until(process, b"a required sink is too far behind")
    process.send_signal(signal.SIGTERM)
    said = end(process)

    assert process.returncode == 3, said
    assert sweep.summary()["complete"] is False
    sweep.let_the_sink_be_well()
    resumed = sweep.run()
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert set(ids_in(sweep.remote)) == set(ids_in(sweep.file("out.jsonl")))


def test_a_dialogue_that_gets_no_answer_ends_with_the_grace_time(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(PATIENCE_S)
    command = [sys.executable, "-m", "scanner", "sweep", "127.0.0.1", "-p", str(server.getsockname()[1]),
               "--probe", "dialogue", "--dialogue-timeout", "1h", "--total-timeout", "1h", "-o", str(tmp_path / "out"),
               "--grace", "1s"]  # fmt: skip
    with server, subprocess.Popen(command, stderr=subprocess.PIPE) as process, server.accept()[0] as peer:
        peer.settimeout(PATIENCE_S)
        peer.sendall(b"220 mx.example.org ESMTP\r\n")
        assert peer.recv(100).startswith(b"EHLO ")
        process.send_signal(signal.SIGTERM)
        said = end(process)

    assert process.returncode == 3, said
    assert "incomplete: interrupted" in said
