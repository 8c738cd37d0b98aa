"""Claims about `delivery.relay.replay`: what is sent again, what stays, and what a run is that cannot be used."""

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scanner.delivery.receivers.receiver import TAKEN, BatchLimits, BatchRefusedError, Receipt, TryLaterError
from scanner.delivery.relay import OverflowPolicy, dead_letters, gaps
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.replay import replay, replay_dead_letters
from scanner.delivery.relay.stored_run import StoredRun, state_of
from scanner.delivery.spool import Cursor, RunFolder, read_cursor, write_cursor
from scanner.delivery.spool.index import SpoolIndex
from scanner.errors import InputError, SinkError
from scanner.formats import Event, make_format
from tests.support.receivers_fake import FakeReceiver
from tests.support.relays import numbers
from tests.support.spooled_records import log_of, record

SINK = {"name": "siem", "url": "https://127.0.0.1/", "shown": "https://127.0.0.1/", "policy": "best_effort"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


async def run_of(folder: RunFolder, count: int, **more: Any) -> None:
    """Make a run with so many records."""
    folder.create()
    folder.write_description({"run": "run-1", "sinks": [SINK], "made": True, **more})
    await log_of(folder, count)


def destination(receiver: FakeReceiver, policy: OverflowPolicy = OverflowPolicy.BEST_EFFORT) -> Destination:
    return Destination("siem", SINK["url"], SINK["shown"], receiver, make_format("native"), policy, max_lag=2)


def put_cursor(folder: RunFolder, **counts: int) -> None:
    write_cursor(folder.sinks / "siem.cursor", Cursor("run-1", **counts))


def put_dead(folder: RunFolder, *letters: DeadLetter) -> Path:
    file = folder.sinks / "siem.dead.jsonl"
    dead_letters.keep(file, list(letters))
    return file


def letter(number: int, reason: str = "HTTP 400") -> DeadLetter:
    return DeadLetter(number, f"{number:032x}", reason, record(number).rstrip(b"\n"))


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def replayed(folder: RunFolder, receiver: FakeReceiver, first: int | None = None) -> tuple[object, ...]:
    stored = StoredRun(folder)
    return await replay(stored, destination(receiver), first=first, patience_s=20, on_progress=lambda _: None)


async def test_nothing_is_skipped_for_best_effort_when_nobody_waits_any_more(folder: RunFolder) -> None:
    await run_of(folder, 9)
    receiver = FakeReceiver()

    assert await replayed(folder, receiver) == (9, 0, 0, None)
    assert numbers(receiver.taken) == list(range(1, 10))


async def test_what_was_skipped_and_refused_behind_a_number_is_sent_again_and_counted_once(folder: RunFolder) -> None:
    await run_of(folder, 9)
    put_cursor(folder, sequence=9, delivered=4, dead=2, skipped=3)
    file = put_dead(folder, letter(2), letter(8))
    gaps.keep(folder.sinks / "siem.gaps.jsonl", 3, 5, 3)
    receiver = FakeReceiver()

    assert (await replayed(folder, receiver, first=4))[1:] == (0, 0, None)
    assert numbers(receiver.taken) == list(range(4, 10))
    assert list(dead_letters.read(file)) == [letter(2)]
    cursor = read_cursor(folder.sinks / "siem.cursor", "run-1")
    assert (cursor.sequence, cursor.dead, cursor.skipped) == (9, 1, 1)
    standing = StoredRun(folder).standing(destination(receiver))
    assert (standing.dead, standing.skipped, standing.waiting, standing.reason) == (1, 1, 0, "HTTP 400")


async def test_records_that_were_given_back_cannot_be_sent_again(folder: RunFolder) -> None:
    await run_of(folder, 9)
    index = SpoolIndex.open(folder, "run-1")
    index.removed(4)
    index.close()

    with pytest.raises(InputError, match="records up to 4 were removed when every sink had them: begin with 5"):
        await replayed(folder, FakeReceiver(), first=4)
    assert (await replayed(folder, FakeReceiver(), first=5))[:2] == (5, 0)


async def test_a_disk_that_fails_while_a_sink_is_set_back_leaves_its_cursor(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_of(folder, 9)
    put_cursor(folder, sequence=9, delivered=9)
    receiver = FakeReceiver()
    monkeypatch.setattr("scanner.delivery.relay.replay.write_cursor", full)

    with pytest.raises(SinkError, match=r"run: siem: cannot be written \(No space left on device\)$"):
        await replayed(folder, receiver, first=4)
    assert receiver.batches == []
    assert read_cursor(folder.sinks / "siem.cursor", "run-1").sequence == 9


async def test_a_run_that_cannot_be_read_is_refused(folder: RunFolder) -> None:
    await run_of(folder, 1)
    (folder.path / "log.index").unlink()
    (folder.path / "log.index").mkdir()

    with pytest.raises(InputError, match=r"run: cannot be read \(.+\)$"):
        StoredRun(folder)


async def test_a_run_knows_its_sinks_what_they_lack_and_whether_it_is_being_removed(folder: RunFolder) -> None:
    await run_of(folder, 9, removing=True, state="/srv/a state")
    put_cursor(folder, sequence=4, delivered=4)
    stored = StoredRun(folder)

    assert (stored.names, stored.is_being_removed) == (["siem"], True)
    (standing,) = stored.standings()
    assert (standing.delivered, standing.waiting) == (4, 5)
    assert stored.explained([standing]).startswith(
        "sink siem lacks 5 records (the sweep did not wait for it any longer)"
    )
    assert state_of(folder) == ("run-1", Path("/srv/a state"))


async def test_a_run_without_a_state_file_has_none(folder: RunFolder) -> None:
    await run_of(folder, 1)

    assert state_of(folder) == ("run-1", None)
    assert not StoredRun(folder).is_being_removed


async def test_a_run_that_nobody_needs_any_more_goes_but_not_what_is_not_ours(folder: RunFolder) -> None:
    await run_of(folder, 3, state=str(folder.path.parent / "a state that is gone"))
    mine = folder.path / "notes.txt"
    mine.write_text("precious")

    assert StoredRun(folder).discard() == (
        f"every sink has everything: the log of the run is removed, but not {str(mine)!r}"
    )
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == ["notes.txt"]


async def test_a_run_that_its_sweep_may_go_on_with_loses_its_records_only(folder: RunFolder, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.touch()
    await run_of(folder, 3, state=str(state))

    assert StoredRun(folder).discard().endswith(f"which stays for --state {state}")
    assert folder.segments() == []
    assert (StoredRun(folder).known.removed, StoredRun(folder).known.last) == (3, 3)


async def test_a_run_that_somebody_works_on_is_not_removed(folder: RunFolder) -> None:
    await run_of(folder, 3)
    with folder.locked("log"):
        said = StoredRun(folder).discard()

    assert said.startswith("every sink has everything, but the log of the run stays: ")
    assert said.endswith("another process is at work on it (log.lock)")
    assert folder.segments() == [1]


class Hangs(FakeReceiver):
    """Takes the first batch and does not answer to the second."""

    async def send(self, batch: Sequence[Any]) -> Any:
        if self.batches:
            await asyncio.Event().wait()
        return await super().send(batch)


@pytest.mark.parametrize(
    ("receiver", "why"),
    [
        (Hangs(limits=BatchLimits(max_events=1, linger_s=0)), "the receiver did not answer in time"),
        (
            FakeReceiver(
                lambda _: TAKEN, *[TryLaterError("HTTP 503", after_s=3600)] * 9,
                limits=BatchLimits(max_events=1, linger_s=0),
            ),
            "HTTP 503",
        ),
    ],
)  # fmt: skip
async def test_dead_letters_that_are_not_answered_in_time_stay_and_the_others_are_gone(
    folder: RunFolder, receiver: FakeReceiver, why: str
) -> None:
    await run_of(folder, 9)
    put_cursor(folder, sequence=9, delivered=7, dead=2)
    file = put_dead(folder, letter(2), letter(8))

    done = await replay_dead_letters(StoredRun(folder), destination(receiver), patience_s=0.05)

    assert done == (1, 0, 1, why)
    assert list(dead_letters.read(file)) == [letter(8)]
    assert read_cursor(folder.sinks / "siem.cursor", "run-1")[2:] == (8, 0, 1, 0)
    assert receiver.closed == 1


async def test_dead_letters_without_a_record_that_can_be_written_stay(folder: RunFolder) -> None:
    """What the log had lost cannot be sent by anybody; what the format could not write, it may still not."""
    await run_of(folder, 9)
    put_cursor(folder, sequence=9, delivered=3, dead=6)
    odd = DeadLetter(
        2, "", "cannot be written", b'{"schema":"smtpsweep.record/1","event_id":"odd","observed_at":"never"}'
    )
    missing = DeadLetter(4, "", "missing in the log of the run", None, last=7)
    file = put_dead(folder, odd, missing, letter(8))
    receiver = FakeReceiver()

    done = await replay_dead_letters(StoredRun(folder), destination(receiver), patience_s=20)

    assert done == (1, 5, 0, None)
    assert numbers(receiver.taken) == [8]
    assert list(dead_letters.read(file)) == [odd, missing]


async def test_dead_letters_that_cannot_be_written_back_are_said(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_of(folder, 9)
    put_cursor(folder, sequence=9, delivered=8, dead=1)
    file = put_dead(folder, letter(8))
    monkeypatch.setattr("scanner.delivery.relay.dead_letters.replace", full)

    with pytest.raises(SinkError, match=r"siem\.dead\.jsonl: cannot be written \(No space left on device\)$"):
        await replay_dead_letters(StoredRun(folder), destination(FakeReceiver()), patience_s=20)
    assert list(dead_letters.read(file)) == [letter(8)]
    assert read_cursor(folder.sinks / "siem.cursor", "run-1").dead == 1


async def test_a_close_that_fails_takes_nothing_from_the_dead_letters_that_were_taken(folder: RunFolder) -> None:
    await run_of(folder, 5)
    put_cursor(folder, sequence=5, delivered=4, dead=1)
    put_dead(folder, letter(3))

    class Fails(FakeReceiver):
        async def close(self) -> None:
            raise ValueError("bug")

    done = await replay_dead_letters(StoredRun(folder), destination(Fails()), patience_s=20)

    assert (done.delivered, done.dead, done.left) == (1, 0, 0)


async def test_dead_letters_that_are_settled_before_patience_ends_are_kept_so(folder: RunFolder) -> None:
    await run_of(folder, 5)
    put_cursor(folder, sequence=5, delivered=1, dead=4)
    file = put_dead(folder, *(letter(number) for number in (1, 2, 3, 4)))

    class Picky(FakeReceiver):
        """Does not take all at once, takes the first half, and then says nothing any more."""

        async def send(self, batch: Sequence[Event]) -> Receipt:
            if len(self.batches) == 2:
                await asyncio.Event().wait()
            if len(batch) == 4:
                self.batches.append(list(batch))
                raise BatchRefusedError("HTTP 400")
            return await super().send(batch)

    done = await replay_dead_letters(StoredRun(folder), destination(Picky()), patience_s=0.2)

    assert (done.delivered, done.dead, done.left) == (2, 0, 2)
    assert [one.sequence for one in dead_letters.read(file)] == [3, 4]
