"""Limits that count only the time in which this process could run; the clock and the loop's timers are a test's own."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import timeouts as module
from scanner.engine.pacing import Gate
from scanner.settings import Settings
from scanner.sweeps.notices import lateness_notices
from scanner.targets import Ranges
from scanner.timeouts import LATE_S, MAX_REPEATS, STEP_S, Limit, PatientClock, patience


class Loop:
    """A loop of which a test moves the timers and the clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.expired_at: float | None = None

    def clock(self) -> float:
        return self.now

    time = clock

    def call_later(self, delay_s: float, call: Callable[[], None]) -> "Loop":
        self.timers.append((self.now + delay_s, call))
        return self

    def reschedule(self, when: float) -> None:
        """What a limit does at its end."""
        self.expired_at = when

    def run_timer(self, late_s: float = 0.0) -> float:
        """Run the timer that is set, so many seconds too late; return how long that took in all."""
        before = self.now
        ((due, call),) = self.timers
        self.timers.clear()
        self.now = due + late_s
        call()
        return self.now - before


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    fake = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    return fake


def limit(loop: Loop, limit_s: float) -> Limit:
    return Limit(cast("asyncio.Timeout", loop), limit_s, loop.clock)


def run_out(loop: Loop, *late_s: float) -> float:
    """Run timers, as late as given and then in time, until the limit is over; return the seconds that took."""
    begun, late = loop.now, list(late_s)
    while loop.expired_at is None:
        loop.run_timer(late.pop(0) if late else 0.0)
    assert loop.expired_at == loop.now
    assert loop.timers == []
    return loop.now - begun


@pytest.mark.parametrize("limit_s", [0.0, 0.2, 1.0, 3.7, 60.0])
def test_a_process_that_runs_all_the_time_has_the_limit_that_was_set(loop: Loop, limit_s: float) -> None:
    limit(loop, limit_s)

    assert run_out(loop) == pytest.approx(limit_s)


@pytest.mark.parametrize("limit_s", [3.7, 5.0])
def test_a_suspension_in_the_middle_moves_the_end_by_as_much(loop: Loop, limit_s: float) -> None:
    limit(loop, limit_s)

    assert run_out(loop, 0.0, 65.0) == pytest.approx(limit_s + 65.0)


def test_a_suspension_over_the_end_leaves_time_to_look_at_the_sockets(loop: Loop) -> None:
    limit(loop, 0.5)
    loop.run_timer(65.0)
    assert loop.expired_at is None

    assert loop.run_timer() == pytest.approx(0.5)
    assert loop.expired_at == loop.now


def test_a_little_lateness_is_no_suspension(loop: Loop) -> None:
    limit(loop, 3.0)

    assert run_out(loop, *[LATE_S / 2] * 9) == pytest.approx(3.0 + 3 * LATE_S / 2)


def test_a_machine_that_is_always_late_comes_to_an_end_too(loop: Loop) -> None:
    limit(loop, 0.5)

    assert run_out(loop, *[5.0] * 99) == pytest.approx(5.5 * (MAX_REPEATS + 1))


def test_what_is_left_does_not_shrink_while_the_process_sleeps(loop: Loop) -> None:
    tested = limit(loop, 3.0)
    loop.now += 0.4
    assert tested.left_s == pytest.approx(2.6)
    loop.now += 65.0
    assert tested.left_s == pytest.approx(3.0 - STEP_S)
    loop.now += 65.0
    assert tested.left_s == pytest.approx(3.0 - STEP_S)


def test_at_the_end_nothing_is_left(loop: Loop) -> None:
    tested = limit(loop, 0.2)
    run_out(loop)
    loop.now += 9

    assert tested.left_s == 0.0


#: Where a wait is bounded by the clock of the loop, and why nobody is judged by it.
_HARMLESS = {
    "scanner/timeouts.py": "the steps of a limit; a late one is seen",
    "scanner/engine/pool.py": "the tick, which the clock of the engine goes by",
    "scanner/delivery/delivery.py": "a batch that lingers for company: late is late",
    "scanner/delivery/relay/process.py": "a report sent now and then; at the end, a process that outlives its sweep",
    "scanner/delivery/relay/relay.py": "a look at the cursor now and then",
    "scanner/delivery/relay/replay.py": "a look at progress now and then; steps are counted, not time",
}
_IMPATIENT = re.compile(
    r"asyncio\.(timeout\((?!None\))|timeout_at|wait_for)|call_(later|at)\(|asyncio\.wait\([^\n]*timeout="
)


def test_nothing_else_bounds_a_wait_by_a_clock_that_goes_on_while_the_process_sleeps() -> None:
    found = {str(file) for file in Path("scanner").rglob("*.py") if _IMPATIENT.search(file.read_text())}

    assert found == set(_HARMLESS)


@pytest.mark.parametrize(
    "line",
    ["asyncio.timeout(3)", "asyncio.wait_for(x, 3)", "loop.call_later(3, x)", "asyncio.wait([x], timeout=3)"],
)
def test_the_guard_knows_what_it_looks_for(line: str) -> None:
    assert _IMPATIENT.search(line)


