"""Whoever stops a sweep gets it stopped, whatever its remote sink does: every state of a sink, every way to end.

The bounds are a second each (`--grace 1s --drain 1s`). After each run every line is whole, the summary can be read and
says the truth, and the same command goes on from there until nothing is missing anywhere.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.ending_sweeps import HOSTS, EndingSweep, end, ids_in, read_until, wait_for_records

BOUNDS = ("--grace", "1s", "--drain", "1s")
#: What the sweep says when its sink is in that state for sure; nothing: when its first records are written.
SIGNS = {
    "up": (),
    "slow": (),
    "down": (b"sink siem: it is down",),
    "denied": (b"sink siem: it does not let us in",),
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
