"""The engine against real sockets: what is sent, what is reported, and what local trouble does not change."""

import asyncio
import errno
import select
import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from scanner.engine import DescriptorBudget, Gate, Pool, PoolStatistics
from scanner.engine.readiness import EpollReadiness, Readiness, SelectorReadiness
from scanner.engine.transport import start_connection
from scanner.errors import LocalError
from scanner.model import Attempt, Status, Target
from scanner.settings import Settings
from scanner.smtp import is_whole_greeting
from tests.support.greetings import POSTFIX
from tests.support.pools import FAST, settings
from tests.support.servers import ListSource, Peer, Server, by_ip, free_port, greets, in_turn, loopback_targets, serving


class NoAddresses:
    def __contains__(self, ip: object) -> bool:
        return False

    def __bool__(self) -> bool:
        return False


async def sweep(
    targets: Sequence[Target],
    *,
    options: Settings = FAST,
    budget: DescriptorBudget | None = None,
    readiness: Callable[[], Readiness] = EpollReadiness,
    gate: Gate | None = None,
) -> tuple[list[Attempt], PoolStatistics]:
    attempts: list[Attempt] = []
    pool = Pool(
        options,
        ListSource(targets),
        gate or Gate(NoAddresses(), rate=options.rate, subnet_rate=options.subnet_rate),
        attempts.extend,
        budget=budget or DescriptorBudget(1000, options.concurrency, None),
        readiness=readiness(),
    )
    await pool.run()
    return attempts, pool.statistics()


async def visit_one(server: Server, options: Settings = FAST) -> Attempt:
    attempts, _ = await sweep([Target(0, "127.0.0.1", server.port)], options=options)
    server.join()
    assert len(attempts) == 1
    return attempts[0]


@pytest.fixture(params=[EpollReadiness, SelectorReadiness], ids=["epoll", "selector"])
def readiness(request: pytest.FixtureRequest) -> Callable[[], Readiness]:
    kind: Callable[[], Readiness] = request.param
    return kind


async def test_every_host_of_a_network_is_read_once_and_left_in_good_order(readiness: Callable[[], Readiness]) -> None:
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(300, server.port), readiness=readiness)
        server.join()
    assert sorted(by_ip(attempts)) == sorted(target.ip for target in loopback_targets(300, 0))
    assert {attempt.status for attempt in attempts} == {None}
    assert {attempt.raw for attempt in attempts} == {POSTFIX}
    assert {peer.received for peer in server.peers} == {b"QUIT\r\n"}
    assert {peer.ended for peer in server.peers} == {"closed"}
    assert (counts.started, counts.finished, counts.sockets) == (300, 300, 0)


async def test_nothing_is_sent_before_the_last_line_of_the_greeting() -> None:
    early: list[bytes] = []

    def postscreen(peer: Peer) -> None:
        early.append(peer.early_bytes(0.2))
        peer.send(b"220-mx.example.org ESMTP\r\n")
        early.append(peer.early_bytes(0.2))
        peer.send(b"220 mx.example.org")
        early.append(peer.early_bytes(0.2))
        peer.send(b" ESMTP Postfix\r")
        early.append(peer.early_bytes(0.2))
        greets(b"\n")(peer)

    with serving(postscreen) as server:
        attempt = await visit_one(server)
    assert early == [b"", b"", b"", b""]
    assert attempt.raw == b"220-mx.example.org ESMTP\r\n220 mx.example.org ESMTP Postfix\r\n"
    assert attempt.status is None
    assert attempt.connect_s is not None
    assert attempt.first_byte_s is not None
    assert 0.2 <= attempt.first_byte_s < attempt.total_s - 0.5
    assert server.peers[0].received == b"QUIT\r\n"


async def test_passive_sends_no_byte_at_all_and_ends_without_a_reset() -> None:
    ends: list[str] = []

    def script(peer: Peer) -> None:
        peer.send(POSTFIX)
        ends.append(peer.read_end())

    with serving(script) as server:
        attempt = await visit_one(server, settings(passive=True))
    assert attempt.raw == POSTFIX
    assert server.peers[0].received == b""
    assert ends == ["closed"]


async def test_a_server_that_hung_up_after_its_greeting_gets_no_quit() -> None:
    ends: list[str] = []

    def script(peer: Peer) -> None:
        peer.send(b"554 go away\r\n")
        peer.sock.shutdown(socket.SHUT_WR)
        ends.append(peer.read_end())

    with serving(script) as server:
        attempt = await visit_one(server)
    assert attempt.raw == b"554 go away\r\n"
    assert attempt.status is None
    assert server.peers[0].received in {b"", b"QUIT\r\n"}  # QUIT when the greeting came before the FIN
    assert ends == ["closed"]


