"""Claims about how a relay ends: whatever way that is, the disk claims nothing that the receiver has not confirmed."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from scanner.delivery.receivers.discreet import DiscreetReceiver
from scanner.delivery.receivers.receiver import BatchLimits, BatchRefusedError, Receipt
from scanner.delivery.redaction import Redaction
from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.relay import Relay
from scanner.delivery.relay.replay import replay
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.relay.statistics import RelayState
from scanner.delivery.relay.stored_run import StoredRun
from scanner.delivery.spool import Cursor, Quota, RunFolder, SpoolWriter, read_cursor, write_cursor
from scanner.errors import SinkError
from scanner.formats import Event, make_format
from scanner.record import encode
from tests.support.receivers_fake import FakeReceiver
from tests.support.records import full_record
from tests.support.relays import delivered, numbers, relay
from tests.support.spooled_records import log_of, record
from tests.support.waiting import eventually

LOOPBACK = "127.0.0.1"
FIVE = [encode(full_record()).rstrip() + b"\n"] * 5  # with all that GELF asks for


class Silent(FakeReceiver):
    """Never answers. It says from the first event on what may not have been read; a close that is waited for clears."""

    def __init__(self, at_close: Callable[[], None] = lambda: None, *, reads: bool = True) -> None:
        super().__init__()
        self.unconfirmed_from: int | None = None
        self.closing, self.may_end = asyncio.Event(), asyncio.Event()
        self._at_close, self._reads = at_close, reads

    async def send(self, batch: Sequence[Event]) -> Receipt:
        if self.unconfirmed_from is None:
            self.unconfirmed_from = batch[0].sequence
        return await super().send(batch)

    async def close(self) -> None:
        self._at_close()
        self.closing.set()
        await self.may_end.wait()
        if self._reads:
            self.unconfirmed_from = None
        await super().close()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


@pytest.fixture
def deaf() -> Iterator[int]:
    """Listen on a port that takes connections and reads nothing."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def on_disk(folder: RunFolder, name: str = "fake") -> Cursor:
    return read_cursor(folder.sinks / f"{name}.cursor", "run-1")


async def test_while_it_closes_the_disk_does_not_claim_what_is_not_confirmed(folder: RunFolder) -> None:
    """So a kill at that moment loses nothing, whoever is killed."""
    await log_of(folder, 30)
    seen: list[Cursor] = []
    receiver = Silent(lambda: seen.append(on_disk(folder)))
    receiver.may_end.set()
    one = relay(folder, receiver)

    await delivered(one, 30)

    assert [(cursor.sequence, cursor.delivered) for cursor in seen] == [(0, 0)]
    assert on_disk(folder)[1:] == (30, 30, 0, 0, 0)  # confirmed by the close
    assert one.statistics().trouble is None


async def test_a_close_that_is_interrupted_takes_back_what_was_only_sent(folder: RunFolder) -> None:
    await log_of(folder, 30)
    receiver = Silent()
    one = relay(folder, receiver)
    running = asyncio.create_task(delivered(one, 30))
    await receiver.closing.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert on_disk(folder).sequence == 0
    statistics = one.statistics()
    assert (statistics.sequence, statistics.delivered, statistics.last) == (0, 0, 30)
    assert statistics.trouble == "it ended without a sign that it has read them"
    assert numbers(receiver.taken) == list(range(1, 31))


async def test_what_is_confirmed_on_the_way_counts(folder: RunFolder) -> None:
    await log_of(folder, 30)

    class Confirms(Silent):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            self.unconfirmed_from = batch[0].sequence  # what came before has been read
            return await FakeReceiver.send(self, batch)

    receiver = Confirms(reads=False)
    receiver.may_end.set()
    await delivered(relay(folder, receiver), 30)

    assert on_disk(folder)[1:] == (20, 20, 0, 0, 0)


async def test_the_log_is_not_kept_for_what_cannot_be_confirmed(folder: RunFolder) -> None:
    """Or a small quota would wait for a sign that syslog cannot give."""
    await log_of(folder, 30)
    receiver = Silent()
    one = relay(folder, receiver)
    running = asyncio.create_task(delivered(one, 30))
    await receiver.closing.wait()

    assert one.needs_after == 30
    receiver.may_end.set()
    await running


