"""Claims about `scanner.delivery.delivery`."""

import asyncio
from collections.abc import Sequence

import pytest

from scanner.delivery import Delivery, Position
from scanner.errors import SinkError


class MemorySink:
    """Keeps batches; `gate` holds a write back until it is set, `error` makes writes fail."""

    def __init__(self, name: str = "memory", *, error: Exception | None = None, held: bool = False) -> None:
        self.name = name
        self.batches: list[list[bytes]] = []
        self.begun = 0
        self.error = error
        self.gate = asyncio.Event()
        self.writing = asyncio.Event()
        if not held:
            self.gate.set()

    async def open(self, resume: Position | None) -> None:
        """Nothing to open."""

    async def write(self, lines: Sequence[bytes]) -> None:
        self.begun += not lines
        if not lines:
            return
        self.writing.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(lines))

    def position(self) -> Position | None:
        return {"lines": len(self.lines)}

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for line in batch]


class Owner:
    """What the rest of a sweep would do: note what is delivered, and when there is room again."""

    def __init__(self) -> None:
        self.delivered: list[int] = []
        self.batches: list[Sequence[int]] = []
        self.room_again = 0
        self.some = asyncio.Event()

    def on_delivered(self, positions: Sequence[int]) -> None:
        self.batches.append(positions)
        self.delivered.extend(positions)
        self.some.set()

    def on_room(self) -> None:
        self.room_again += 1


def line(number: int) -> bytes:
    return b'{"n":%d}\n' % number


def delivery_to(*sinks: MemorySink, owner: Owner, max_pending: int = 100, max_bytes: int = 1 << 20) -> Delivery:
    return Delivery(
        sinks,
        owner.on_delivered,
        on_room=owner.on_room,
        max_pending=max_pending,
        max_pending_bytes=max_bytes,
        linger_s=0,
    )


async def test_the_first_write_has_no_lines_and_happens_without_any_result() -> None:
    sink = MemorySink()
    delivery = delivery_to(sink, owner=Owner())
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        await delivery.close()

    assert (sink.begun, sink.batches) == (1, [])


