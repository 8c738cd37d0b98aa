"""The command under fire: killed, interrupted, out of disk, out of descriptors, without a reader, without a route.

Each test runs the real command as a process of its own against the simulated network.
"""

import fcntl
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.requirements import require_network_namespaces, require_or_skip
from tests.support.waiting import wait_until

HOSTS, NETWORK = 2048, "127.30.0.0/21"
SWEEP = (sys.executable, "-m", "scanner", "sweep")


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(LabSettings(port=0, profile="dense")) as process:
        yield process


def command(lab: LabProcess, *arguments: str | Path, rate: int = 0) -> list[str]:
    pace = ("--port", str(lab.port), "--rate", str(rate), "--subnet-rate", "0", "--seed", "5")
    return [*SWEEP, NETWORK, *pace, *map(str, arguments)]


def run(arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(arguments, capture_output=True, timeout=50, check=False, **options)


def records(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    assert raw.endswith(b"\n")
    return [orjson.loads(line) for line in raw.splitlines()]


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a growing file has that many lines, or its writer has ended."""
    wait_until(lambda: process.poll() is not None or (path.exists() and path.read_bytes().count(b"\n") >= count))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_twenty_times_and_resumed_every_host_is_there_no_line_is_torn_and_repeats_are_rare(
    lab: LabProcess, tmp_path: Path
) -> None:
    output, state, moments = tmp_path / "out.jsonl", tmp_path / "state", random.Random(20)
    # Slowly: what comes twice is one batch a kill, and on a busy machine a batch holds more hosts.
    arguments = command(lab, "-o", output, "--state", state, "--quiet", rate=150)
    kills, lines = 0, 0
    for _ in range(20):
        process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        wait_for_lines(output, lines + 1, process)
        time.sleep(moments.uniform(0, 0.08))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        lines = output.read_bytes().count(b"\n")
    final = run(command(lab, "-o", output, "--state", state, "--quiet"))
    assert kills == 20
    assert (final.returncode, final.stderr) == (0, b"")
    found = records(output)
    times = Counter(record["ip"] for record in found)
    assert len(times) == HOSTS
    assert len({record["event_id"] for record in found}) == HOSTS
    assert len(found) - HOSTS < HOSTS / 100


def test_interrupted_once_it_ends_in_good_order_and_can_be_resumed(lab: LabProcess, tmp_path: Path) -> None:
    output, state, summary = tmp_path / "out.jsonl", tmp_path / "state", tmp_path / "summary.json"
    arguments = command(lab, "-o", output, "--state", state, "--summary", summary, rate=500)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    wait_for_lines(output, 50, process)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=20)[1].decode()
    document = orjson.loads(summary.read_bytes())
    assert process.returncode == 3
    assert f"incomplete: interrupted; run it again with --state {state} to continue" in stderr.splitlines()[-1]
    assert len(records(output)) == document["records"] == document["statuses"]["ready"]
    assert document["planned"] == HOSTS == document["records"] + document["not_visited"]
    resumed = run(command(lab, "-o", output, "--state", state, "--summary", summary))
    assert resumed.returncode == 0
    assert Counter(record["ip"] for record in records(output)).most_common(1)[0][1] == 1
    assert orjson.loads(summary.read_bytes())["statuses"] == {"ready": HOSTS}


def test_interrupted_twice_it_ends_at_once_with_whole_lines_and_a_good_state(tmp_path: Path) -> None:
    """Every second host is silent for half a minute: the first signal waits for them, the second does not."""
    output, state = tmp_path / "out.jsonl", tmp_path / "state"
    with LabProcess(LabSettings(port=0, profile="dense", silent=0.5)) as lab:
        arguments = command(lab, "-o", output, "--state", state, "--grace", "1h", rate=2000)
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
        wait_for_lines(output, 200, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while b"press Ctrl-C again" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 3
    assert len(records(output)) >= 200
    assert orjson.loads(state.read_bytes().split(b"\n")[0])["schema"] == "smtpsweep.state/2"


def test_a_full_disk_ends_it_with_one_line_and_what_is_acknowledged_is_whole(lab: LabProcess, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for the disk: the kernel cuts the write short and then refuses, as a full disk does."""
    output, state = tmp_path / "out.jsonl", tmp_path / "state"

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    # Slowly: on a busy machine a batch of many hosts would be larger than this disk, and nothing of it be kept.
    arguments = command(lab, "-o", output, "--state", state, "--quiet", rate=500)
    full = run(arguments, preexec_fn=small_disk)
    lines = full.stderr.decode().splitlines()
    assert full.returncode == 3
    assert len(lines) == 1
    assert str(output) in lines[0]
    assert f"--state {state}" in lines[0]
    before = {record["event_id"] for record in records(output)}
    assert before
    resumed = run(arguments)
    after = records(output)
    assert resumed.returncode == 0
    assert len({record["ip"] for record in after}) == HOSTS
    assert before <= {record["event_id"] for record in after}


def test_dev_full_is_reported_and_nothing_is_booked(lab: LabProcess, tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    full = run(command(lab, "-o", "/dev/full", "--summary", summary, "--quiet"))
    document = orjson.loads(summary.read_bytes())
    assert full.returncode == 3
    assert len(full.stderr.splitlines()) == 1
    assert b"/dev/full" in full.stderr
    assert (document["records"], document["complete"]) == (0, False)
    assert document["planned"] == document["not_visited"]


def test_a_closed_pipe_ends_it_with_one_line(lab: LabProcess) -> None:
    process = subprocess.Popen(command(lab, "--quiet"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read().decode().splitlines()
    process.stderr.close()
    assert process.wait(20) == 3
    assert orjson.loads(first)["status"] == "ready"
    assert len(stderr) == 1
    assert "closed the pipe" in stderr[0]


def test_a_slow_reader_slows_the_sweep_down_and_loses_nothing(lab: LabProcess) -> None:
    process = subprocess.Popen(command(lab, "--quiet"), stdout=subprocess.PIPE)
    assert process.stdout is not None
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    ips = [orjson.loads(line)["ip"] for line in process.stdout]
    process.stdout.close()
    assert process.wait(20) == 0
    assert len(set(ips)) == len(ips) == HOSTS


@pytest.mark.parametrize("where", ["missing/out.jsonl", ".", "file/out.jsonl"])
def test_an_output_that_cannot_be_written_is_an_input_error(lab: LabProcess, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused = run(command(lab, "-o", tmp_path / where, "--quiet"))
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == b""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_with_a_limit_of_256_descriptors_every_host_is_still_found(lab: LabProcess, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    limited = run(
        command(lab, "-o", output),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    )
    assert limited.returncode == 0
    assert "concurrency lowered from 1000 to" in limited.stderr.decode()
    assert {record["status"] for record in records(output)} == {"ready"}
    assert len({record["ip"] for record in records(output)}) == HOSTS


def test_with_hardly_any_descriptor_it_says_so_instead_of_reporting_hosts_as_dead(
    lab: LabProcess, tmp_path: Path
) -> None:
    """Twenty descriptors are too few for Python, the loop and a sweep: all trouble is local, no host is to blame."""
    output = tmp_path / "out.jsonl"
    starved = run(
        command(lab, "-o", output, "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)),
    )
    found = records(output) if output.exists() and output.stat().st_size else []
    assert {record["status"] for record in found} <= {"ready"}
    assert starved.returncode in {0, 4}


@pytest.mark.netns
def test_without_a_route_it_says_so_and_blames_no_host(tmp_path: Path) -> None:
    require_network_namespaces()
    name = f"smtpsweep-noroute-{os.getpid()}"
    require_or_skip(run(["ip", "netns", "add", name]).returncode == 0, "needs to make a network namespace")
    try:
        output = tmp_path / "out.jsonl"
        pace = ("--rate", "0", "--subnet-rate", "0", "--quiet", "--all")  # --all: who is blamed has a record
        alone = run(["ip", "netns", "exec", name, *SWEEP, "192.0.2.0/24", *pace, "-o", str(output)])
    finally:
        run(["ip", "netns", "delete", name])
    assert alone.returncode == 4
    assert len(alone.stderr.splitlines()) == 1
    assert b"no route from this machine" in alone.stderr
    assert output.read_bytes() == b""
