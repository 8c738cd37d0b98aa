"""Live, refused, dark and unreachable addresses in network namespaces (root; skipped with the reason elsewhere)."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scanner.errors import LocalError
from scanner.lab.netns import LabNetwork, NetworkLayout, namespace_problem, netem_problem
from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings

_PROBLEM = namespace_problem()
pytestmark = [pytest.mark.netns, pytest.mark.skipif(_PROBLEM is not None, reason=str(_PROBLEM))]

#: Connects to each address given and prints what came of it, as JSON: the first byte, or the name of the exception.
_PROBE = """
import json, socket, sys
found = {}
for address in sys.argv[3:]:
    try:
        with socket.create_connection((address, int(sys.argv[1])), timeout=float(sys.argv[2])) as sock:
            found[address] = sock.recv(3).decode()
    except OSError as error:
        found[address] = type(error).__name__ + (f" {error.errno}" if error.errno else "")
print(json.dumps(found))
"""
_HOST_UNREACHABLE = "OSError 113"  # EHOSTUNREACH


def probe(network: LabNetwork, *addresses: str, timeout_s: float = 10.0) -> dict[str, str]:
    done = network.run(sys.executable, "-c", _PROBE, str(network.port), str(timeout_s), *addresses)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def namespaces() -> set[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


def own(network: LabNetwork) -> set[str]:
    return namespaces() & set(network._names.values())


@pytest.fixture(scope="module")
def network() -> Iterator[LabNetwork]:
    with LabNetwork(LabSettings(port=25, profile="dense", count_visits=True)) as made:
        yield made


def test_every_address_of_the_live_range_greets(network: LabNetwork) -> None:
    addresses = ("10.199.16.0", "10.199.16.1", "10.199.23.77", "10.199.31.255")

    assert probe(network, *addresses) == dict.fromkeys(addresses, "220")
    assert set(network.lab.statistics()["visits"]) >= set(addresses)


def test_a_refused_address_answers_with_a_reset(network: LabNetwork) -> None:
    addresses = ("10.199.32.0", "10.199.40.1", "10.199.47.255")

    assert probe(network, *addresses) == dict.fromkeys(addresses, "ConnectionRefusedError 111")


def test_a_dark_address_says_nothing(network: LabNetwork) -> None:
    addresses = ("10.199.128.0", "10.199.255.255")

    assert probe(network, *addresses, timeout_s=0.5) == dict.fromkeys(addresses, "TimeoutError")


def test_an_unreachable_address_is_reported_by_the_gateway(network: LabNetwork) -> None:
    addresses = ("10.199.64.1", "10.199.64.6")

    assert probe(network, *addresses) == dict.fromkeys(addresses, _HOST_UNREACHABLE)


def test_nothing_can_leave(network: LabNetwork) -> None:
    """An address outside the ranges has no route where the scanner is; no namespace has a default route."""
    assert probe(network, "192.0.2.1") == {"192.0.2.1": "OSError 101"}  # ENETUNREACH
    for name in own(network):
        routes = subprocess.run(["ip", "-n", name, "route"], capture_output=True, text=True, check=True).stdout
        assert routes
        assert "default" not in routes


def test_a_lab_for_any_address_refuses_a_network_with_a_way_out(network: LabNetwork) -> None:
    """The gateway's namespace gets a default route for a moment; a second lab there must not start."""
    inside = network._inside("gateway")
    default = ["ip", "-n", inside[3], "route", "add", "default", "via", "10.199.0.1"]
    subprocess.run(default, check=True)
    try:
        settings = LabSettings(port=0, in_namespace=True)
        with pytest.raises(LocalError, match="has a default route"), LabProcess(settings, prefix=inside):
            pass
    finally:
        subprocess.run([*default[:4], "delete", *default[5:]], check=True)


def test_everything_is_removed_at_the_end() -> None:
    ranges = NetworkLayout(live="10.199.16.0/30")
    with LabNetwork(LabSettings(port=0, profile="dense"), ranges=ranges) as made:
        names = set(made._names.values())
        assert own(made) == names
        assert probe(made, "10.199.16.3") == {"10.199.16.3": "220"}
        assert probe(made, "10.199.16.4", timeout_s=0.5) == {"10.199.16.4": "OSError 101"}

    assert not namespaces() & names


def test_everything_is_removed_when_making_it_fails() -> None:
    made = LabNetwork(ranges=NetworkLayout(dark="no network"))

    with pytest.raises(LocalError, match="no network"), made:
        pass

    assert own(made) == set()


def test_everything_is_removed_when_the_lab_does_not_start() -> None:
    made = LabNetwork(LabSettings(port=70_000))

    with pytest.raises(LocalError, match="--port 70000"), made:
        pass

    assert own(made) == set()


def test_delay_and_loss_act_on_the_scanners_link_or_are_refused_in_words() -> None:
    """Which of the two depends on the kernel: not every one has netem."""
    made = LabNetwork(LabSettings(port=0, profile="dense"), delay_ms=20, loss_percent=1)

    if netem_problem() is None:
        with made:
            shown = made.run("tc", "qdisc", "show", "dev", "gateway").stdout
            assert probe(made, "10.199.16.1") == {"10.199.16.1": "220"}
        assert "delay 20ms loss 1%" in shown
    else:
        with pytest.raises(LocalError, match="netem delay 20ms loss 1%"), made:
            pass

    assert own(made) == set()
