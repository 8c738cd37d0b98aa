"""Claims about `scanner.delivery.spool.segments` when the disk fails: it is said once, and nothing more is taken."""

import errno
import os
from pathlib import Path

import pytest

from scanner.delivery.spool import Quota, RunFolder, SpoolWriter, read_known
from scanner.delivery.spool.index import SpoolIndex
from scanner.errors import SinkError

LINE = b'{"event_id":"a"}\n'


@pytest.mark.parametrize("is_note", [False, True])
async def test_after_a_write_that_failed_neither_records_nor_notes_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_note: bool
) -> None:
    durable: list[int] = []
    log = SpoolWriter(RunFolder(tmp_path / "run"), Quota(), on_durable=durable.append)
    await log.open(None)
    await log.write([LINE])

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(log, "_append", full)
        with pytest.raises(SinkError, match=r"cannot be written \(No space left on device\); resume with --state"):
            await (log.note(LINE) if is_note else log.write([LINE]))
    for again in (log.write([LINE]), log.note(LINE)):
        with pytest.raises(SinkError, match="No space left on device"):
            await again
    last = log.position()
    await log.close()
    await log.close()

    assert (last, durable[-1]) == ({"sequence": 1}, 1)


async def test_closing_what_was_never_opened_is_harmless(tmp_path: Path) -> None:
    await SpoolWriter(RunFolder(tmp_path / "run"), Quota()).close()


async def test_a_short_write_leaves_no_half_line_in_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stand before the next line, and say for ever that the log was changed."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    index = SpoolIndex.open(folder, "run-1")
    index.ended(3)
    write, full = os.write, [False]

    def short(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        full[0] = True
        return write(fd, bytes(data)[:7])

    with monkeypatch.context() as patched:
        patched.setattr("scanner.delivery.spool.index.os.write", short)
        with pytest.raises(OSError, match="No space left"):
            index.note(4)
    index.ended(5)
    index.close()

    known = read_known(folder, "run-1")
    assert (known.trouble, known.last, known.notes) == ([], 5, [])


async def test_a_write_that_comes_in_parts_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    index = SpoolIndex.open(folder, "run-1")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("scanner.delivery.spool.index.os.write", lambda fd, data: write(fd, bytes(data)[:7]))
        index.note(4)
    index.close()

    assert (read_known(folder, "run-1").trouble, read_known(folder, "run-1").notes) == ([], [4])
