"""Claims about `delivery.relay.settling`: every event of a batch is taken once, or refused for good with its reason."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.relay.breaker import Breaker, BreakerState
from scanner.delivery.relay.settling import Settling
from scanner.formats import Event
from tests.support.receivers_fake import FakeReceiver


def event(number: int, size: int = 10) -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", None, 6, b"%d" % number + b"x" * size)


def events(count: int) -> list[Event]:
    return [event(number) for number in range(count)]


class Alarms(list[tuple[str, str]]):
    def __call__(self, kind: str, reason: str) -> None:
        self.append((kind, reason))


def settling(receiver: FakeReceiver, alarms: Alarms | None = None) -> Settling:
    """One that draws pauses of nothing, so that no test waits."""
    return Settling(receiver, Breaker(lambda low, high: 0.0), alarms if alarms is not None else Alarms())


async def test_a_batch_that_is_taken_is_sent_once() -> None:
    receiver = FakeReceiver()

    assert await settling(receiver).settle(events(5)) == []
    assert receiver.batches == [events(5)]


async def test_trouble_that_passes_is_tried_again_and_said_once_over() -> None:
    receiver, alarms = FakeReceiver(TryLaterError("down"), TryLaterError("still down")), Alarms()
    work = settling(receiver, alarms)

    assert await work.settle(events(3)) == []

    assert receiver.taken == events(3)
    assert alarms == [("try_later", "down"), ("try_later", "still down"), ("", "")]
    assert work.retries == {"try_later": 2}


async def test_denied_access_is_never_a_dead_letter() -> None:
    receiver, alarms = FakeReceiver(*[AccessDeniedError("HTTP 401")] * 7), Alarms()
    work = settling(receiver, alarms)

    assert await work.settle(events(2)) == []

    assert receiver.taken == events(2)
    assert work.retries == {"access_denied": 7}
    assert ("access_denied", "HTTP 401") in alarms


async def test_a_bug_in_a_receiver_costs_no_record() -> None:
    receiver = FakeReceiver(ZeroDivisionError("oops"))

    assert await settling(receiver).settle(events(2)) == []
    assert receiver.taken == events(2)


@given(count=st.integers(1, 40), bad=st.sets(st.integers(0, 39), max_size=6))
def test_bisecting_finds_exactly_the_bad_events(count: int, bad: set[int]) -> None:
    poison = {f"id-{number}" for number in bad if number < count}

    class Picky(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if any(one.id in poison for one in batch):
                raise BatchRefusedError("HTTP 400")
            self.taken += batch
            return TAKEN

    receiver = Picky()
    refused = asyncio.run(settling(receiver).settle(events(count)))

    assert [one.event.id for one in refused] == [one.id for one in events(count) if one.id in poison]
    assert {one.reason for one in refused} <= {"HTTP 400"}
    assert receiver.taken == [one for one in events(count) if one.id not in poison]  # in order, each once


async def test_what_is_too_large_is_halved_until_it_fits() -> None:
    class Small(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if len(batch) > 3:
                raise TooLargeError("HTTP 413")
            return await super().send(batch)

    receiver = Small()

    assert await settling(receiver).settle(events(10)) == []
    assert receiver.taken == events(10)
    assert max(map(len, receiver.batches)) <= 3


async def test_an_event_too_large_alone_is_refused_for_good() -> None:
    receiver = FakeReceiver(TooLargeError("HTTP 413"))

    refused = await settling(receiver).settle(events(1))

    assert [(one.event.id, one.reason) for one in refused] == [("id-0", "HTTP 413")]


async def test_a_receipt_splits_a_batch_into_taken_refused_and_to_be_sent_again() -> None:
    receiver = FakeReceiver(lambda batch: Receipt(refused=(RefusedEvent(1, "bad date"),), retry=(2, 4), duplicates=1))
    work = settling(receiver)

    refused = await work.settle(events(5))

    assert [(one.event.id, one.reason) for one in refused] == [("id-1", "bad date")]
    assert receiver.batches[1] == [event(2), event(4)]
    assert [one.id for one in receiver.taken] == ["id-0", "id-3", "id-2", "id-4"]
    assert work.duplicates == 1


async def test_after_a_failure_only_one_attempt_is_under_way() -> None:
    breaker = Breaker(lambda low, high: 0.0)
    under_way, most = 0, []

    class Watched(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            nonlocal under_way
            under_way += 1
            most.append(under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return TAKEN

    await breaker.failed()
    assert breaker.state.value == "open"
    work = Settling(Watched(), breaker, Alarms())
    await asyncio.gather(*(work.settle([event(number)]) for number in range(3)))

    assert most[0] == 1
    assert breaker.state is BreakerState.CLOSED


async def test_pauses_grow_to_a_bound_and_honour_what_the_receiver_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[float] = []
    slept: list[float] = []

    def draw(low: float, high: float) -> float:
        bounds.append(high)
        return high

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("scanner.delivery.relay.breaker.asyncio.sleep", sleep)
    breaker = Breaker(draw)
    for asked in (None, None, None, None, None, None, None, None, 77.0, 1.0, 86_400.0):
        await breaker.failed(asked)

    assert bounds[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert slept[8:] == [77.0, 30.0, 300.0]  # asked for; less than ours; no longer than we let anybody ask


async def test_opening_is_tried_until_it_works() -> None:
    class Slow(FakeReceiver):
        async def open(self, run: str) -> None:
            await super().open(run)
            if len(self.opened_for) < 3:
                raise TryLaterError("not yet")

    receiver = Slow()
    await settling(receiver).open("run-1")

    assert receiver.opened_for == ["run-1"] * 3


@pytest.mark.parametrize(
    ("error", "kind"), [(TryLaterError("nobody is there"), "unreachable"), (AccessDeniedError("who?"), "access_denied")]
)
async def test_opening_goes_on_until_the_receiver_lets_us_in_and_says_why_it_did_not(
    error: Exception, kind: str
) -> None:
    class Shut(FakeReceiver):
        async def open(self, run: str) -> None:
            await super().open(run)
            if len(self.opened_for) < 3:
                raise error

    receiver, alarms = Shut(), Alarms()
    one = settling(receiver, alarms)
    await one.open("run-1")

    assert receiver.opened_for == ["run-1"] * 3
    assert alarms == [(kind, str(error))] * 2 + [("", "")]
    assert one.retries == {kind: 2}
