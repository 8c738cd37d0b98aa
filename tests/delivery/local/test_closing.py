"""Claims about the two sinks of this machine when they are closed: by two at once, and by their reader."""

import asyncio
import errno
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.delivery import FileSink, StdoutSink
from scanner.delivery.local import descriptor
from scanner.errors import InputError, SinkError
from tests.support.sink_files import lines
from tests.support.waiting import eventually


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            assert end == reading  # a test may close it


async def closed_twice(sink: FileSink | StdoutSink) -> None:
    """Close from two sides, of which neither has the file for itself before both have begun."""
    with sink._lock:
        closing = [asyncio.create_task(sink.close()) for _ in range(2)]
        await asyncio.sleep(0)
    await asyncio.gather(*closing)


async def test_a_process_without_standard_output_is_told_to_name_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(InputError, match=r"^stdout: is closed: redirect it, or name a file with -o$"):
        await StdoutSink().open(None)


async def test_a_reader_that_has_gone_is_said_once_and_the_interpreter_can_flush_at_its_end(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    sink = StdoutSink(writing)
    await sink.open(None)
    os.close(reading)
    with pytest.raises(SinkError, match="the reader closed the pipe before the sweep was over"):
        await sink.write(lines(0, 1))
    await sink.close()

    assert os.fstat(writing).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116  a device is asked, not a disk
    assert os.write(writing, b"what was held back") == 18


async def test_closing_from_two_sides_closes_once_and_then_it_takes_nothing(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out.jsonl")
    await sink.open(None)
    await sink.write(lines(0, 3))
    await closed_twice(sink)

    with pytest.raises(SinkError, match="is not open"):
        await sink.write(lines(3, 1))
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(lines(0, 3))


async def test_closing_standard_output_from_two_sides_closes_once_and_leaves_it_open_for_others(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    sink = StdoutSink(writing)
    await sink.open(None)
    await sink.write(lines(0, 1))
    await closed_twice(sink)

    with pytest.raises(SinkError, match="stdout: is not open"):
        await sink.write(lines(1, 1))
    os.write(writing, b"more")
    assert os.read(reading, 1000) == lines(0, 1)[0] + b"more"


class Looking:
    """A poller that counts how often it found that the reader takes nothing."""

    looks = 0
    _poll = select.poll

    def __init__(self) -> None:
        self._polled = self._poll()

    def register(self, fd: int, events: int) -> None:
        self._polled.register(fd, events)

    def poll(self, timeout_ms: int) -> list[tuple[int, int]]:
        found = self._polled.poll(timeout_ms)
        if not found:
            Looking.looks += 1
        return found


async def test_a_reader_that_is_slower_than_we_look_up_gets_everything(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptor, "_STOP_CHECK_MS", 0)
    monkeypatch.setattr(Looking, "looks", 0)
    monkeypatch.setattr("scanner.delivery.local.descriptor.select.poll", Looking)
    reading, writing = pipe
    sink = StdoutSink(writing)
    await sink.open(None)
    batch = lines(0, 2000)
    write = asyncio.create_task(sink.write(batch))
    await eventually(lambda: Looking.looks >= 3)
    got = b""
    while len(got) < len(b"".join(batch)):
        got += await asyncio.to_thread(os.read, reading, 1 << 16)
    await write
    await sink.close()

    assert got == b"".join(batch)


async def test_an_empty_file_that_cannot_be_removed_is_said_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    sink = FileSink(tmp_path / "out.jsonl")
    await sink.open(None)
    assert sink._out is not None
    fd = sink._out.fd
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", read_only)
        with pytest.raises(SinkError, match=r"out\.jsonl: cannot write: Read-only file system"):
            await sink.close()
    await sink.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
