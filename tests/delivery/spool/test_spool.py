"""Claims about `scanner.delivery.spool`: what is acknowledged is on the disk, in order, once, whatever happens."""

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.spool import (
    Cursor,
    Lost,
    Quota,
    RunFolder,
    SpoolReader,
    SpoolRecord,
    SpoolWriter,
    read_cursor,
    write_cursor,
)
from scanner.errors import InputError, StateError
from scanner.files.sealed import seal
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


def line(number: int, size: int = 30) -> bytes:
    return b'{"n":%d,"x":"%s"}\n' % (number, b"x" * size)


def lines(first: int, last: int, size: int = 30) -> list[bytes]:
    return [line(number, size) for number in range(first, last + 1)]


async def written(folder: RunFolder, *batches: list[bytes], segment_bytes: int = 200) -> int:
    log = SpoolWriter(folder, Quota(), segment_bytes=segment_bytes)
    await log.open(None)
    for batch in batches:
        await log.write(batch)
    await log.close()
    return log.last


def read_all(
    folder: RunFolder, last: int, after: int = 0, *, max_records: int = 7, max_bytes: int = 10_000
) -> list[bytes]:
    found: list[bytes] = []
    with SpoolReader(folder, after) as reader:
        while entries := reader.read(last, max_records=max_records, max_bytes=max_bytes):
            first = after + len(found) + 1
            assert [entry.sequence for entry in entries] == list(range(first, first + len(entries)))
            found += [entry.line for entry in entries if isinstance(entry, SpoolRecord)]
    return found


