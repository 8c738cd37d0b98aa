"""Claims about `scanner.runlog.segments` when the disk fails: it is said once, and nothing more is taken."""

import errno
from pathlib import Path

import pytest

from scanner.errors import SinkError
from scanner.runlog import Quota, RunFolder, RunLog

LINE = b'{"event_id":"a"}\n'


@pytest.mark.parametrize("is_note", [False, True])
async def test_after_a_write_that_failed_neither_records_nor_notes_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_note: bool
) -> None:
    durable: list[int] = []
    log = RunLog(RunFolder(tmp_path / "run"), Quota(), on_durable=durable.append)
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
    await RunLog(RunFolder(tmp_path / "run"), Quota()).close()
