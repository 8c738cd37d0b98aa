"""Claims about the quota of a log at its edges: one open segment, an empty batch, a disk that fails, a closed log."""

import asyncio
import errno
from pathlib import Path

import pytest

from scanner.delivery.spool import Quota, RunFolder, SpoolWriter
from scanner.delivery.spool.index import SpoolIndex
from scanner.errors import SinkError
from tests.support.waiting import eventually

LINE = b'{"n":1,"x":"%s"}\n' % (b"x" * 60)
#: Room for one of these lines with its frame, and not for two.
ONE_LINE = 150


def room_for_one(folder: RunFolder, quota: Quota, events: list[bool] | None = None) -> SpoolWriter:
    return SpoolWriter(folder, quota, on_full=(events if events is not None else []).append, segment_bytes=1 << 20)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


async def test_a_quota_that_one_open_segment_uses_up_is_waited_for_and_given_back_whole(folder: RunFolder) -> None:
    events: list[bool] = []
    quota = Quota(limit_bytes=ONE_LINE)
    log = room_for_one(folder, quota, events)
    await log.open(None)
    await log.write([LINE])
    waiting = asyncio.create_task(log.write([LINE]))
    await eventually(lambda: events)
    before = (log.last, folder.segments())
    quota.done = 1
    log.room_again()
    await waiting
    await log.close()

    assert (before, events) == ((1, [1]), [True, False])
    assert (log.last, folder.segments()) == (2, [2])


async def test_an_empty_batch_gets_no_number_and_waits_for_nobody(folder: RunFolder) -> None:
    log = room_for_one(folder, Quota(held=True))
    await log.open(None)
    await log.write([])
    await log.close()

    assert (log.last, folder.segment(1).read_bytes()) == (0, b"")


async def test_a_disk_that_fails_while_segments_are_given_back_is_said_once_and_ends_the_log(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = Quota(limit_bytes=ONE_LINE)
    log = room_for_one(folder, quota)
    await log.open(None)
    await log.write([LINE])
    quota.done = 1

    def broken(_: SpoolIndex, last: int) -> None:
        raise OSError(errno.EIO, f"Input/output error at {last}")

    with monkeypatch.context() as patched:
        patched.setattr(SpoolIndex, "removed", broken)
        with pytest.raises(SinkError, match=r"cannot be written \(Input/output error at 1\); resume with --state"):
            await log.write([LINE])
    for again in (log.write([LINE]), log.note(LINE)):
        with pytest.raises(SinkError, match="Input/output error at 1"):
            await again
    await log.close()

    assert (log.last, folder.segments()[0]) == (1, 1)  # what was not booked as given back is still there


@pytest.mark.parametrize("is_note", [False, True])
async def test_a_closed_log_takes_neither_records_nor_notes(folder: RunFolder, is_note: bool) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None)
    await log.write([LINE])
    await log.close()
    kept = folder.segment(1).read_bytes()

    with pytest.raises(SinkError, match=r"cannot be written \(it is closed\)"):
        await (log.note(LINE) if is_note else log.write([LINE]))
    assert (folder.segment(1).read_bytes(), folder.segments()) == (kept, [1])


async def test_who_waits_for_room_while_the_log_is_closed_changes_nothing_of_its_next_writers(
    folder: RunFolder,
) -> None:
    events: list[bool] = []
    quota = Quota(limit_bytes=ONE_LINE)
    log = room_for_one(folder, quota, events)
    await log.open(None)
    await log.write([LINE])
    waiting = asyncio.create_task(log.write([LINE]))
    await eventually(lambda: events)
    await log.close()
    following = SpoolWriter(folder, Quota())
    await following.open(None)
    there = folder.segments()
    quota.done = 1
    log.room_again()

    with pytest.raises(SinkError, match=r"cannot be written \(it is closed\)"):
        await waiting
    assert folder.segments() == there
    await following.close()
