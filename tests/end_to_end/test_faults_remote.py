"""The command under fire with a remote sink: killed and resumed, a collector that is down, Ctrl-C while it drains.

The remote sink is `scriptfile://` of `tests.support.receivers_fake`, found by its entry point like anybody's.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.receivers_fake import provided
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
HOSTS, NETWORK = 2048, "127.30.0.0/21"


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(LabSettings(port=0, profile="dense")) as process:
        yield process


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{provided(tmp_path / 'site')}:{ROOT}"}


def sweep(lab: LabProcess, tmp_path: Path, *more: str, rate: int = 0) -> list[str]:
    pace = ("--port", str(lab.port), "--rate", str(rate), "--subnet-rate", "0", "--seed", "5", "--quiet")
    outputs = ("-o", str(tmp_path / "out.jsonl"), "-o", f"scriptfile://h{tmp_path / 'remote'}?batch=50&name=siem")
    state = ("--state", str(tmp_path / "state"))
    return [sys.executable, "-m", "scanner", "sweep", NETWORK, *pace, *outputs, *state, *more]


def event_ids(file: Path) -> list[str]:
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    return [orjson.loads(line)["event_id"] for line in lines if line.endswith(b"\n")]  # one may be half written


def lines_in(file: Path) -> int:
    """Count the whole lines of a file that somebody may be writing at this moment."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_until_more(file: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: process.poll() is not None or lines_in(file) > count)
    assert process.poll() is None, "the sweep ended before it could be killed"


def test_a_sweep_that_is_killed_and_resumed_loses_nothing_of_its_remote_sink(
    lab: LabProcess, tmp_path: Path, environment: dict[str, str]
) -> None:
    remote, moments, kills = tmp_path / "remote", random.Random(6), 0
    run = ("--run", str(tmp_path / "the" / "run"))
    for _ in range(6):
        process = subprocess.Popen(sweep(lab, tmp_path, *run, rate=120), stderr=subprocess.DEVNULL, env=environment)
        wait_until_more(remote, lines_in(remote), process)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    final = subprocess.run(sweep(lab, tmp_path, *run), capture_output=True, env=environment, timeout=50, check=False)

    assert kills == 6
    assert (final.returncode, final.stderr) == (0, b"")
    times = Counter(event_ids(remote))
    assert set(times) == set(event_ids(tmp_path / "out.jsonl"))
    assert len(times) == HOSTS
    assert times.total() - HOSTS < HOSTS / 4  # what a cursor's fifth of a second had, six times


def test_a_collector_that_is_down_all_the_time_gets_everything_later(
    lab: LabProcess, tmp_path: Path, environment: dict[str, str]
) -> None:
    down = tmp_path / "remote.down"
    down.touch()
    swept = subprocess.run(
        sweep(lab, tmp_path, "--drain", "0.5"), capture_output=True, env=environment, timeout=50, check=False
    )
    told = swept.stderr.decode().splitlines()

    assert swept.returncode == 3
    assert len(event_ids(tmp_path / "out.jsonl")) == HOSTS
    assert "sink siem lacks 2,048 records (it is down)" in told[-1]
    assert f"smtpsweep replay {tmp_path / 'state'}.run delivers them" in told[-1]
    down.unlink()
    replay = [sys.executable, "-m", "scanner", "replay", f"{tmp_path / 'state'}.run"]  # as it was printed
    done = subprocess.run(replay, capture_output=True, env=environment, timeout=50, check=False)
    said = done.stderr.decode().splitlines()
    assert (done.returncode, said[0]) == (0, "siem: 2,048 delivered")
    assert said[1].startswith("every sink has everything: the records are removed from ")
    assert list((tmp_path / "state.run").glob("records-*")) == []
    assert sorted(event_ids(tmp_path / "remote")) == sorted(event_ids(tmp_path / "out.jsonl"))


def test_ctrl_c_twice_does_not_wait_for_a_collector_that_is_down(
    lab: LabProcess, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "remote.down").touch()
    process = subprocess.Popen(sweep(lab, tmp_path, "--drain", "1h", rate=500), stderr=subprocess.PIPE, env=environment)
    wait_until_more(tmp_path / "out.jsonl", 50, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"press Ctrl-C again" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)

    assert process.returncode == 3
    assert len(event_ids(tmp_path / "out.jsonl")) >= 50


def test_a_run_cannot_be_kept_in_a_file(lab: LabProcess, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "run").write_bytes(b"mine")
    done = subprocess.run(
        sweep(lab, tmp_path, "--run", str(tmp_path / "run")), capture_output=True, env=environment, timeout=50,
        check=False,
    )  # fmt: skip

    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"smtpsweep: Invalid value for '--run': Directory '{tmp_path / 'run'}' is a file.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "site"]
