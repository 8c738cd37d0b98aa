"""Claims about `scanner.delivery.local.file` on devices, pipes and disks that are full."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.delivery import FileSink, SinkOptions
from scanner.errors import InputError, SinkError
from tests.support.foreign_files import mounted_disk
from tests.support.sink_files import NAMES, lines, read
from tests.support.waiting import eventually


async def test_dev_null_takes_everything_and_has_no_position() -> None:
    sink = FileSink("/dev/null", SinkOptions(rotate_size=1))
    await sink.open({"part": 0, "bytes": 5})
    await sink.write(lines(0, 10))
    await sink.close()

    assert sink.position() is None


async def test_a_full_device_ends_in_one_clear_line() -> None:
    sink = FileSink("/dev/full")
    await sink.open(None)

    with pytest.raises(SinkError) as caught:
        await sink.write(lines(0, 1))
    await sink.close()

    assert str(caught.value) == (
        "/dev/full: cannot write: No space left on device: free some space, then run it again (with --state it goes on)"
    )


async def test_a_pipe_that_nobody_reads_is_refused_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InputError, match="it has no reader: start the reader first"):
        await FileSink(tmp_path / "pipe").open(None)


async def test_a_slow_reader_of_a_pipe_gets_everything_and_the_loop_runs_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    batch, sink = lines(0, 5000), FileSink(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    await sink.open(None)
    write = asyncio.ensure_future(sink.write(batch))
    got = b""
    while not write.done():
        await asyncio.sleep(0)
        got += _available(reader)
    await write
    await sink.close()
    got += _available(reader)
    os.close(reader)

    assert got == b"".join(batch)
    assert sink.position() is None


def _available(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


async def test_a_reader_that_goes_away_ends_in_one_clear_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    sink = FileSink(tmp_path / "pipe")
    await sink.open(None)
    os.close(reader)

    with pytest.raises(SinkError, match=r"pipe: the reader closed the pipe before the sweep was over$"):
        await sink.write(lines(0, 1))
    await sink.close()


async def test_closing_gives_up_a_write_whose_reader_stalls(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    sink = FileSink(tmp_path / "pipe")
    await sink.open(None)
    write = asyncio.ensure_future(sink.write(lines(0, 5000)))
    await eventually(lambda: _available(reader))
    await sink.close()
    os.close(reader)

    with pytest.raises(SinkError, match="Operation canceled"):
        await write


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk") as place:
        yield place


@pytest.mark.root
@pytest.mark.parametrize("name", NAMES)
async def test_a_full_disk_keeps_every_acknowledged_line_and_no_torn_one(small_disk: Path, name: str) -> None:
    path, sink, taken = small_disk / name, FileSink(small_disk / name), 0
    await sink.open(None)
    failure = None
    while failure is None:
        try:
            await sink.write(lines(taken, 100))
            taken += 100
        except SinkError as error:
            failure = str(error)
    await sink.close()

    assert failure.startswith(f"{path}: cannot write: No space left on device: free some space")
    assert taken > 0
    assert read(path) == b"".join(line for first in range(0, taken, 100) for line in lines(first, 100))


def test_a_file_that_may_not_grow_keeps_every_acknowledged_line(tmp_path: Path) -> None:
    """Needs no root: the writer's own limit of 20,000 bytes for a file."""
    path = tmp_path / "sweep.jsonl"
    command = [sys.executable, "-m", "tests.support.sink_writer", str(path), "None", "20000"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)

    assert done.stderr == (
        f"{path}: cannot write: File too large: the limit for one file is reached (ulimit -f, file system): "
        "use --rotate-size\n"
    )
    count, _, size = map(int, done.stdout.splitlines()[-1].split())
    assert 0 < size == path.stat().st_size < 20_000
    assert len(read(path).splitlines()) == count
