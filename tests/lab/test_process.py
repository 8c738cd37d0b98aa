"""The lab as a process and as a command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scanner.cli.lab import lab as lab_command
from scanner.errors import InputError, LocalError
from scanner.lab.personality import personality
from scanner.lab.process import LabProcess
from scanner.lab.server import Lab, LabSettings
from tests.support.lab_clients import NETWORK, connect, quit_politely, running


def test_a_lab_process_says_its_port_counts_and_leaves_nothing_behind() -> None:
    with LabProcess(LabSettings(port=0, profile="dense", count_visits=True)) as lab:
        quit_politely(lab, "127.1.0.1")
        first = lab.statistics()
        quit_politely(lab, "127.1.0.2")
        second = lab.statistics()
        folder = lab._statistics_path().parent

    assert (first["quits"], second["quits"]) == (1, 2)
    assert second["visits"] == {"127.1.0.1": 1, "127.1.0.2": 1}
    assert not folder.exists()
    with pytest.raises(LocalError, match="not running"):
        lab.statistics()


def test_a_lab_process_that_cannot_start_says_why() -> None:
    with (
        running(LabSettings(port=0)) as lab,
        pytest.raises(LocalError, match=f"cannot listen on 0.0.0.0 port {lab.port}"),
        LabProcess(LabSettings(port=lab.port)),
    ):
        pass


def test_a_lab_without_descriptors_waits_and_goes_on() -> None:
    prefix = ("sh", "-c", 'ulimit -n 40; exec "$@"', "sh")
    with LabProcess(LabSettings(port=0, profile="dense", silent=1.0), prefix=prefix) as lab:
        clients = [connect(lab, "127.1.0.1") for _ in range(30)]  # the kernel's queue takes the rest
        starved = lab.statistics()
        for client in clients:
            client.close()
        while lab.statistics()["connections"] < 30:
            pass

    assert starved["connections"] == 40 - 16
    assert starved["out_of_descriptors"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_statistics_written(tmp_path: Path, number: signal.Signals) -> None:
    statistics = tmp_path / "statistics.json"
    program = "from scanner.cli.lab import lab; lab()"
    command = [sys.executable, "-c", program, "--port", "0", "--profile", "dense", "--statistics", str(statistics)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = process.stderr.readline()
        os.kill(process.pid, number)
        rest = process.stderr.read()

    assert ready.startswith("lab: listening on 0.0.0.0 port ")
    assert (process.returncode, rest) == (0, "")
    assert json.loads(statistics.read_bytes())["connections"] == 0


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lab_command, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bind", "192.0.2.1"), "lab: --bind 192.0.2.1: only loopback addresses, 0.0.0.0 and :: are served"),
        (("--truth", "t.jsonl"), "lab: --truth and --truth-for belong together: give both or none"),
        (
            ("--truth", "/nowhere/t", "--truth-for", "127.1.0.0/30"),
            "lab: --truth /nowhere/t: cannot be written (its folder does not exist)",
        ),
        (
            ("--port", "0", "--statistics", "/nowhere/s"),
            "lab: --statistics /nowhere/s: cannot be written (its folder does not exist)",
        ),
        (
            ("--statistics", "s.gz"),
            "lab: --statistics s.gz: its name promises gzip, it would hold one JSON document: choose another name",
        ),
        (
            ("--truth", "a", "--truth-for", "127.1.0.0/30", "--statistics", "a"),
            "--truth a would overwrite --statistics a: name another file",
        ),
        (("--statistics", __file__), f"lab: --statistics {__file__}: exists: use --overwrite, or another name"),
    ],
)
def test_the_command_refuses_with_one_line(arguments: tuple[str, ...], message: str) -> None:
    error = invoke(*arguments).exception

    assert isinstance(error, InputError)
    assert str(error) == message


@pytest.mark.parametrize("arguments", [("--profile", "fast"), ("--silent", "2"), ("--port", "x"), ("--seed", "-1")])
def test_the_command_line_is_checked(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_the_truth_is_written_before_the_first_client(tmp_path: Path, dense: Lab) -> None:
    """A lab that then cannot listen ends it: the file is there."""
    truth = tmp_path / "truth.jsonl"

    invoke(
        "--port", str(dense.port), "--truth", str(truth), "--truth-for", "127.1.0.0/28", "--truth-for", "127.2.0.0/31"
    )

    lines = [json.loads(line) for line in truth.read_bytes().splitlines()]
    assert [line["ip"] for line in lines[:2] + lines[-2:]] == ["127.1.0.0", "127.1.0.1", "127.2.0.0", "127.2.0.1"]
    assert len(lines) == 18
    assert lines[0]["behaviour"] == personality(NETWORK).behaviour.name