async def test_letters_and_gaps_beyond_the_cursor_are_forgotten_since_they_come_again(folder: RunFolder) -> None:
    await log_of(folder, 12)
    write_cursor(folder.sinks / "fake.cursor", Cursor("run-1", sequence=4, delivered=2, dead=1, skipped=1))
    file, skipped = folder.sinks / "fake.dead.jsonl", folder.sinks / "fake.gaps.jsonl"
    dead_letters.keep(file, [dead_letters.DeadLetter(n, f"{n:032x}", "why", record(n).rstrip()) for n in (3, 7)])
    gaps.keep(skipped, 1, 1, 1)
    gaps.keep(skipped, 6, 9, 4)

    await delivered(relay(folder, FakeReceiver()), 12)

    assert [letter.sequence for letter in dead_letters.read(file)] == [3]
    assert gaps.records_before(skipped, 100) == 1
    assert on_disk(folder)[1:] == (12, 10, 0, 1, 1)


async def test_letters_about_what_is_taken_back_go_with_it(folder: RunFolder) -> None:
    await log_of(folder, 10)

    class Picky(Silent):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if 7 in numbers(batch):
                raise BatchRefusedError("HTTP 400")
            return await super().send(batch)

    receiver = Picky(reads=False)
    receiver.may_end.set()
    await delivered(relay(folder, receiver), 10)

    assert on_disk(folder)[1:] == (0, 0, 0, 0, 0)
    assert list(dead_letters.read(folder.sinks / "fake.dead.jsonl")) == []


