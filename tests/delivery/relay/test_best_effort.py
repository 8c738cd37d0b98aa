"""Claims about best effort: a sink that is down or far behind never holds the log, and what it misses is a gap."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import BatchLimits, Receipt, TryLaterError
from scanner.delivery.relay import OverflowPolicy, Relay, dead_letters
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.supervisor import RelaySupervisor
from scanner.delivery.spool import Lost, Quota, RunFolder, SpoolReader, SpoolRecord, read_cursor
from scanner.delivery.spool.index import SpoolIndex
from scanner.formats import Event
from tests.support.receivers_fake import FakeReceiver, provided
from tests.support.relays import delivered, numbers, relay, report
from tests.support.spooled_records import log_of
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


async def until_in_trouble(one: Relay) -> None:
    await eventually(lambda: one.statistics().trouble is not None)


class _Down(FakeReceiver):
    async def send(self, batch: Sequence[Event]) -> Receipt:
        await asyncio.sleep(0)
        raise TryLaterError("it is down")


async def test_a_receiver_that_hangs_needs_no_more_than_its_lag(folder: RunFolder) -> None:
    await log_of(folder, 100)
    one = relay(folder, FakeReceiver(), policy=OverflowPolicy.BEST_EFFORT, max_lag=30)

    one.durable(20)
    assert one.needs_after == 0
    one.durable(100)
    assert one.needs_after == 70  # it is not even open yet
    assert relay(folder, FakeReceiver(), policy=OverflowPolicy.SPOOL, max_lag=30).needs_after == 0


async def test_a_receiver_that_is_down_needs_nothing_of_the_log(folder: RunFolder) -> None:
    await log_of(folder, 100)
    one = relay(folder, _Down(), policy=OverflowPolicy.BEST_EFFORT, max_lag=1000)
    one.durable(100)
    running = asyncio.create_task(one.run())
    await until_in_trouble(one)

    assert one.needs_after == 100
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("events", "at"),
    [(10, 11), (10, 21), (21, 22)],
    ids=["before a batch that is read already", "in the middle of a batch", "as the first of a batch"],
)
async def test_what_the_log_gives_back_while_it_is_read_is_skipped_and_no_dead_letter(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, events: int, at: int
) -> None:
    await log_of(folder, 100, segment_bytes=4_000)
    first, second, third = folder.segments()[:3]
    read = SpoolReader.read

    def read_late(reader: SpoolReader, last: int, **limits: int) -> list[SpoolRecord | Lost]:
        if reader.next == at and folder.segment(second).exists():  # the sweep needs room now
            index = SpoolIndex.open(folder, "run-1")
            index.removed(third - 1)
            index.close()
            for number in (first, second):
                folder.segment(number).unlink()
        return read(reader, last, **limits)

    monkeypatch.setattr(SpoolReader, "read", read_late)
    receiver = FakeReceiver(limits=BatchLimits(max_events=events, linger_s=0))
    await delivered(relay(folder, receiver, policy=OverflowPolicy.BEST_EFFORT, max_lag=1000), 100)

    assert (first, second, third) == (1, 22, 43)
    (gap,) = map(orjson.loads, (folder.sinks / "fake.gaps.jsonl").read_bytes().splitlines())
    assert gap["last"] == third - 1
    assert numbers(receiver.taken) == [*range(1, gap["first"]), *range(third, 101)]
    assert list(dead_letters.read(folder.sinks / "fake.dead.jsonl")) == []
    cursor = read_cursor(folder.sinks / "fake.cursor", "run-1")
    assert (cursor.sequence, cursor.skipped, cursor.dead) == (100, third - gap["first"], 0)


@pytest.mark.parametrize(
    ("max_lag", "trouble", "may_go"),
    [(30, None, 70), (1000, None, 5), (1000, "it is down", 100), (30, "it is down", 100)],
)
def test_the_log_is_shortened_without_a_new_report_of_who_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_lag: int, trouble: str | None, may_go: int
) -> None:
    monkeypatch.syspath_prepend(str(provided(tmp_path / "site")))
    urls = [f"scriptfile://h{tmp_path / 'out'}?name=be&policy=best_effort&max_lag={max_lag}"]
    quota = Quota()
    service = RelaySupervisor(RunFolder(tmp_path / "run"), "r", make_destinations(urls), quota, lambda: None)
    service.durable(10)
    assert quota.done == 0  # nothing is known of it yet
    service.take_report({"relays": [report("be", 5, trouble=trouble, policy="best_effort")]})

    service.durable(100)

    assert quota.done == may_go
