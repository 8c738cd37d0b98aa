"""Claims about `scanner.engine.pool` at its edges: before it runs, while it stops, with more than it looks at."""

import asyncio
import threading

import pytest

from scanner.engine import DescriptorBudget, Gate, Pool, pool, visits
from scanner.engine.away import MAX_AGAIN, Away
from scanner.model import Attempt, Status, Target
from scanner.targets import Ranges
from tests.support.greetings import POSTFIX
from tests.support.pools import settings
from tests.support.servers import ListSource, Peer, greets, loopback_targets, serving

NOBODY = Ranges.from_pairs()


def pool_of(targets: list[Target], attempts: list[Attempt], *, subnet_rate: float = 0, tries: int = 0) -> Pool:
    options = settings(retries=tries, subnet_rate=subnet_rate)
    gate = Gate(NOBODY, rate=0, subnet_rate=subnet_rate)
    return Pool(options, ListSource(targets), gate, attempts.extend, budget=DescriptorBudget(100, 100, None))


async def test_one_that_does_not_run_yet_shows_its_counts_and_needs_no_waking() -> None:
    one = pool_of([], [])
    one.wake()

    assert repr(one) == "<Pool started=0 connecting=0 waiting=0 leaving=0 deferred=0 retrying=0>"
    await one.run()


async def test_a_loop_that_takes_no_timer_ends_the_run_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no timers here")

    one = pool_of([], [])
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "call_later", refuse)
        with pytest.raises(RuntimeError, match="no timers here"):
            await one.run()


async def test_who_was_visited_while_our_interface_was_down_waits_until_it_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resets_once(peer: Peer) -> None:
        if len(server.peers) == 1:
            peer.reset()
        else:
            greets(POSTFIX)(peer)

    spoils, downs = iter([True]), iter([True, True])
    monkeypatch.setattr(Away, "has_spoiled", lambda _self, _attempt, _now: next(spoils, False))
    monkeypatch.setattr(Away, "is_down", lambda _self, _ip: next(downs, False))
    attempts: list[Attempt] = []
    with serving(resets_once) as server:
        one = pool_of(loopback_targets(1, server.port), attempts)
        await one.run()
        server.join()

    assert [(attempt.target.position, attempt.raw, attempt.tries) for attempt in attempts] == [(0, POSTFIX, 1)]
    assert (len(server.peers), next(downs, "asked")) == (2, "asked")


async def test_who_has_no_more_visits_after_those_that_we_have_spoiled_has_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Away, "has_spoiled", lambda _self, attempt, _now: attempt.target.position == 1)
    attempts: list[Attempt] = []
    with serving(Peer.reset) as server:
        one = pool_of(loopback_targets(3, server.port), attempts)
        await one.run()

    assert sorted(attempt.target.position for attempt in attempts) == [0, 2]
    assert {attempt.status for attempt in attempts} == {Status.RESET}
    assert (one.away.again, one.away.given_up, len(server.peers)) == (MAX_AGAIN, 1, 3 + MAX_AGAIN)


async def test_while_more_is_waiting_than_one_look_brings_everybody_is_visited_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "BATCH", 1)
    attempts: list[Attempt] = []
    with serving(greets(POSTFIX)) as server:
        await pool_of(loopback_targets(30, server.port), attempts).run()
        server.join()

    assert sorted(attempt.target.position for attempt in attempts) == list(range(30))
    assert {attempt.raw for attempt in attempts} == {POSTFIX}


async def test_no_more_than_so_many_are_put_aside_and_the_rest_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_DEFERRED", 2)
    attempts: list[Attempt] = []
    most = 0
    with serving(greets(POSTFIX)) as server:
        one = pool_of(loopback_targets(8, server.port), attempts, subnet_rate=100)
        running = asyncio.create_task(one.run())
        while not running.done():
            most = max(most, one.statistics().deferred)
            await asyncio.sleep(0)
        await running
        server.join()

    assert sorted(attempt.target.position for attempt in attempts) == list(range(8))
    assert most == 2


async def test_who_would_get_another_try_while_it_stops_stays_unvisited() -> None:
    met, over = threading.Event(), threading.Event()

    def resets_later(peer: Peer) -> None:
        met.set()
        over.wait(20)
        peer.reset()

    attempts: list[Attempt] = []
    with serving(resets_later) as server:
        one = pool_of([Target(0, "127.0.0.1", server.port)], attempts, tries=3)
        running = asyncio.create_task(one.run())
        await asyncio.to_thread(met.wait, 20)
        one.stop()
        over.set()
        await running
        server.join()

    assert attempts == []