async def test_a_disk_that_fails_at_the_end_is_said_and_the_receiver_let_go(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_of(folder, 3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scanner.delivery.relay.progress.write_cursor", full)
    receiver = FakeReceiver()

    with pytest.raises(SinkError, match="fake: No space left on device"):
        await delivered(relay(folder, receiver), 3)
    assert receiver.closed == 1


async def test_a_close_that_fails_is_one_line_and_no_more(folder: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    await log_of(folder, 3)

    class Fails(FakeReceiver):
        async def close(self) -> None:
            raise ValueError("token=hunter2")

    one = relay(folder, Fails())
    with caplog.at_level(logging.WARNING):
        await delivered(one, 3)

    assert caplog.messages == ["sink fake: its end failed with ValueError, a bug in this sink"]
    assert on_disk(folder).sequence == 3
    assert one.statistics().state is RelayState.ENDED


@pytest.mark.parametrize("error", [ValueError("bad token hunter2hunter"), SystemExit(0)])
async def test_a_receiver_that_fails_when_it_is_opened_is_one_line_about_it(
    error: BaseException, folder: RunFolder
) -> None:
    await log_of(folder, 3)

    class Fails(FakeReceiver):
        async def open(self, run: str) -> None:
            raise error

    inner = Fails()
    one = Relay("fake", DiscreetReceiver(inner, Redaction("hunter2hunter")), make_format("native"), folder, "run-1")
    with pytest.raises(SinkError) as caught:
        await delivered(one, 3)

    text = str(caught.value)
    assert text.startswith(f"failed with {type(error).__name__}, a bug in this sink: ")
    assert "hunter2" not in text
    assert inner.closed == 1


@pytest.mark.parametrize("scheme", ["syslog+tcp", "gelf+tcp"])
async def test_a_replay_into_the_void_that_is_given_up_while_it_closes_claims_nothing(
    scheme: str, deaf: int, folder: RunFolder
) -> None:
    await a_run(folder, f"{scheme}://{LOOPBACK}:{deaf}")
    stored = StoredRun(folder)
    (name,) = stored.names

    for _ in range(2):
        done = await replay(stored, stored.destination(name), first=None, patience_s=0.4, on_progress=lambda _: None)

        assert (done.delivered, done.left) == (0, 5)
        assert done.trouble == "it ended without a sign that it has read them"
        assert read_cursor(folder.sinks / f"{name}.cursor", stored.run).sequence == 0


@pytest.mark.parametrize("scheme", ["syslog+tcp", "gelf+tcp"])
@pytest.mark.parametrize("way", ["short drain", "hurry"])
async def test_a_sweep_that_does_not_wait_for_the_end_of_a_sink_is_not_complete(
    scheme: str, way: str, deaf: int, folder: RunFolder
) -> None:
    remote = SpoolSink(
        folder, make_destinations([f"{scheme}://{LOOPBACK}:{deaf}"]), {}, drain_s=0.5 if way == "short drain" else 30.0
    )
    await remote.open(None)
    await remote.write(FIVE)
    await eventually(lambda: remote.reports and remote.reports[0]["sequence"] >= 6)  # all is sent
    if way == "hurry":
        remote.hurry()

    with pytest.raises(SinkError, match="lacks 5 records"):
        await remote.close()

    assert remote.discard(finished=True) is None
    assert (folder.path / "run.json").exists()
    assert [(one["delivered"], one["waiting"]) for one in remote.sinks] == [(0, 5)]


@pytest.mark.parametrize("scheme", ["syslog+tcp", "gelf+tcp"])
async def test_a_relay_that_is_killed_while_it_closes_is_started_again_and_claims_nothing(
    scheme: str, deaf: int, folder: RunFolder
) -> None:
    remote = SpoolSink(folder, make_destinations([f"{scheme}://{LOOPBACK}:{deaf}"]), {}, drain_s=30.0)
    await remote.open(None)
    await remote.write(FIVE)
    closing = asyncio.create_task(remote.close())
    await eventually(lambda: remote.reports and remote.reports[0]["state"] == "ended")
    assert remote.relay_pid is not None
    os.kill(remote.relay_pid, signal.SIGKILL)

    with pytest.raises(SinkError, match="lacks 5 records"):
        await closing


async def a_run(folder: RunFolder, url: str) -> None:
    """Make a run of five records that no sink has got."""
    folder.create()
    log = SpoolWriter(folder, Quota())
    await log.open(None, "run-1")
    await log.write(FIVE)
    await log.close()
    one = make_destinations([url])[0]
    sink = {"name": one.name, "url": url, "shown": one.shown, "policy": one.policy.value}
    folder.write_description({"run": "run-1", "sinks": [sink], "made": True, "state": None})


class _Stops(FakeReceiver):
    """Refuses the events of some numbers, and hangs from the answer on that has a number."""

    def __init__(self, bad: Callable[[int], bool], hang_after: int, max_events: int = 16) -> None:
        super().__init__(limits=BatchLimits(max_events=max_events, linger_s=0))
        self._bad, self._left = bad, hang_after
        self.hangs = asyncio.Event()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        if self._left == 0:
            self.hangs.set()
            await asyncio.Event().wait()
        self._left -= 1
        if any(self._bad(number) for number in numbers(batch)):
            self.batches.append(list(batch))
            raise BatchRefusedError("HTTP 400")
        return await super().send(batch)


async def stopped(one: Relay, receiver: _Stops, last: int) -> None:
    running = asyncio.create_task(delivered(one, last))
    await receiver.hangs.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_what_is_settled_of_a_batch_is_kept_and_the_next_attempt_gets_on(folder: RunFolder) -> None:
    """All are refused, and each attempt is stopped after a few answers: it must come to an end all the same."""
    await log_of(folder, 16)
    reached = []
    for _ in range(40):
        receiver = _Stops(lambda _: True, hang_after=6)
        one = relay(folder, receiver)
        if on_disk(folder).sequence == 16:
            break
        if on_disk(folder).sequence >= 13:  # it will not come to hang
            await delivered(one, 16)
        else:
            await stopped(one, receiver, 16)
        reached.append(on_disk(folder).sequence)

    assert reached == sorted(set(reached))  # each one got further
    assert on_disk(folder)[1:] == (16, 0, 0, 16, 0)
    letters = dead_letters.read(folder.sinks / "fake.dead.jsonl")
    assert [letter.sequence for letter in letters] == list(range(1, 17))


async def test_the_accepted_part_in_front_of_a_bad_record_is_not_sent_again(folder: RunFolder) -> None:
    await log_of(folder, 16)
    receiver = _Stops(lambda number: number == 13, hang_after=3)  # 1-16 no, 1-8 taken, 9-16 no, then it hangs
    one = relay(folder, receiver)
    await stopped(one, receiver, 16)

    assert numbers(receiver.taken) == list(range(1, 9))
    assert on_disk(folder)[1:] == (8, 8, 0, 0, 0)
    assert one.statistics().answers == 3
    again = FakeReceiver()
    await delivered(relay(folder, again), 16)
    assert numbers(again.taken) == list(range(9, 17))
    assert on_disk(folder)[1:] == (16, 16, 0, 0, 0)


async def test_a_part_that_is_to_be_sent_again_holds_the_cursor_back(folder: RunFolder) -> None:
    await log_of(folder, 10)

    class Partly(_Stops):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            if len(batch) == 10:
                return Receipt(retry=(4, 7))
            self._left = 0
            return await super().send(batch)

    receiver = Partly(lambda _: False, hang_after=0)
    await stopped(relay(folder, receiver), receiver, 10)

    assert on_disk(folder)[1:] == (4, 4, 0, 0, 0)  # number 5 is to come again, and so what is behind it