async def test_the_wait_for_the_reply_to_quit_ends() -> None:
    def never_answers(peer: Peer) -> None:
        peer.send(POSTFIX)
        peer.read_end()

    with serving(never_answers) as server:
        attempt = await visit_one(server, settings(quit_timeout_s=0.1))
    assert attempt.raw == POSTFIX
    assert server.peers[0].received == b"QUIT\r\n"
    assert server.peers[0].ended == "closed"


def closes(peer: Peer) -> None:
    peer.sock.close()


def closes_inside(peer: Peer) -> None:
    peer.send(b"220 mx.exam")


def resets(peer: Peer) -> None:
    peer.reset()


def resets_inside(peer: Peer) -> None:
    peer.send(b"220-mx.example.org\r\n")
    threading.Event().wait(0.1)
    peer.reset()


def silent(peer: Peer) -> None:
    peer.read_end()


def stalls(peer: Peer) -> None:
    peer.send(b"220-wait\r\n")
    peer.read_end()


def drips(peer: Peer) -> None:
    while peer.ended == "open":
        peer.send(b"220-x\r\n"[:1])
        peer.early_bytes(0.02)
        if select_closed(peer):
            return


def select_closed(peer: Peer) -> bool:
    try:
        return bool(select.select([peer.sock], [], [], 0)[0]) and peer.sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


@pytest.mark.parametrize(
    ("script", "changes", "status", "raw", "error"),
    [
        (closes, {}, Status.CLOSED, b"", None),
        (closes_inside, {}, Status.CUT, b"220 mx.exam", None),
        (resets, {"retries": 0}, Status.RESET, b"", "ECONNRESET"),
        (resets_inside, {}, Status.RESET, b"220-mx.example.org\r\n", "ECONNRESET"),
        (silent, {"greeting_timeout_s": 0.2}, Status.SILENT, b"", None),
        (silent, {"total_timeout_s": 0.2}, Status.SILENT, b"", None),
        (stalls, {"idle_timeout_s": 0.2}, Status.SLOW, b"220-wait\r\n", "idle"),
        (stalls, {"total_timeout_s": 0.2}, Status.SLOW, b"220-wait\r\n", None),
    ],
)
async def test_each_ending_has_its_own_status(
    script: Callable[[Peer], None], changes: dict[str, float], status: Status, raw: bytes, error: str | None
) -> None:
    with serving(script) as server:
        attempt = await visit_one(server, settings(**changes))
    assert (attempt.status, attempt.raw, attempt.error) == (status, raw, error)
    assert all(peer.received == b"" for peer in server.peers)


async def test_a_drip_that_never_ends_is_slow_although_it_is_never_idle() -> None:
    with serving(drips) as server:
        attempt = await visit_one(server, settings(idle_timeout_s=2, total_timeout_s=0.5))
    assert attempt.status is Status.SLOW
    assert attempt.error is None
    assert set(attempt.raw) == {ord("2")}


async def test_an_endless_greeting_is_cut_at_the_limit_and_gets_no_quit() -> None:
    def endless(peer: Peer) -> None:
        while not select_closed(peer):
            peer.sock.settimeout(2)
            peer.send(b"220-" + b"x" * 2000 + b"\r\n")

    with serving(endless) as server:
        attempt = await visit_one(server, settings(max_greeting_bytes=5000))
    assert attempt.status is None
    assert len(attempt.raw) == 5000
    assert attempt.raw.startswith(b"220-xxx")
    assert server.peers[0].received == b""


async def test_a_closed_port_is_refused(readiness: Callable[[], Readiness]) -> None:
    attempts, counts = await sweep([Target(0, "127.0.0.1", free_port())], readiness=readiness)
    assert [(attempt.status, attempt.error) for attempt in attempts] == [(Status.REFUSED, "ECONNREFUSED")]
    assert counts.retried == 0


async def test_a_reset_without_a_byte_is_tried_again_later_and_the_second_answer_counts() -> None:
    with serving(in_turn(resets, greets(POSTFIX))) as server:
        attempt = await visit_one(server)
    assert (attempt.status, attempt.raw, attempt.tries) == (None, POSTFIX, 2)


