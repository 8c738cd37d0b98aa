"""What the pool starts and when, against real sockets: its two budgets, the gate, the sinks' room, and a stop."""

import asyncio
import threading

from scanner.engine import DescriptorBudget, Gate, Pool
from scanner.model import Attempt, Status, Target
from tests.support.greetings import POSTFIX
from tests.support.pools import FAST, NoAddresses, settings, sweep
from tests.support.servers import ListSource, Peer, by_ip, greets, loopback_targets, serving, silent
from tests.support.waiting import eventually


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
        await eventually(lambda: pool.statistics().deferred >= 1)
        while gate.slowed:
            gate.greeted("127.1.0.9", pool.now)
        pool.wake()
        await running  # else the limit of every test ends it
    assert len(by_ip(delivered)) == 2


async def test_an_excluded_address_that_slipped_into_the_source_is_not_visited() -> None:
    class Never(NoAddresses):
        def __contains__(self, ip: object) -> bool:
            return ip == "127.1.0.3"

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
        await eventually(lambda: pool.statistics().waiting >= 4)
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
        await eventually(lambda: pool.statistics().waiting >= 20)
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
