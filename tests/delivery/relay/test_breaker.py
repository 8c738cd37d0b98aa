"""Claims about `delivery.relay.breaker`: how many attempts there are after a failure, and what a failure costs."""

import asyncio

from scanner.delivery.relay.breaker import Breaker, BreakerState


async def test_attempts_that_fail_together_are_one_failure() -> None:
    bounds: list[float] = []

    def draw(_low: float, high: float) -> float:
        bounds.append(high)
        return 0.0

    breaker = Breaker(draw)
    await asyncio.gather(*(breaker.failed() for _ in range(16)))
    assert bounds == [0.5] * 16

    async with breaker.attempt():
        await breaker.failed()
    assert bounds[-1] == 1.0  # the one that was tried after them is another


async def test_one_attempt_at_a_time_until_one_succeeds_then_all_that_waited_at_once() -> None:
    breaker = Breaker(lambda _low, _high: 0.0)
    await breaker.failed()
    trial_may_end, others_may_end = asyncio.Event(), asyncio.Event()
    under_way: set[int] = set()
    counts: list[int] = []

    async def attempt(number: int) -> None:
        async with breaker.attempt():
            under_way.add(number)
            counts.append(len(under_way))
            await (trial_may_end if len(counts) == 1 else others_may_end).wait()
            under_way.discard(number)
            breaker.succeeded()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(attempt(number))
        for _ in range(5):
            await asyncio.sleep(0)
        assert counts == [1]
        assert breaker.state.value == "half_open"
        trial_may_end.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert counts == [1, 1, 2, 3]  # the first is through; the others are under way together
        others_may_end.set()


async def test_a_trial_that_fails_leaves_the_turn_to_one_other() -> None:
    breaker = Breaker(lambda _low, _high: 0.0)
    await breaker.failed()
    async with breaker.attempt():
        await breaker.failed()
    assert breaker.state is BreakerState.OPEN
    async with breaker.attempt():
        assert breaker.state.value == "half_open"