async def test_retries_are_bounded() -> None:
    with serving(resets) as server:
        attempts, counts = await sweep([Target(0, "127.0.0.1", server.port)], options=settings(retries=3))
    assert [(attempt.status, attempt.tries) for attempt in attempts] == [(Status.RESET, 4)]
    assert (counts.retried, counts.started, len(server.peers)) == (3, 4, 4)


async def test_no_more_attempts_are_under_way_than_the_concurrency_and_silent_hosts_do_not_count() -> None:
    """With 4 attempts at once, 40 silent hosts are all connected at the same time."""
    all_in = threading.Barrier(40)

    def script(peer: Peer) -> None:
        all_in.wait(5)
        greets(POSTFIX)(peer)

    with serving(script) as server:
        attempts, _ = await sweep(
            loopback_targets(40, server.port), options=settings(concurrency=4), budget=DescriptorBudget(100, 4, None)
        )
    assert {attempt.raw for attempt in attempts} == {POSTFIX}
    assert server.most_at_once == 40


async def test_sockets_stay_within_the_descriptor_budget() -> None:
    with serving(greets(POSTFIX)) as server:
        attempts, _ = await sweep(loopback_targets(60, server.port), budget=DescriptorBudget(8, 8, None))
        server.join()
    assert len(by_ip(attempts)) == 60
    assert {attempt.raw for attempt in attempts} == {POSTFIX}


