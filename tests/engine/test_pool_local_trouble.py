"""What this machine lacks (descriptors, ports, routes, a network) is never the result of a target."""

import asyncio
import errno
import socket

import pytest

from scanner.engine import DescriptorBudget, Gate, Pool
from scanner.engine.transport import start_connection
from scanner.errors import LocalError
from scanner.model import Attempt, Status, Target
from tests.support.greetings import POSTFIX
from tests.support.pools import NoAddresses, settings, sweep
from tests.support.servers import ListSource, by_ip, greets, loopback_targets, serving
from tests.support.waiting import eventually


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS])
async def test_local_trouble_is_never_the_result_of_a_target(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([code] * 5)

    def sometimes(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        failing = next(failures, 0)
        if failing:
            raise OSError(failing, "local")
        return start_connection(ip, port, source)

    monkeypatch.setattr("scanner.engine.connection_table.start_connection", sometimes)
    monkeypatch.setattr("scanner.engine.back_off.BACK_OFF_S", (0.001, 0.002))
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(20, server.port))
    assert {attempt.status for attempt in attempts} == {None}
    assert len(by_ip(attempts)) == 20
    assert counts.local_errors == 5


async def test_lasting_local_trouble_ends_the_sweep_with_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("scanner.engine.connection_table.start_connection", never)
    monkeypatch.setattr("scanner.engine.back_off.BACK_OFF_S", (0.001, 0.002))
    monkeypatch.setattr("scanner.engine.pool.PATIENCE_S", 0.05)
    with pytest.raises(LocalError, match=r"could not open a single connection for 0.05 s \(EMFILE\)"):
        await sweep(loopback_targets(2, 25))


class Routes:
    """Stands for this machine's routes: what connect(2) and a look at the routes say of a target, by its address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: dict[str, int] = {}
        self.default = 0
        self.connects: list[str] = []
        monkeypatch.setattr("scanner.engine.connection_table.start_connection", self._start)
        monkeypatch.setattr("scanner.engine.back_off.BACK_OFF_S", (0.001, 0.002))
        monkeypatch.setattr("scanner.engine.pool.route_error", lambda ip, _source: self.error(ip))

    def error(self, ip: str) -> int:
        return self.errors.get(ip, self.default)

    def _start(self, ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        self.connects.append(ip)
        code = self.error(ip)
        return (socket.SocketType(), code) if code else start_connection(ip, port, source)


NO_WAYS = [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT]


@pytest.mark.parametrize("code", NO_WAYS)
async def test_a_target_without_a_way_is_visited_when_the_way_is_back(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = Routes(monkeypatch)
    lost = [f"127.1.0.{host}" for host in range(5, 12)]
    routes.errors = dict.fromkeys(lost, code)
    delivered: list[Attempt] = []
    with serving(greets(POSTFIX)) as server:
        pool = Pool(
            settings(route_patience_s=30),
            ListSource(loopback_targets(20, server.port)),
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            delivered.extend,
            budget=DescriptorBudget(100, 100, None),
        )
        running = asyncio.create_task(pool.run())
        await eventually(lambda: len(delivered) >= 13)
        if code != errno.EAFNOSUPPORT:  # there no patience helps
            assert (pool.statistics().no_way, pool.no_way.networks) == (7, {"127.1.0": 7})
        routes.errors = {}
        await running
    found = by_ip(delivered)
    expected = set(found) | set(lost) if code != errno.EAFNOSUPPORT else set(found)
    assert {attempt.status for attempt in delivered} == {None}
    assert {attempt.raw for attempt in delivered} == {POSTFIX}
    assert set(found) == expected
    assert pool.statistics().no_way == 20 - len(found)


async def test_a_way_that_never_comes_back_has_no_result_and_the_others_are_all_visited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routes = Routes(monkeypatch)
    routes.errors = dict.fromkeys(["127.1.0.3", "127.1.1.7"], errno.ENETUNREACH)
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(300, server.port), options=settings(route_patience_s=0.05))
        server.join()
    assert set(by_ip(attempts)) == {target.ip for target in loopback_targets(300, 0)} - set(routes.errors)
    assert {attempt.raw for attempt in attempts} == {POSTFIX}
    assert (counts.started, counts.finished, counts.no_way) == (298, 298, 2)


async def test_a_firewall_of_ours_that_no_route_shows_does_not_keep_the_sweep_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The routes say yes and connect(2) says EPERM each time: an attempt is made now and then until patience ends."""
    routes = Routes(monkeypatch)
    routes.errors = {"127.1.0.1": errno.EPERM}
    monkeypatch.setattr("scanner.engine.pool.route_error", lambda _ip, _source: 0)
    monkeypatch.setattr("scanner.engine.back_off.BACK_OFF_S", (0.05, 0.1))
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(3, server.port), options=settings(route_patience_s=0.3))
    assert set(by_ip(attempts)) == {"127.1.0.0", "127.1.0.2"}
    assert counts.no_way == 1
    assert 2 <= routes.connects.count("127.1.0.1") <= 12


