"""A way that this machine has not is said as this machine's trouble wherever one host is looked at."""

import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
from click.testing import CliRunner

from scanner.cli.check import check
from scanner.engine import DescriptorBudget, Gate, Pool, gated_connect
from scanner.engine.transport import start_connection
from scanner.errors import LocalError
from scanner.model import Attempt, Status, Target
from scanner.settings import Probe, Settings
from scanner.smoke import smoke
from scanner.smoke.steps import StepFailed
from scanner.sweeps.single_check import check_host
from scanner.targets import COMMAND_LINE, Ranges, TextSource, parse_spec
from scanner.verification.second_opinion import second_opinion
from scanner.verification.states import VerificationState
from scanner.verification.verify import VerificationRequest, verify
from tests.support.servers import ListSource, Script, free_port, greets, serving
from tests.support.smoke_tests import Hands, into, make_test

PLAIN = greets(b"220 mx.example.org ESMTP Postfix\r\n")
LOST = "127.0.0.2"
QUICK = Settings(rate=0, subnet_rate=0)


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> str:
    """A host of two addresses, of which this machine has no way to the second."""

    def start(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        return (socket.SocketType(), errno.ENETUNREACH) if ip == LOST else start_connection(ip, port, source)

    async def both(_name: str) -> list[str]:
        return ["127.0.0.1", LOST]

    monkeypatch.setattr("scanner.engine.connection_table.start_connection", start)
    monkeypatch.setattr("scanner.sweeps.resolve._addresses", both)
    return "mx.example.org"


def settings(port: int) -> Settings:
    return Settings(rate=0, subnet_rate=0, ports=(port,), route_patience_s=3600)


async def test_a_check_says_which_address_was_not_visited_and_does_not_wait_for_a_way(two_addresses: str) -> None:
    said: list[str] = []
    with serving(PLAIN) as server:
        records = await check_host(two_addresses, settings(server.port), on_unvisited=said.append)

    assert [(record.ip, record.status) for record in records] == [("127.0.0.1", Status.READY)]
    assert said == ["127.0.0.2 was not visited: this machine has no way there (ENETUNREACH)"]


async def test_who_checks_from_python_hears_of_it_in_the_log(
    two_addresses: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(PLAIN) as server, caplog.at_level(logging.WARNING):
        await check_host(two_addresses, settings(server.port))

    assert caplog.messages == ["127.0.0.2 was not visited: this machine has no way there (ENETUNREACH)"]


@pytest.mark.parametrize(("script", "code"), [(PLAIN, 4), (greets(b"HTTP/1.0 400 Bad Request\r\n\r\n"), 1)])
def test_the_exit_code_of_a_check_is_the_hosts_before_it_is_this_machines(
    two_addresses: str, script: Script, code: int
) -> None:
    with serving(script) as server:
        done = CliRunner().invoke(check, [two_addresses, "--port", str(server.port)], standalone_mode=False)

    assert done.return_value == code
    assert "smtpsweep: 127.0.0.2 was not visited" in done.stderr


@pytest.fixture
def no_way(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a call that takes this machine's way to an address."""
    lost: set[str] = set()

    def start(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        return (socket.SocketType(), errno.ENETUNREACH) if ip in lost else start_connection(ip, port, source)

    monkeypatch.setattr(gated_connect, "start_connection", start)
    return lost.add


async def test_the_second_reader_has_no_opinion_without_a_way(no_way: Callable[[str], None]) -> None:
    no_way("127.0.0.9")
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=0)

    with pytest.raises(LocalError, match=r"no way to 127.0.0.9 \(ENETUNREACH\)"):
        await second_opinion(gate, "127.0.0.9", 25, QUICK)


@pytest.mark.parametrize("port_is_open", [True, False])
async def test_a_smoke_test_goes_on_to_the_next_address(
    no_way: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, *, port_is_open: bool
) -> None:
    no_way("127.0.0.9")
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=0)
    with serving(PLAIN) as server:
        test = make_test(server.port if port_is_open else free_port())
        if port_is_open:
            ip, sock, tried = await smoke._connected(test, gate, ["127.0.0.9", "127.0.0.1"])
            sock.close()
            assert ip == "127.0.0.1"
            assert tried.startswith(f"127.0.0.9 port {test.port}: this machine has no way to 127.0.0.9 (ENETUNREACH)")
        else:
            with pytest.raises(StepFailed, match=r"no way to 127.0.0.9 .*127.0.0.1 port [0-9]+: ECONNREFUSED"):
                await smoke._connected(test, gate, ["127.0.0.9", "127.0.0.1"])


async def test_a_smoke_test_without_any_way_is_this_machines_trouble(no_way: Callable[[str], None]) -> None:
    no_way("127.0.0.1")

    with pytest.raises(LocalError, match=r"no way to 127.0.0.1"):
        await smoke.smoke_test(make_test(25), into(Hands()))


async def test_verify_judges_nobody_that_this_machine_has_no_way_to(
    two_addresses: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(PLAIN) as server, caplog.at_level(logging.WARNING):
        options = replace(settings(server.port), route_patience_s=0.0, probe=Probe.DIALOGUE, total_timeout_s=3.0)
        request = VerificationRequest(
            settings=options,
            targets=parse_spec([TextSource(COMMAND_LINE, [two_addresses])]),
            ports=(server.port,),
            ask_second_reader=False,
        )
        fresh = await verify(request)
    found = {each.ip: each for each in fresh.results}

    assert (found[LOST].state, found[LOST].after) == (VerificationState.INCONCLUSIVE, None)
    assert found["127.0.0.1"].after is not None
    (said,) = caplog.messages
    assert said.startswith("1 target was not visited: this machine had no way there (ENETUNREACH), in 127.0.0.0/24; ")


async def test_a_surprise_while_ways_are_looked_for_ends_the_sweep_and_hangs_nobody(
    two_addresses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("scanner.engine.no_way.NoWay.find_ways", surprise)
    targets = [Target(0, LOST, 25), Target(1, "127.0.0.1", free_port())]
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=0)
    delivered: list[Attempt] = []
    pool = Pool(settings(25), ListSource(targets), gate, delivered.extend, budget=DescriptorBudget(9, 9, None))

    with pytest.raises(ZeroDivisionError):
        await pool.run()
