"""The command while the cable of its own machine is out, or its gateway gone: no host is blamed for it.

Two network namespaces, a pair of interfaces between them; in the other one a lab behind a gateway's address.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.requirements import require_network_namespaces, require_or_skip

pytestmark = pytest.mark.netns

HOSTS = "10.77.0.0/24"


class Pair:
    """A namespace of ours and one of theirs: 10.9.0.1 on our side, 10.9.0.2 on the other."""

    def __init__(self, ours: str, theirs: str) -> None:
        self.ours, self.theirs = ("ip", "netns", "exec", ours), ("ip", "netns", "exec", theirs)
        self._run("ip", "link", "add", "ours", "netns", ours, "type", "veth", "peer", "theirs", "netns", theirs)
        self.here("address add 10.9.0.1/24 dev ours", "link set ours up")
        self.there("link set lo up", "address add 10.9.0.2/24 dev theirs", "link set theirs up")
        self.here(f"route add {HOSTS} via 10.9.0.2")
        self.there(f"route add local {HOSTS} dev lo")

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, timeout=20)

    def here(self, *commands: str) -> None:
        for command in commands:
            self._run(*self.ours, "ip", *command.split())

    def there(self, *commands: str) -> None:
        for command in commands:
            self._run(*self.theirs, "ip", *command.split())


@pytest.fixture
def pair() -> Iterator[Pair]:
    require_network_namespaces()
    names = [f"smtpsweep-{side}-{os.getpid()}" for side in ("ours", "theirs")]
    made = all(subprocess.run(["ip", "netns", "add", name], check=False, timeout=20).returncode == 0 for name in names)
    require_or_skip(made, "needs to make network namespaces")
    try:
        yield Pair(*names)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, timeout=20)


def cable(pair: Pair) -> Callable[[], None]:
    pair.there("link set theirs down")
    return lambda: pair.there("link set theirs up")


def interface(pair: Pair) -> Callable[[], None]:
    pair.here("link set ours down")
    return lambda: pair.here("link set ours up", f"route add {HOSTS} via 10.9.0.2")


def gateway(pair: Pair) -> Callable[[], None]:
    pair.there("address del 10.9.0.2/24 dev theirs")
    pair.here("neigh flush dev ours")
    return lambda: pair.there("address add 10.9.0.2/24 dev theirs")


@pytest.mark.parametrize("lose", [cable, interface, gateway])
def test_hosts_that_are_visited_while_our_network_is_away_are_visited_again(
    pair: Pair, tmp_path: Path, lose: Callable[[Pair], Callable[[], None]]
) -> None:
    """405 of 1,024 live hosts were unreachable or timed out, in a sweep that was complete, without a word."""
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary"
    lab = LabSettings(port=0, profile="dense", bind=("0.0.0.0",), in_namespace=True)  # noqa: S104  see above
    with LabProcess(lab, prefix=pair.theirs) as running:
        limits = ("--connect-timeout", "1s", "--greeting-timeout", "2s", "--retries", "0", "--retry-delay", "2s")
        process = subprocess.Popen(
            [*pair.ours, sys.executable, "-m", "scanner", "sweep", HOSTS, "--port", str(running.port), "--rate", "60",
             "--subnet-rate", "0", "--seed", "5", "--all", "-q", *limits, "-o", str(output), "--summary", str(summary)],
            stderr=subprocess.PIPE,
        )  # fmt: skip
        while not output.exists() or output.read_bytes().count(b"\n") < 30:
            assert process.poll() is None
        give_back = lose(pair)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)  # so long is it away
        give_back()
        process.communicate(timeout=50)

    told = orjson.loads(summary.read_bytes())
    assert (process.returncode, told["statuses"], told["not_visited"]) == (0, {"ready": 256}, 0)
    if told["connections"] > 256:
        assert any("this machine's network was away meanwhile" in notice for notice in told["notices"])


def test_one_connection_that_fails_while_our_network_is_away_is_trouble_of_this_machine(
    pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "mail" / "new").mkdir(parents=True)
    (tmp_path / "mail" / "cur").mkdir()
    lose = cable(pair)
    command = ("smoke", "10.77.0.1", "--from", "a@example.org", "--to", "b@example.org", "--timeout", "20s",
               "--receive", f"maildir:{tmp_path / 'mail'}", "--yes-send-mail")  # fmt: skip
    told = subprocess.run(
        [*pair.ours, sys.executable, "-m", "scanner", *command], capture_output=True, check=False, timeout=50
    )
    lose()

    assert (told.returncode, told.stderr.count(b"\n")) == (4, 1), told
    assert b"the network of this machine was away while it connected to 10.77.0.1" in told.stderr