@pytest.mark.parametrize("count", [1, 50])
async def test_a_machine_without_a_route_says_so_at_once_and_delivers_nothing(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = Routes(monkeypatch)
    routes.default = errno.ENETUNREACH
    monkeypatch.setattr("scanner.engine.pool.NO_WAY_LIMIT", 10)
    delivered: list[Attempt] = []
    pool = Pool(
        settings(route_patience_s=3600),
        ListSource(loopback_targets(count, 25)),
        Gate(NoAddresses(), rate=0, subnet_rate=0),
        delivered.extend,
        budget=DescriptorBudget(100, 100, None),
    )
    tried = "any of the first 10 targets" if count == 50 else "the one target that was tried"
    with pytest.raises(LocalError, match=rf"^no route from this machine to {tried} \(ENETUNREACH\): "):
        await pool.run()
    assert delivered == []
    assert len(routes.connects) == min(count, 10)


async def test_a_resumed_sweep_with_only_lost_networks_left_waits_as_long_as_the_first_run_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routes = Routes(monkeypatch)
    routes.default = errno.ENETUNREACH
    monkeypatch.setattr("scanner.engine.pool.NO_WAY_LIMIT", 2)
    delivered: list[Attempt] = []
    with serving(greets(POSTFIX)) as server:
        pool = Pool(
            settings(route_patience_s=3600),
            ListSource(loopback_targets(4, server.port)),
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            delivered.extend,
            budget=DescriptorBudget(100, 100, None),
        )
        running = asyncio.create_task(pool.run(resumed=True))
        await eventually(lambda: pool.statistics().no_way >= 4 or running.done())
        routes.default = 0  # the patience was worth it
        await running
    assert len(by_ip(delivered)) == 4


async def test_a_resumed_sweep_whose_networks_stay_lost_ends_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = Routes(monkeypatch)
    routes.default = errno.ENETUNREACH
    pool = Pool(
        settings(route_patience_s=0),
        ListSource(loopback_targets(4, 25)),
        Gate(NoAddresses(), rate=0, subnet_rate=0),
        lambda _: None,
        budget=DescriptorBudget(100, 100, None),
    )
    await pool.run(resumed=True)
    assert (pool.statistics().no_way, pool.statistics().started) == (4, 0)


async def test_a_refusal_that_comes_at_once_is_the_targets_and_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over loopback the answer may be there before connect(2) returns."""
    routes = Routes(monkeypatch)
    routes.default = errno.ECONNREFUSED
    attempts, counts = await sweep(loopback_targets(3, 25))
    assert {attempt.status for attempt in attempts} == {Status.REFUSED}
    assert {attempt.error for attempt in attempts} == {"ECONNREFUSED"}
    assert (counts.started, counts.no_way, len(by_ip(attempts))) == (3, 0, 3)


async def test_a_stop_does_not_wait_for_a_way(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = Routes(monkeypatch)
    routes.errors = {"127.1.0.1": errno.ENETUNREACH}
    delivered: list[Attempt] = []
    with serving(greets(POSTFIX)) as server:
        pool = Pool(
            settings(route_patience_s=3600),
            ListSource(loopback_targets(2, server.port)),
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            delivered.extend,
            budget=DescriptorBudget(100, 100, None),
        )
        running = asyncio.create_task(pool.run())
        await eventually(lambda: len(delivered) >= 1)
        pool.stop()
        await running
    assert set(by_ip(delivered)) == {"127.1.0.0"}
    assert pool.statistics().no_way == 1


async def test_a_time_out_during_which_the_way_was_gone_is_one_more_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hosts of one network: the way to one is missing while the SYN to the other gets lost."""
    routes = Routes(monkeypatch)
    routes.errors = {"127.1.0.1": errno.ENETUNREACH}
    with socket.create_server(("127.1.0.0", 0), backlog=0) as full:  # nobody accepts: the kernel drops what is more
        address = full.getsockname()
        kept = [socket.socket() for _ in range(4)]
        for sock in kept:
            sock.setblocking(False)
            sock.connect_ex(address)
        attempts, counts = await sweep(
            [Target(0, address[0], address[1]), Target(1, "127.1.0.1", address[1])],
            options=settings(retries=0, connect_timeout_s=0.1, route_patience_s=0.3),
        )
        for sock in kept:
            sock.close()
    assert [(attempt.status, attempt.tries) for attempt in attempts] == [(Status.CONNECT_TIMEOUT, 2)]
    assert (counts.retried, counts.no_way) == (1, 1)