@given(
    sizes=st.lists(st.integers(1, 9), max_size=12),
    segment_bytes=st.integers(1, 500),
    max_records=st.integers(1, 9),
    max_bytes=st.integers(1, 400),
    data=st.data(),
)
def test_what_was_written_is_read_back_from_any_number_on(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    segment_bytes: int,
    max_records: int,
    max_bytes: int,
    data: st.DataObject,
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    numbers = iter(range(1, sum(sizes) + 1))
    batches = [[line(next(numbers)) for _ in range(size)] for size in sizes]

    last = asyncio.run(written(folder, *batches, segment_bytes=segment_bytes))

    after = data.draw(st.integers(0, last))
    assert last == sum(sizes)
    found = read_all(folder, last, after, max_records=max_records, max_bytes=max_bytes)
    assert found == [text.rstrip(b"\n") for text in lines(after + 1, last)]


async def test_a_reader_stops_at_what_is_durable_and_goes_on_later(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await written(folder, lines(1, 20))

    with SpoolReader(folder, 0) as reader:
        assert [entry.sequence for entry in reader.read(3, max_records=99, max_bytes=9999)] == [1, 2, 3]
        assert reader.read(3, max_records=99, max_bytes=9999) == []
        assert [entry.sequence for entry in reader.read(20, max_records=99, max_bytes=9999)] == list(range(4, 21))


async def test_a_torn_line_is_cut_and_its_number_given_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await written(folder, lines(1, 3), segment_bytes=10_000)
    with folder.segment(1).open("ab") as out:
        out.write(b"4 torn")

    log = SpoolWriter(folder, Quota())
    await log.open({"sequence": 3})
    await log.write([b'{"whole":4}\n'])
    await log.close()

    assert read_all(folder, 4)[3:] == [b'{"whole":4}']


async def test_whole_lines_beyond_the_checkpoint_stay(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await written(folder, lines(1, 9))

    log = SpoolWriter(folder, Quota())
    await log.open({"sequence": 5})
    await log.close()

    assert log.last == 9


async def test_a_log_that_lost_what_was_acknowledged_goes_on_behind_it_and_names_the_hole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    await written(folder, lines(1, 3))

    log = SpoolWriter(folder, Quota())
    await log.open({"sequence": 9})
    await log.write([line(10)])
    await log.close()

    assert log.last == 10
    with SpoolReader(folder, 2) as reader:
        found = reader.read(10, max_records=99, max_bytes=9999)
    assert found == [
        SpoolRecord(3, line(3).rstrip(b"\n")),
        Lost(4, 9, "missing"),
        SpoolRecord(10, line(10).rstrip(b"\n")),
    ]


async def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    first = SpoolWriter(folder, Quota())
    await first.open(None)

    with pytest.raises(InputError, match="another process is at work"):
        await SpoolWriter(folder, Quota()).open(None)
    await first.close()
    await SpoolWriter(folder, Quota()).open(None)


async def test_the_quota_removes_only_what_every_receiver_has(tmp_path: Path) -> None:
    folder, quota = RunFolder(tmp_path / "run"), Quota(limit_bytes=12_000)
    events: list[bool] = []
    log = SpoolWriter(folder, quota, on_full=events.append, segment_bytes=500)
    await log.open(None)
    for number in range(1, 101):
        await log.write([line(number)])  # 88 to 90 bytes each: 9,000 in all

    waiting = asyncio.create_task(log.write(lines(101, 150)))
    await eventually(lambda: events)
    assert events == [True]
    assert folder.segments()[0] == 1  # nothing was removed: nobody has it
    quota.done = 40
    log.room_again()
    await waiting

    assert events == [True, False]
    assert folder.segments()[0] > 1
    assert read_all(folder, 150, 40) == [text.rstrip(b"\n") for text in lines(41, 150)]
    assert sum(folder.segment(first).stat().st_size for first in folder.segments()) <= 12_000
    await log.close()


async def test_a_log_that_is_held_takes_nothing_until_it_is_let_go(tmp_path: Path) -> None:
    quota = Quota(held=True)
    log = SpoolWriter(RunFolder(tmp_path / "run"), quota)
    await log.open(None)
    waiting = asyncio.create_task(log.write([b'{"n":1}\n']))
    for _ in range(20):
        await asyncio.sleep(0)
    assert log.last == 0

    quota.held = False
    log.room_again()
    await waiting

    assert log.last == 1
    await log.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter

async def main():
    folder = RunFolder(Path(sys.argv[1]))
    log = SpoolWriter(folder, Quota(), on_durable=lambda last: print(last, flush=True), segment_bytes=9000)
    await log.open(None)
    number = 0
    while True:
        await log.write([b'{"n":%d,"x":"%s"}\\n' % (number + n, b"x" * 50) for n in range(1, 38)])
        number += 37

asyncio.run(main())
"""


@pytest.mark.parametrize("reports", [1, 3, 10, 40])
def test_a_writer_killed_in_the_middle_loses_nothing_that_it_reported(tmp_path: Path, reports: int) -> None:
    folder = RunFolder(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, folder.path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        durable = [int(writer.stdout.readline()) for _ in range(reports)][-1]
        writer.kill()

    async def reopened() -> int:
        log = SpoolWriter(folder, Quota())
        await log.open({"sequence": durable})
        await log.close()
        return log.last

    last = asyncio.run(reopened())
    numbers = [orjson.loads(text)["n"] for text in read_all(folder, last)]
    assert last >= durable
    assert numbers == list(range(1, last + 1))


def test_a_full_disk_is_said_and_ends_the_log(tmp_path: Path) -> None:
    code = f"""
import asyncio, resource, signal
from pathlib import Path
from scanner.errors import SinkError
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter

async def main():
    log = SpoolWriter(RunFolder(Path({str(tmp_path / "run")!r})), Quota())
    await log.open(None)
    await log.write([b'{{"n":1}}\\n'])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    for _ in range(2):
        try:
            await log.write([b'{{"n":"' + b"x" * 5000 + b'"}}\\n'])
        except SinkError as error:
            print(error)
    print(log.last)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    said = done.stdout.splitlines()
    assert "cannot be written (File too large)" in said[0]
    assert said[1] == said[0]  # it does not go on after an error of the disk
    assert said[2] == "1"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_cursor_is_kept_and_given_back(tmp_path: Path) -> None:
    cursor = Cursor("run-1", 12, 10, 3, 1, 1)
    file = tmp_path / "a.cursor"

    write_cursor(file, cursor)

    assert read_cursor(file, "run-1") == cursor
    assert read_cursor(tmp_path / "none", "run-1") == Cursor("run-1")
    assert os.listdir(tmp_path) == ["a.cursor"]  # noqa: PTH208  nothing is left beside it


_CURSOR = b'{"schema":"smtpsweep.cursor/2","run":"r","sequence":%b,"delivered":0,"duplicates":0,"dead":0,"skipped":0}'


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"schema":"smtpsweep.cursor/2","run":"r"}', b"\xff", _CURSOR % b"1", seal(_CURSOR % b"-1"),
     seal(_CURSOR % b"true"), seal(b'{"schema":"smtpsweep.cursor/2","run":"r"}')],
)  # fmt: skip
def test_a_damaged_cursor_is_refused_not_taken_for_a_beginning(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.cursor"
    file.write_bytes(content)

    with pytest.raises(StateError, match="is damaged: move it away"):
        read_cursor(file, "r")


def test_a_digit_of_a_cursor_that_changed_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.cursor"
    write_cursor(file, Cursor("r", 12, 10))
    file.write_bytes(file.read_bytes().replace(b'"sequence":12', b'"sequence":13'))

    with pytest.raises(StateError, match="is damaged: move it away"):
        read_cursor(file, "r")


def test_the_cursor_of_an_earlier_version_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a.cursor"
    file.write_bytes((_CURSOR % b"5").replace(b"cursor/2", b"cursor/1"))

    with pytest.raises(StateError, match="is of an earlier version: move it away"):
        read_cursor(file, "r")


def test_the_cursor_of_another_run_is_refused(tmp_path: Path) -> None:
    write_cursor(tmp_path / "a.cursor", Cursor("one", 5))

    with pytest.raises(StateError, match="belongs to another run"):
        read_cursor(tmp_path / "a.cursor", "two")


def test_a_folder_that_is_no_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder of a run"):
        RunFolder(tmp_path).description()
    (tmp_path / "run.json").write_text('{"schema": "other"}')
    with pytest.raises(InputError, match="is not of schema"):
        RunFolder(tmp_path).description()


def test_the_run_of_an_earlier_version_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": "smtpsweep.run-log/1", "run": "r"}')
    with pytest.raises(InputError, match="is the run of an earlier version"):
        RunFolder(tmp_path).description()
