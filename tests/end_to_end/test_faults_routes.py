"""The command while this machine loses its routes, in a network namespace that has no way out: nobody is blamed for it.

The hosts are a lab on addresses that are local to the namespace as long as a route says so. `--all` everywhere: a host
that was wrongly blamed would have a record.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.requirements import require_network_namespaces, require_or_skip

pytestmark = pytest.mark.netns

SWEEP = (sys.executable, "-m", "scanner", "sweep")
KEPT, LOST = "10.78.0.0/24", "10.77.0.0/22"


class Namespace:
    """A namespace with loopback only, and a lab that listens on whatever is local to it."""

    def __init__(self, name: str) -> None:
        self.inside = ("ip", "netns", "exec", name)
        self.lab: LabProcess | None = None

    def ip(self, arguments: str) -> None:
        subprocess.run((*self.inside, "ip", *arguments.split()), check=True, timeout=20)

    def add(self, *networks: str) -> None:
        for network in networks:
            self.ip(f"route add local {network} dev lo")

    def lose(self, network: str) -> None:
        self.ip(f"route del local {network} dev lo table local")

    def sweep(self, *arguments: str | Path) -> list[str]:
        assert self.lab is not None
        pace = ("--port", str(self.lab.port), "--subnet-rate", "0", "--seed", "5", "--all")
        return [*self.inside, *SWEEP, *pace, *map(str, arguments)]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.sweep(*arguments, "--quiet"), capture_output=True, timeout=60, check=False)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    require_network_namespaces()
    name = f"smtpsweep-routes-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, timeout=20).returncode == 0
    require_or_skip(made, "needs to make a network namespace")
    try:
        space = Namespace(name)
        space.ip("link set lo up")
        settings = LabSettings(port=0, profile="dense", bind=("0.0.0.0",), in_namespace=True)  # noqa: S104  see above
        with LabProcess(settings, prefix=space.inside) as space.lab:
            yield space
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, timeout=20)


def found(output: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in output.read_bytes().splitlines()]


def document(summary: Path) -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(summary.read_bytes())
    return read


def wait_for(process: subprocess.Popen[bytes], word: bytes) -> None:
    """Return when the command has said something on stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    pytest.fail(f"it ended and never said {word!r}")


def test_a_route_that_is_lost_for_a_while_loses_nothing(namespace: Namespace, tmp_path: Path) -> None:
    namespace.add(LOST)
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary"
    files = ("-o", output, "--summary", summary, "--state", tmp_path / "state", "--log-level", "warning")
    process = subprocess.Popen(namespace.sweep(LOST, *files, "--rate", "300"), stderr=subprocess.PIPE)
    while not output.exists() or output.read_bytes().count(b"\n") < 100:
        assert process.poll() is None
    namespace.lose(LOST)
    wait_for(process, b"no way to 10.77.")
    namespace.add(LOST)
    process.communicate(timeout=50)

    assert process.returncode == 0
    assert Counter(record["status"] for record in found(output)) == {"ready": 1024}
    assert len({record["ip"] for record in found(output)}) == 1024
    assert (document(summary)["complete"], document(summary)["statuses"]) == (True, {"ready": 1024})


def test_a_network_that_stays_away_is_not_visited_and_the_same_command_goes_on_later(
    namespace: Namespace, tmp_path: Path
) -> None:
    namespace.add(KEPT)
    output, summary, state = tmp_path / "out.jsonl", tmp_path / "summary", tmp_path / "state"
    arguments = (KEPT, LOST, "-o", output, "--summary", summary, "--state", state, "--rate", "0", "--route-patience")
    first = namespace.run(*arguments, "1s")
    told = document(summary)

    assert first.returncode == 3
    assert Counter(record["status"] for record in found(output)) == {"ready": 256}
    assert (told["complete"], told["not_visited"], told["statuses"]) == (False, 1024, {"ready": 256})
    assert told["reason"] == "1,024 targets were not visited: this machine had no way there (ENETUNREACH)"
    (notice,) = told["notices"]
    assert "in 10.77.0.0/22; run again" in notice
    assert told["planned"] == sum(told["statuses"].values()) + told["not_visited"]

    again = namespace.run(*arguments, "1s")
    assert (again.returncode, document(summary)["reason"]) == (3, told["reason"])
    assert document(summary)["notices"][-1] == notice

    namespace.add(LOST)
    second = namespace.run(*arguments, "1s")
    assert second.returncode == 0
    assert Counter(record["status"] for record in found(output)) == {"ready": 1280}
    assert len({record["ip"] for record in found(output)}) == 1280
    assert document(summary)["statuses"] == {"ready": 1280}


@pytest.mark.parametrize("network", ["10.77.0.0/29", LOST])
def test_without_any_route_nothing_is_booked_and_the_second_run_says_the_same(
    namespace: Namespace, tmp_path: Path, network: str
) -> None:
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary"
    arguments = (network, "-o", output, "--summary", summary, "--state", tmp_path / "state", "--rate", "0")
    for _ in range(2):
        alone = namespace.run(*arguments)
        told = document(summary)
        assert alone.returncode == 4
        assert b"no route from this machine to any" in alone.stderr
        assert output.read_bytes() == b""
        assert (told["complete"], told["statuses"], told["connections"]) == (False, {}, 0)

    namespace.add(network)
    assert namespace.run(*arguments).returncode == 0
    assert document(summary)["statuses"] == {"ready": document(summary)["planned"]}


@pytest.mark.parametrize(
    ("kind", "code"), [("prohibit", "EACCES"), ("unreachable", "EHOSTUNREACH"), ("blackhole", "EINVAL")]
)
def test_a_route_of_ours_that_says_no_is_not_the_hosts_word(
    namespace: Namespace, tmp_path: Path, kind: str, code: str
) -> None:
    namespace.add("10.78.0.0/30")
    namespace.ip(f"route add {kind} 10.79.0.0/30")
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary"
    refused = namespace.run(
        *("10.78.0.0/30", "10.79.0.0/30", "-o", output, "--summary", summary, "--route-patience", "100ms")
    )

    assert refused.returncode == 3
    assert Counter(record["status"] for record in found(output)) == {"ready": 4}
    assert document(summary)["reason"] == f"4 targets were not visited: this machine had no way there ({code})"


def test_the_broadcast_address_of_our_own_network_is_no_host_and_does_not_keep_a_sweep_from_being_complete(
    namespace: Namespace, tmp_path: Path
) -> None:
    namespace.ip("link add v0 type veth peer name v1")
    namespace.ip("link set v0 up")
    namespace.ip("address add 10.80.0.1/29 brd + dev v0")
    output = tmp_path / "out.jsonl"
    swept = namespace.run("10.80.0.1", "10.80.0.7", "-o", output)

    assert swept.returncode == 0
    assert {record["ip"]: record["status"] for record in found(output)} == {
        "10.80.0.1": "ready",
        "10.80.0.7": "unreachable",
    }


def test_a_look_at_one_host_says_that_this_machine_has_no_way_to_it(namespace: Namespace) -> None:
    look = subprocess.run(
        [*namespace.inside, sys.executable, "-m", "scanner", "check", "10.77.0.1"],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert look.returncode == 4
    assert look.stdout == b""
    assert b"no route from this machine" in look.stderr