def test_the_guard_lets_pass_what_has_no_clock() -> None:
    assert not _IMPATIENT.search("asyncio.timeout(None)\nasyncio.wait([x])\nclient.connect(timeout=FOREVER_S)")


async def test_a_limit_that_is_renewed_begins_anew_and_one_that_is_over_does_not() -> None:
    async with patience(60) as running:
        first = running._timer
        running._left_s = 1.0
        running.renew()
        assert (first.cancelled(), running._left_s) == (True, 60)
        second = running._timer
    running.renew()

    assert running._timer is second
    assert second.cancelled()


async def test_the_body_is_ended_at_the_limit_and_not_after_it() -> None:
    with pytest.raises(TimeoutError):
        async with patience(0.01):
            await asyncio.Event().wait()
    async with patience(60) as running:
        await asyncio.sleep(0)
    assert 59 < running.left_s <= 60
    assert running._timer.cancelled()


async def test_an_answer_that_came_while_the_process_was_suspended_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer comes 65 seconds late, before the loop has looked at the sockets: the answer is found after it."""
    monkeypatch.setattr(module, "MAX_REPEATS", 1)
    answer = asyncio.get_running_loop().create_future()
    times = iter([0.0, 65.0])

    def clock() -> float:
        now = next(times, 65.0)
        if now and not answer.done():
            asyncio.get_running_loop().call_soon(answer.set_result, "220 hello")
        return now

    async with patience(0.01, clock):
        assert await answer == "220 hello"


class Ticks:
    """A clock that ticks as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = PatientClock(lambda: self.now)

    def tick(self, *gaps_s: float) -> None:
        for gap_s in gaps_s:
            self.now += gap_s
            self.clock.tick()


def test_the_patient_clock_goes_with_the_other_while_ticks_come_in_time() -> None:
    ticks = Ticks()
    ticks.tick(*[0.01] * 500, STEP_S)
    ticks.now += 0.3

    assert ticks.clock() == ticks.now
    assert tuple(ticks.clock.lateness) == pytest.approx((0, 0.0, 1, STEP_S, 6.0))


def test_it_stands_still_while_the_process_is_suspended() -> None:
    ticks = Ticks()
    before = ticks.clock()
    ticks.tick(0.01, 65.0, 0.01, 600.0, 0.01)

    assert ticks.clock() - before == pytest.approx(0.03 + 2 * STEP_S)
    assert tuple(ticks.clock.lateness) == pytest.approx((2, 663.0, 0, 0.0, 665.03))


def test_a_machine_that_is_always_late_still_comes_to_its_deadlines() -> None:
    ticks = Ticks()
    before = ticks.clock()
    ticks.tick(*[3.0] * 100)

    assert ticks.clock() - before == pytest.approx(100 * STEP_S)


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ([0.01] * 1000, []),
        ([0.3] * 10, []),  # a few late ticks are nothing
        ([0.01] * 100 + [2.5], []),  # nor is a disk that was slow once
        (
            [0.01] * 1000 + [65.0],
            ["this process was suspended or held up once, for 64 s in all: time-outs were extended by as much"],
        ),
        (
            [0.01] * 99 + [31.0] * 3,
            ["this process was suspended or held up 3 times, for 90 s in all: time-outs were extended by as much"],
        ),
        (
            [0.01, 0.5] * 100,
            [
                (
                    "this machine is too slow for what it was asked to do: for 50 s of 51 s this process did not run "
                    "in time, and time-outs were extended; lower --concurrency (1,000) or --rate, or give it more of "
                    "a processor"
                )
            ],
        ),
    ],
)
def test_people_hear_of_it_when_there_is_something_to_hear(gaps: list[float], said: list[str]) -> None:
    ticks = Ticks()
    ticks.tick(*gaps)

    assert lateness_notices(ticks.clock.lateness, Settings()) == said


def test_ticks_that_take_seconds_each_are_a_slow_machine_and_no_suspension() -> None:
    ticks = Ticks()
    ticks.tick(*[2.5] * 30)

    (said,) = lateness_notices(ticks.clock.lateness, Settings())
    assert said.startswith("this machine is too slow")


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100))))
def test_it_never_goes_back_wherever_the_process_is_stopped(steps: list[tuple[bool, float]]) -> None:
    """A stop after a tick was seen by the rest of that callback and taken back by the next tick: times below zero."""
    ticks = Ticks()
    last = ticks.clock()
    for is_tick, gap_s in steps:
        ticks.now += gap_s
        if is_tick:
            ticks.clock.tick()
        assert last <= ticks.clock() <= min(ticks.now, last + STEP_S) + 1e-9
        last = ticks.clock()


def test_a_stop_after_a_tick_is_seen_as_a_step_before_and_after_the_next() -> None:
    ticks = Ticks()
    ticks.tick(0.01)
    before = ticks.clock()
    ticks.now += 65.0
    within = ticks.clock()
    ticks.tick(0.0)

    assert (within - before, ticks.clock() - before) == pytest.approx((STEP_S, STEP_S))


def test_a_gate_whose_clock_went_back_owes_nothing() -> None:
    gate = Gate(Ranges.from_pairs(), rate=1000, subnet_rate=0)
    full = gate.allowance(100.0)

    assert gate.allowance(36.0) == full