async def test_results_are_written_to_every_sink_and_acknowledged_in_the_order_of_put() -> None:
    owner, first, second = Owner(), MemorySink(), MemorySink()
    delivery = delivery_to(first, second, owner=owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        for number in (5, 3, 9):
            delivery.put(number, line(number))
        await delivery.close()

    assert first.batches == second.batches == [[line(5), line(3), line(9)]]
    assert owner.batches == [[5, 3, 9]]


async def test_a_result_without_a_record_is_acknowledged_in_turn_and_costs_the_sinks_nothing() -> None:
    owner, sink = Owner(), MemorySink(held=True)
    delivery = delivery_to(sink, owner=owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(1, None)
        await owner.some.wait()
        delivery.put(2, line(2))
        await sink.writing.wait()
        delivery.put(3, None)
        sink.gate.set()
        await delivery.close()

    assert owner.batches == [[1], [2], [3]]
    assert sink.batches == [[line(2)]]


async def test_nothing_is_acknowledged_before_the_slowest_sink_has_it() -> None:
    owner, fast, slow = Owner(), MemorySink(), MemorySink(held=True)
    delivery = delivery_to(fast, slow, owner=owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(1, line(1))
        await slow.writing.wait()

        assert owner.delivered == []
        assert delivery.statistics().pending == 1

        slow.gate.set()
        await delivery.close()

    assert owner.delivered == [1]


async def test_what_comes_while_a_batch_is_written_makes_the_next_batch() -> None:
    owner, sink = Owner(), MemorySink(held=True)
    delivery = delivery_to(sink, owner=owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(0, line(0))
        await sink.writing.wait()
        for number in range(1, 50):
            delivery.put(number, line(number))
        sink.gate.set()
        await delivery.close()

    assert [len(batch) for batch in sink.batches] == [1, 49]


async def test_a_small_batch_lingers_only_until_a_large_one_is_there() -> None:
    """With a linger of an hour, a thousand results are delivered all the same, and so is the rest at the end."""
    owner, sink = Owner(), MemorySink()
    delivery = Delivery([sink], owner.on_delivered, linger_s=3600)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        for number in range(999):
            delivery.put(number, line(number))
        await asyncio.sleep(0)

        assert sink.batches == []

        delivery.put(999, line(999))
        await owner.some.wait()
        delivery.put(1000, line(1000))
        await delivery.close()

    assert [len(batch) for batch in sink.batches] == [1000, 1]


async def test_a_quiet_sweep_still_streams() -> None:
    owner, sink = Owner(), MemorySink()
    delivery = Delivery([sink], owner.on_delivered, linger_s=0.001)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(7, line(7))
        await owner.some.wait()

        assert sink.lines == [line(7)]

        await delivery.close()


async def test_room_goes_down_to_nothing_while_a_sink_lags_and_its_return_is_told_once() -> None:
    owner, sink = Owner(), MemorySink(held=True)
    delivery = delivery_to(sink, owner=owner, max_pending=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        rooms = [delivery.room]
        for number in range(4):
            delivery.put(number, line(number))
            rooms.append(delivery.room)
        await sink.writing.wait()

        assert rooms == [3, 2, 1, 0, 0]
        assert owner.room_again == 0

        sink.gate.set()
        await delivery.close()

    assert owner.room_again == 1
    assert delivery.room == 3


async def test_large_records_fill_the_room_before_many_do() -> None:
    owner, sink = Owner(), MemorySink()
    delivery = delivery_to(sink, owner=owner, max_bytes=10)
    delivery.put(0, b"123456789")
    before = delivery.room
    delivery.put(1, b"0")

    assert (before, delivery.room) == (99, 0)

    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        await delivery.close()

    assert delivery.room == 100
    assert owner.room_again == 1


async def test_room_that_never_went_away_is_not_announced() -> None:
    owner, sink = Owner(), MemorySink()
    delivery = delivery_to(sink, owner=owner, max_pending=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(0, line(0))
        await delivery.close()

    assert owner.room_again == 0


async def test_one_sink_that_fails_does_not_keep_the_batch_from_the_other() -> None:
    """The other one is slower, so it would be cancelled if failing meant cancelling."""
    owner, good, bad = Owner(), MemorySink("good", held=True), MemorySink("bad", error=SinkError("bad: disk full"))
    delivery = delivery_to(bad, good, owner=owner)
    delivery.put(1, line(1))
    delivery.put(2, None)
    run = asyncio.ensure_future(delivery.run())
    await good.writing.wait()
    good.gate.set()
    with pytest.raises(SinkError, match=r"^bad: disk full$"):
        await run

    assert good.lines == [line(1)]
    assert owner.delivered == []
    assert delivery.statistics().undelivered == 2
    assert delivery.room == 0


async def test_every_sink_that_failed_is_named() -> None:
    sinks = [MemorySink(name, error=SinkError(f"{name}: no")) for name in ("a", "b")]
    delivery = delivery_to(*sinks, owner=Owner())
    delivery.put(1, line(1))

    with pytest.raises(SinkError, match=r"^a: no; b: no$"):
        await delivery.run()


async def test_a_bug_in_a_sink_of_a_third_party_ends_the_sweep_like_any_failure() -> None:
    bug = ZeroDivisionError("\x1b[2J")
    good = MemorySink("good")
    delivery = delivery_to(MemorySink("theirs", error=bug), good, owner=Owner())
    delivery.put(1, line(1))

    with pytest.raises(SinkError, match=r"^theirs: failed with ZeroDivisionError, a bug in this sink$") as caught:
        await delivery.run()

    assert good.lines == [line(1)]
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is bug


async def test_results_that_come_after_a_failure_count_as_undelivered() -> None:
    delivery = delivery_to(MemorySink(error=SinkError("no")), owner=Owner())
    delivery.put(1, line(1))
    with pytest.raises(SinkError):
        await delivery.run()

    delivery.put(2, line(2))
    await delivery.close()

    assert delivery.statistics().undelivered == 2


async def test_what_on_delivered_raises_reaches_the_owner() -> None:
    """A checkpoint that cannot be written must end the sweep; even a TimeoutError is not mistaken for an abort."""

    def full(positions: Sequence[int]) -> None:
        raise TimeoutError(len(positions))

    delivery = Delivery([MemorySink()], full, linger_s=0)
    delivery.put(1, line(1))

    with pytest.raises(TimeoutError):
        await delivery.run()


async def test_closing_delivers_everything_that_was_put_before() -> None:
    owner, sink = Owner(), MemorySink()
    delivery = Delivery([sink], owner.on_delivered, linger_s=3600)
    for number in range(10):
        delivery.put(number, line(number))
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        await delivery.close()

    assert owner.delivered == list(range(10))
    assert len(sink.lines) == 10


async def test_an_aborted_delivery_leaves_a_stalled_sink_alone_and_counts_what_is_left() -> None:
    owner, sink = Owner(), MemorySink(held=True)
    delivery = delivery_to(sink, owner=owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        delivery.put(1, line(1))
        await sink.writing.wait()
        delivery.put(2, line(2))
        delivery.abort()

    assert owner.delivered == []
    assert delivery.statistics().undelivered == 2
    assert delivery.room == 0


async def test_a_delivery_aborted_before_it_ran_or_while_it_lingers_writes_nothing() -> None:
    owner, sink = Owner(), MemorySink()
    for before in (True, False):
        delivery = Delivery([sink], owner.on_delivered, linger_s=3600)
        delivery.put(1, line(1))
        if before:
            delivery.abort()
        async with asyncio.TaskGroup() as group:
            group.create_task(delivery.run())
            await asyncio.sleep(0)
            delivery.abort()

        assert delivery.statistics().undelivered == 1

    assert sink.batches == []


async def test_being_cancelled_is_not_an_end_of_its_own_making() -> None:
    sink = MemorySink(held=True)
    delivery = delivery_to(sink, owner=Owner())
    delivery.put(1, line(1))
    run = asyncio.ensure_future(delivery.run())
    await sink.writing.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert delivery.statistics().undelivered == 1


async def test_the_statistics_add_up() -> None:
    owner, sink = Owner(), MemorySink()
    delivery = delivery_to(sink, owner=owner)
    delivery.put(1, line(1))
    delivery.put(2, None)
    before = delivery.statistics()
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        await delivery.close()
    after = delivery.statistics()

    assert (before.pending, before.pending_bytes, before.records, before.undelivered) == (2, len(line(1)), 0, 0)
    assert (after.pending, after.pending_bytes, after.undelivered) == (0, 0, 0)
    assert (after.records, after.bytes, after.batches) == (1, len(line(1)), 1)
