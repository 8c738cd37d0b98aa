"""Claims about `scanner.delivery.relay.relay` when its own files fail it, and about what is taken back or left out."""

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import BatchLimits, BatchRefusedError, Receipt
from scanner.delivery.relay import OverflowPolicy, RelayState, dead_letters
from scanner.delivery.relay.batch import Settled, make_batch
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.settling import RefusedForGood
from scanner.delivery.spool import Cursor, Lost, Quota, RunFolder, SpoolRecord, SpoolWriter, read_cursor, write_cursor
from scanner.delivery.spool.index import Known
from scanner.errors import SinkError
from scanner.formats import Event, make_format
from tests.support.receivers_fake import FakeReceiver
from tests.support.relays import delivered, numbers, relay
from tests.support.spooled_records import log_of, record
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_cursor_that_cannot_be_kept_ends_the_relay_as_a_failure_of_this_sink(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried once more at the end; that must not come out as something that nobody expects."""
    await log_of(folder, 3)
    monkeypatch.setattr("scanner.delivery.relay.progress.write_cursor", full)
    receiver = FakeReceiver()

    with pytest.raises(SinkError, match=r"run: fake: No space left on device$"):
        await delivered(relay(folder, receiver), 3)

    assert receiver.closed == 1
    assert read_cursor(folder.sinks / "fake.cursor", "run-1") == Cursor("run-1")


async def test_a_disk_that_fails_when_the_receiver_is_opened_is_a_failure_of_this_sink(folder: RunFolder) -> None:
    class NoSpool(FakeReceiver):
        async def open(self, run: str) -> None:
            full()

    await log_of(folder, 1)
    receiver = NoSpool()
    with pytest.raises(SinkError, match="fake: No space left on device"):
        await delivered(relay(folder, receiver), 1)

    assert receiver.closed == 1


async def test_a_mistake_of_ours_comes_out_as_what_it_is_and_not_as_a_group(folder: RunFolder) -> None:
    def fail() -> None:
        raise KeyError("what nobody thought of")

    await log_of(folder, 1)
    with pytest.raises(KeyError, match="what nobody thought of"):
        await delivered(relay(folder, FakeReceiver(), on_progress=fail), 1)


async def test_what_may_not_have_been_read_is_taken_back_with_its_dead_letters(folder: RunFolder) -> None:
    """Two are refused: the first stays refused, the other comes again with everything after it."""
    await log_of(folder, 30)

    class Unread(FakeReceiver):
        unconfirmed_from = 21

        async def send(self, batch: Sequence[Event]) -> Receipt:
            if {7, 25} & set(numbers(batch)):
                raise BatchRefusedError("no")
            return await super().send(batch)

    await delivered(relay(folder, Unread()), 30)

    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (20, 19, 0, 1, 0)
    assert [letter.sequence for letter in dead_letters.read(folder.sinks / "fake.dead.jsonl")] == [7]
    again = FakeReceiver()
    await delivered(relay(folder, again), 30)
    assert numbers(again.taken) == list(range(21, 31))
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (30, 29, 0, 1, 0)


async def test_a_skipped_note_about_the_run_is_no_gap(folder: RunFolder) -> None:
    """Only records can be missed: a gap of none would make a complete sweep incomplete."""
    log = SpoolWriter(folder, Quota())
    await log.open(None, "run-1")
    await log.note(b'{"schema":"smtpsweep.run/1","activity":"started"}\n')
    await log.write([record(1), record(2)])
    await log.close()
    receiver = FakeReceiver()

    await delivered(relay(folder, receiver, policy=OverflowPolicy.BEST_EFFORT, max_lag=2), 3)

    assert numbers(receiver.taken) == [1, 2]
    assert not (folder.sinks / "fake.gaps.jsonl").exists()
    assert read_cursor(folder.sinks / "fake.cursor", "run-1")[1:] == (3, 2, 0, 0, 0)


async def test_what_is_written_while_a_batch_is_under_way_is_sent_beside_it(folder: RunFolder) -> None:
    await log_of(folder, 4)
    receiver = FakeReceiver(limits=BatchLimits(max_events=2, linger_s=0, in_flight=4))
    receiver.let_go.clear()
    one = relay(folder, receiver)
    one.durable(2)
    running = asyncio.create_task(one.run())
    await eventually(lambda: len(receiver.batches) == 1)
    one.durable(4)
    await eventually(lambda: len(receiver.batches) == 2)

    assert one.statistics().sequence == 0
    receiver.let_go.set()
    one.finish()
    await running
    assert numbers(receiver.taken) == [1, 2, 3, 4]


async def test_a_batch_that_is_not_full_lingers_for_more_but_not_at_the_end(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_of(folder, 12)
    receiver = FakeReceiver(limits=BatchLimits(max_events=10, linger_s=7.5))
    one = relay(folder, receiver)
    lingered: list[float] = []

    async def linger(pause_s: float) -> None:
        lingered.append(pause_s)
        one.durable(12)  # meanwhile the log grows
        one.finish()

    monkeypatch.setattr("scanner.delivery.relay.relay.asyncio.sleep", linger)
    one.durable(3)
    await one.run()

    assert lingered == [7.5]
    assert [numbers(batch) for batch in receiver.batches] == [list(range(1, 11)), [11, 12]]


async def test_the_cursor_is_written_now_and_then_and_at_the_end(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While batches are under way, an acknowledgement alone is not a reason to write to the disk."""
    await log_of(folder, 6)
    kept: list[int] = []

    def keep(file: Path, cursor: Cursor) -> None:
        kept.append(cursor.sequence)
        write_cursor(file, cursor)

    class LastHangs(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if batch[0].sequence == 5:
                await self.let_go.wait()
                return await super().send(batch)
            self.taken += batch
            return Receipt()

    monkeypatch.setattr("scanner.delivery.relay.progress.write_cursor", keep)
    monkeypatch.setattr("scanner.delivery.relay.relay.CURSOR_EVERY_S", 1e9)
    receiver = LastHangs(limits=BatchLimits(max_events=2, linger_s=0, in_flight=3))
    receiver.let_go.clear()
    one = relay(folder, receiver)
    one.durable(6)
    one.finish()
    running = asyncio.create_task(one.run())
    await eventually(lambda: one.statistics().sequence == 4)
    assert kept == []
    receiver.let_go.set()
    await running

    assert kept == [6]
    assert one.statistics().state is RelayState.ENDED


def test_what_was_counted_before_is_not_counted_again() -> None:
    """A whole segment is sent again from its beginning: what was refused or lost in it before has its letter."""
    lines: list[SpoolRecord | Lost] = [SpoolRecord(number, record(number).rstrip(b"\n")) for number in (1, 2)]
    lines += [Lost(3, 3, "damaged", b"?"), SpoolRecord(4, record(4).rstrip(b"\n")), Lost(5, 6, "missing")]
    batch = make_batch(lines, make_format("native"), after=3, begun=0.0)

    batch.refuse([RefusedForGood(event, "no") for event in batch.events if event.sequence in (2, 4)])

    assert [event.sequence for event in batch.events] == [1, 2, 4]
    assert batch.take_settled() == Settled(6, delivered=0, dead=3, skipped=0)
    assert batch.take_settled() is None
    assert batch.new_letters() == [
        DeadLetter(4, f"{4:032x}", "no", orjson.dumps(orjson.loads(record(4)))),
        DeadLetter(5, "", "missing in the log of the run", None, last=6),
    ]


def test_notes_of_the_run_that_are_lost_are_not_records() -> None:
    lines: list[SpoolRecord | Lost] = [Lost(1, 1, "damaged", b"?"), Lost(2, 5, "missing"), Lost(6, 6, "missing")]
    batch = make_batch(lines, make_format("native"), 0, 0.0, lambda: Known(last=6, notes=[1, 3, 4]))

    letters = batch.new_letters()

    assert [(letter.sequence, letter.records) for letter in letters] == [(2, 2), (6, 1)]
    assert batch.take_settled() == Settled(6, delivered=0, dead=3, skipped=0)


def test_a_letter_about_some_of_several_numbers_is_the_same_again(tmp_path: Path) -> None:
    letter = DeadLetter(2, "", "missing in the log of the run", None, last=5, known=2)
    dead_letters.keep(tmp_path / "file", [letter])

    assert list(dead_letters.read(tmp_path / "file")) == [letter]
    assert dead_letters.count(dead_letters.cut([letter], 3)) == 1