async def test_those_waiting_for_the_reply_to_quit_give_way_to_new_connections() -> None:
    def never_answers(peer: Peer) -> None:
        peer.send(POSTFIX)
        peer.read_end()

    with serving(never_answers) as server:
        attempts, _ = await sweep(
            loopback_targets(30, server.port),
            options=settings(quit_timeout_s=5),
            budget=DescriptorBudget(3, 3, None),
        )
    assert len(by_ip(attempts)) == 30


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS])
async def test_local_trouble_is_never_the_result_of_a_target(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([code] * 5)

    def sometimes(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        failing = next(failures, 0)
        if failing:
            raise OSError(failing, "local")
        return start_connection(ip, port, source)

    monkeypatch.setattr("scanner.engine.connection_table.start_connection", sometimes)
    monkeypatch.setattr("scanner.engine.pool.BACK_OFF_S", (0.001, 0.002))
    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(20, server.port))
    assert {attempt.status for attempt in attempts} == {None}
    assert len(by_ip(attempts)) == 20
    assert counts.local_errors == 5


async def test_lasting_local_trouble_ends_the_sweep_with_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(ip: str, port: int, source: str | None) -> tuple[socket.SocketType, int]:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("scanner.engine.connection_table.start_connection", never)
    monkeypatch.setattr("scanner.engine.pool.BACK_OFF_S", (0.001, 0.002))
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
        monkeypatch.setattr("scanner.engine.no_way.BACK_OFF_S", (0.001, 0.002))
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
        while len(delivered) < 13:
            await asyncio.sleep(0)
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
    monkeypatch.setattr("scanner.engine.no_way.BACK_OFF_S", (0.05, 0.1))
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
        while pool.statistics().no_way < 4 and not running.done():
            await asyncio.sleep(0)
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


async def test_who_waits_for_a_slow_turn_is_visited_when_the_network_gets_its_pace_back() -> None:
    """Slowed to one visit in ten seconds, the last of four would come after half a minute."""
    gate = Gate(NoAddresses(), rate=0, subnet_rate=1, refusal_limit=3)
    delivered: list[Attempt] = []
    for host in range(3):
        gate.refused(f"127.1.0.{host}", 0.0)
    with serving(greets(POSTFIX)) as server:
        targets = loopback_targets(2, server.port)
        pool = Pool(FAST, ListSource(targets), gate, delivered.extend, budget=DescriptorBudget(9, 9, None))
        running = asyncio.create_task(pool.run())
        while pool.statistics().deferred < 1:
            await asyncio.sleep(0)
        while gate.slowed:
            gate.greeted("127.1.0.9", pool.now)
        pool.wake()
        await running  # else the limit of every test ends it
    assert len(by_ip(delivered)) == 2


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
        while len(delivered) < 1:
            await asyncio.sleep(0)
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


async def test_an_excluded_address_that_slipped_into_the_source_is_not_visited() -> None:
    class Never(NoAddresses):
        def __contains__(self, ip: object) -> bool:
            return ip == "127.1.0.3"

        def __bool__(self) -> bool:
            return True

    with serving(greets(POSTFIX)) as server:
        attempts, counts = await sweep(loopback_targets(6, server.port), gate=Gate(Never(), rate=0, subnet_rate=0))
        server.join()
    found = by_ip(attempts)
    assert found["127.1.0.3"].status is Status.EXCLUDED
    assert (counts.started, len(server.peers)) == (5, 5)


async def test_a_full_network_is_put_off_without_holding_up_the_others() -> None:
    """Eight targets of one /24 at ten a second take at least 0.7 s; one of another network does not wait for them."""
    options = settings(subnet_rate=10)
    with serving(greets(POSTFIX)) as server:
        targets = [*loopback_targets(8, server.port), Target(8, "127.9.9.9", server.port)]
        attempts, counts = await sweep(targets, options=options)
    order = sorted(attempts, key=lambda attempt: attempt.started_at)
    assert [attempt.target.ip for attempt in order[:2]] == ["127.1.0.0", "127.9.9.9"]
    assert order[-1].started_at - order[0].started_at >= 0.69
    assert counts.deferred == 0


async def test_stop_lets_those_under_way_finish_and_leaves_the_others_unvisited() -> None:
    all_in = threading.Barrier(5)
    source = ListSource([])
    attempts: list[Attempt] = []

    def script(peer: Peer) -> None:
        all_in.wait(5)
        greets(POSTFIX)(peer)

    with serving(script) as server:
        source = ListSource(loopback_targets(200, server.port))
        pool = Pool(
            settings(concurrency=4),
            source,
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            attempts.extend,
            budget=DescriptorBudget(4, 4, None),
        )
        running = asyncio.create_task(pool.run())
        while pool.statistics().waiting < 4:
            await asyncio.sleep(0)
        pool.stop()
        await asyncio.to_thread(all_in.wait, 5)
        await running
    assert len(attempts) == 4
    assert {attempt.raw for attempt in attempts} == {POSTFIX}
    assert len(server.peers) == 4


async def test_abort_reports_nothing_of_those_under_way() -> None:
    attempts: list[Attempt] = []
    with serving(silent) as server:
        pool = Pool(
            FAST,
            ListSource(loopback_targets(20, server.port)),
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            attempts.extend,
            budget=DescriptorBudget(100, 100, None),
        )
        running = asyncio.create_task(pool.run())
        while pool.statistics().waiting < 20:
            await asyncio.sleep(0)
        pool.abort()
        await running
    assert attempts == []
    assert pool.statistics().sockets == 0


async def test_nothing_is_admitted_while_the_sinks_have_no_room() -> None:
    room = 0
    attempts: list[Attempt] = []
    with serving(greets(POSTFIX)) as server:
        source = ListSource(loopback_targets(10, server.port))
        pool = Pool(
            FAST,
            source,
            Gate(NoAddresses(), rate=0, subnet_rate=0),
            attempts.extend,
            budget=DescriptorBudget(100, 100, None),
            room=lambda: room,
        )
        running = asyncio.create_task(pool.run())
        for _ in range(50):
            await asyncio.sleep(0)
        assert (source.taken, pool.statistics().started) == (0, 0)
        room = 5
        pool.wake()
        await running
    assert len(attempts) == 10


async def test_a_surprise_in_our_own_code_is_that_hosts_status_and_the_sweep_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def surprising(data: bytes) -> bool:
        if b"bomb" in data:
            raise ZeroDivisionError
        return is_whole_greeting(data)

    monkeypatch.setattr("scanner.engine.connection_table.is_whole_greeting", surprising)
    with serving(in_turn(greets(POSTFIX), greets(b"220 bomb\r\n"), greets(POSTFIX))) as server:
        attempts, _ = await sweep(loopback_targets(3, server.port))
    assert sorted(str(attempt.status) for attempt in attempts) == ["None", "None", "bug"]
    assert "ZeroDivisionError" in caplog.text


async def test_a_source_address_is_used(readiness: Callable[[], Readiness]) -> None:
    seen: list[str] = []

    def script(peer: Peer) -> None:
        seen.append(peer.sock.getpeername()[0])
        greets(POSTFIX)(peer)

    with serving(script) as server:
        await sweep(loopback_targets(3, server.port), options=settings(source_address="127.3.2.1"), readiness=readiness)
        server.join()
    assert seen == ["127.3.2.1"] * 3


async def test_ipv6_targets_are_visited_like_any_other() -> None:
    greeting = b"220 six.example.org ESMTP\r\n"
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(greeting)
            sock.recv(100)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        attempts, _ = await sweep([Target(0, "::1", listener.getsockname()[1])])
        thread.join()
    assert [(attempt.status, attempt.raw) for attempt in attempts] == [(None, greeting)]
