"""Claims about `delivery.relay.relay`: the cursor never passes what might be lost, and nothing is sent without need."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import BatchLimits, BatchRefusedError, Receipt, TryLaterError
from scanner.delivery.relay import OverflowPolicy, Relay, RelayState, dead_letters
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter, read_cursor
from scanner.errors import SinkError, StateError
from scanner.formats import Event, make_format
from tests.support.receivers_fake import FakeReceiver
from tests.support.relays import delivered, numbers, relay
from tests.support.spooled_records import log_of, record
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


async def test_everything_is_delivered_in_order_and_the_cursor_says_so(folder: RunFolder) -> None:
    await log_of(folder, 95)
    receiver = FakeReceiver()
    one = relay(folder, receiver)

    await delivered(one, 95)

    assert numbers(receiver.taken) == list(range(1, 96))
    assert [event.sequence for event in receiver.taken] == list(range(1, 96))
    assert max(map(len, receiver.batches)) == 10
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (95, 95, 0, 0, 0)
    assert receiver.opened_for == ["run-1"]
    assert receiver.closed == 1
    assert one.statistics().state is RelayState.ENDED


async def test_a_second_run_sends_nothing_again(folder: RunFolder) -> None:
    await log_of(folder, 20)
    await delivered(relay(folder, FakeReceiver()), 20)
    again = FakeReceiver()

    await delivered(relay(folder, again), 20)

    assert again.batches == []


async def test_what_is_not_on_the_disk_yet_is_not_sent(folder: RunFolder) -> None:
    await log_of(folder, 20)
    receiver = FakeReceiver()

    await delivered(relay(folder, receiver), 13)

    assert numbers(receiver.taken) == list(range(1, 14))


async def test_the_cursor_waits_for_the_oldest_batch(folder: RunFolder) -> None:
    await log_of(folder, 30)

    class FirstHangs(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if batch[0].sequence == 1:
                await asyncio.Event().wait()
            return await super().send(batch)

    receiver = FirstHangs(limits=BatchLimits(max_events=10, linger_s=0, in_flight=3))
    one = relay(folder, receiver)
    one.durable(30)
    running = asyncio.create_task(one.run())
    await eventually(lambda: len(receiver.taken) >= 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert one.statistics().sequence == 0
    again = FakeReceiver()
    await delivered(relay(folder, again), 30)
    assert numbers(again.taken) == list(range(1, 31))  # repeated rather than lost


async def test_repeats_are_counted_once_however_many_batches_are_under_way(folder: RunFolder) -> None:
    await log_of(folder, 30)
    receiver = FakeReceiver(
        *[lambda batch: Receipt(duplicates=1)] * 3, limits=BatchLimits(max_events=10, linger_s=0, in_flight=3)
    )
    receiver.let_go.clear()
    one = relay(folder, receiver)
    one.durable(30)
    one.finish()
    running = asyncio.create_task(one.run())
    await eventually(lambda: len(receiver.batches) >= 3)
    receiver.let_go.set()
    await running

    assert one.statistics().duplicates == 3


async def test_refused_events_are_kept_with_reason_and_record(folder: RunFolder) -> None:
    await log_of(folder, 12)

    class Picky(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if 7 in numbers(batch):
                raise BatchRefusedError("HTTP 400 bad \\x1b date")
            return await super().send(batch)

    receiver = Picky()
    one = relay(folder, receiver)
    await delivered(one, 12)

    (letter,) = dead_letters.read(folder.sinks / "fake.dead.jsonl")
    assert (letter.sequence, letter.event_id, letter.reason) == (7, f"{7:032x}", "HTTP 400 bad \\x1b date")
    assert letter.line == record(7).rstrip(b"\n")  # byte for byte
    assert sorted(numbers(receiver.taken)) == [number for number in range(1, 13) if number != 7]
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (12, 11, 0, 1, 0)


async def test_dead_letters_that_cannot_be_kept_stop_the_relay_before_its_cursor(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_of(folder, 3)

    def full(file: Path, letters: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dead_letters, "keep", full)
    one = relay(folder, FakeReceiver(BatchRefusedError("no"), BatchRefusedError("no")))

    with pytest.raises(SinkError, match="No space left on device"):
        await delivered(one, 3)
    assert one.statistics().sequence == 0


async def test_best_effort_skips_what_is_too_far_behind_and_says_what(folder: RunFolder) -> None:
    await log_of(folder, 100)
    receiver = FakeReceiver()
    one = relay(folder, receiver, policy=OverflowPolicy.BEST_EFFORT, max_lag=30)

    await delivered(one, 100)

    assert numbers(receiver.taken) == list(range(71, 101))
    gap = orjson.loads((folder.sinks / "fake.gaps.jsonl").read_bytes())
    assert (gap["first"], gap["last"], gap["records"]) == (1, 70, 70)
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (100, 30, 0, 0, 70)


async def test_a_stuck_best_effort_receiver_does_not_keep_the_log(folder: RunFolder) -> None:
    await log_of(folder, 100)
    receiver = FakeReceiver()
    receiver.let_go.clear()
    one = relay(folder, receiver, policy=OverflowPolicy.BEST_EFFORT, max_lag=30)
    one.durable(40)
    running = asyncio.create_task(one.run())
    await eventually(lambda: receiver.batches)
    one.durable(100)
    await eventually(lambda: one.needs_after >= 70)

    assert one.statistics().sequence < 70  # the batch that hangs may still be lost: the cursor stays before it
    receiver.let_go.set()
    one.finish()
    await running
    statistics = one.statistics()
    assert statistics.sequence == 100
    assert statistics.delivered + statistics.skipped == 100


async def test_spooled_receivers_need_what_they_have_not_acknowledged(folder: RunFolder) -> None:
    await log_of(folder, 50)
    receiver = FakeReceiver()
    receiver.let_go.clear()
    one = relay(folder, receiver)
    one.durable(50)
    running = asyncio.create_task(one.run())
    await eventually(lambda: receiver.batches)

    assert one.needs_after == 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_whole_segments_come_as_one_batch_each_and_never_grow(folder: RunFolder) -> None:
    await log_of(folder, 10, segment_bytes=500)  # 170 bytes a record: segments of three
    limits = BatchLimits(max_events=2, max_bytes=10, linger_s=0, whole_segments=True)
    receiver = FakeReceiver(limits=limits)

    await delivered(relay(folder, receiver), 10)

    assert [batch[0].sequence for batch in receiver.batches] == folder.segments()
    assert numbers(receiver.taken) == list(range(1, 11))
    await log_of(folder, 1, first=11, segment_bytes=10_000)  # the run is resumed
    again = FakeReceiver(limits=limits)
    one = relay(folder, again)
    await delivered(one, 11)
    assert [numbers(batch) for batch in again.batches] == [[11]]
    assert one.statistics().delivered == 11


async def test_a_segment_that_has_nothing_to_deliver_is_passed_over(folder: RunFolder) -> None:
    """As when a resumed sweep had nothing left to visit: its start and its end are all that it logs."""
    await log_of(folder, 3)
    log = SpoolWriter(folder, Quota())
    await log.open(None, "run-1")
    await log.write([b'{"schema":"smtpsweep.run/1","run":"r","activity":"resumed"}\n'])
    await log.close()
    receiver = FakeReceiver(limits=BatchLimits(whole_segments=True, linger_s=0))
    one = relay(folder, receiver)
    await delivered(one, 4)

    assert [numbers(batch) for batch in receiver.batches] == [[1, 2, 3]]
    statistics = one.statistics()
    assert (statistics.sequence, statistics.delivered, statistics.retries) == (4, 3, {})


async def test_a_segment_that_may_still_grow_is_not_sent(folder: RunFolder) -> None:
    await log_of(folder, 2)
    receiver = FakeReceiver(limits=BatchLimits(whole_segments=True, linger_s=0))
    one = relay(folder, receiver)
    one.durable(2)
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.statistics().state is RelayState.WAITING)

    assert receiver.batches == []
    one.finish()
    await running
    assert numbers(receiver.taken) == [1, 2]


async def test_the_cursor_of_another_run_is_refused(folder: RunFolder) -> None:
    await log_of(folder, 2)
    await delivered(relay(folder, FakeReceiver()), 2)

    with pytest.raises(StateError, match="belongs to another run"):
        Relay("fake", FakeReceiver(), make_format("native"), folder, "run-2")


async def test_trouble_shows_in_the_statistics_and_goes_away(folder: RunFolder) -> None:
    await log_of(folder, 1)
    seen: list[tuple[RelayState, str | None]] = []

    class Looks(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            seen.append((one.statistics().state, one.statistics().trouble))
            return await super().send(batch)

    receiver = Looks(TryLaterError("HTTP 503"))
    one = relay(folder, receiver)
    await delivered(one, 1)

    assert seen == [(RelayState.DELIVERING, None), (RelayState.RETRYING, "HTTP 503")]
    assert one.statistics().trouble is None
    assert one.statistics().retries == {"try_later": 1}


async def test_a_line_about_the_run_is_no_record(folder: RunFolder) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None, "run-1")
    await log.write([b'{"schema":"smtpsweep.run/1","activity":"started"}\n', record(1)])
    await log.close()
    receiver = FakeReceiver()
    one = relay(folder, receiver)

    await delivered(one, 2)

    assert numbers(receiver.taken) == [1]
    assert one.statistics().delivered == 1
    assert one.statistics().sequence == 2


def test_dead_letters_survive_a_torn_end(tmp_path: Path) -> None:
    file = tmp_path / "dead.jsonl"
    letters = [dead_letters.DeadLetter(number, f"id{number}", "why", b'{"a":1}') for number in (1, 2)]
    dead_letters.keep(file, letters)
    with file.open("ab") as out:
        out.write(b'{"torn')

    assert list(dead_letters.read(file)) == letters
    assert list(dead_letters.read(tmp_path / "none")) == []


async def test_what_a_receiver_may_not_have_read_is_taken_back(folder: RunFolder) -> None:
    """Syslog and GELF have no acknowledgement: whether the last records were read shows when the connection ends."""
    await log_of(folder, 30)

    class Unread(FakeReceiver):
        unconfirmed_from = 21

    one = relay(folder, Unread())
    await delivered(one, 30)

    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (20, 20, 0, 0, 0)
    statistics = one.statistics()
    assert statistics.last - statistics.sequence == 10
    assert statistics.trouble == "it ended without a sign that it has read them"
    again = FakeReceiver()
    await delivered(relay(folder, again), 30)
    assert numbers(again.taken) == list(range(21, 31))
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (30, 30, 0, 0, 0)
