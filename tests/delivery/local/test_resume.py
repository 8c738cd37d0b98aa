"""Claims about `scanner.delivery.local.file` after a crash, and about its parts."""

import asyncio
import gzip
import os
import random
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.delivery import FileSink, Position, SinkOptions
from scanner.errors import InputError, SinkError
from tests.support.sink_files import NAMES, lines, place, read, resumed, written


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("torn", [1, 10, 25, -1])
async def test_resuming_cuts_what_was_torn_and_goes_on(tmp_path: Path, name: str, torn: int) -> None:
    """A crash leaves the beginning of a batch after the last acknowledged one."""
    path = tmp_path / name
    position = await written(path, lines(0, 3), lines(3, 2))
    await written(tmp_path / f"next.{path.suffix}", lines(5, 1))
    with path.open("ab") as file:
        file.write((tmp_path / f"next.{path.suffix}").read_bytes()[:torn])

    reached = await resumed(path, position, lines(5, 4))

    assert reached == position
    assert read(path) == b"".join(lines(0, 3) + lines(3, 2) + lines(5, 4))


@pytest.mark.parametrize("name", NAMES)
async def test_whole_batches_that_the_checkpoint_has_not_heard_of_stay(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    early = await written(path, lines(0, 3))
    late = await resumed(path, early, lines(3, 2))
    late = await resumed(path, early)

    assert place(late) == {"part": 0, "bytes": path.stat().st_size}
    assert read(path) == b"".join(lines(0, 3) + lines(3, 2))


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_shorter_than_the_checkpoint_says_is_cut_to_whole_units_and_tells_the_truth(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    first = await written(path, lines(0, 1))
    await resumed(path, first, lines(1, 1))
    position: Position = {"part": 0, "bytes": path.stat().st_size}
    os.truncate(path, path.stat().st_size - 2)

    assert await resumed(path, position) == first
    assert read(path) == b"".join(lines(0, 1))


async def test_a_file_that_is_gone_or_empty_is_refused_and_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jsonl: is not there any more: put it back, or use a new --state"):
        await resumed(tmp_path / "gone.jsonl", {"part": 0, "bytes": 99})
    assert os.listdir(tmp_path) == []  # noqa: PTH208  names are all we need

    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match=r"empty\.jsonl: is empty, and held records of the sweep"):
        await resumed(tmp_path / "empty.jsonl", {"part": 0, "bytes": 99})


@pytest.mark.parametrize("name", NAMES)
async def test_another_file_in_its_place_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    position = await written(path, lines(0, 5))
    other = lines(5, 9)
    path.unlink()
    await written(path, other)
    before = path.read_bytes() + b"torn"
    path.write_bytes(before)

    with pytest.raises(InputError, match=f"{name}: does not hold what the sweep wrote: put that file back"):
        await resumed(path, position)
    assert path.read_bytes() == before


async def test_another_file_in_the_place_of_a_part_is_refused(tmp_path: Path) -> None:
    options = SinkOptions(rotate_size=4)
    position = await written(tmp_path / "sweep", [b"a\n", b"b\n", b"c\n"], options=options)
    assert place(position) == {"part": 1, "bytes": 2, "before": 4}
    (tmp_path / "sweep.0001").write_bytes(b"x\n")
    (tmp_path / "sweep.0002").write_bytes(b"y\n")

    with pytest.raises(InputError, match=r"sweep\.0001: does not hold what the sweep wrote"):
        await FileSink(tmp_path / "sweep", options).open(position)


async def test_a_file_that_nothing_was_written_to_may_be_gone(tmp_path: Path) -> None:
    assert await resumed(tmp_path / "new.jsonl", {"part": 0, "bytes": 0}) == {"part": 0, "bytes": 0}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda part: part.unlink(), r"sweep\.0001: is not there any more: put it back, or use a new --state"),
        (lambda part: part.write_bytes(b""), r"sweep: its earlier parts are shorter than they were"),
    ],
    ids=["gone", "empty"],
)
async def test_an_earlier_part_must_be_there_and_whole(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    options = SinkOptions(rotate_size=4)
    position = await written(tmp_path / "sweep", [b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"], options=options)
    assert place(position) == {"part": 2, "bytes": 2, "before": 8}
    damage(tmp_path / "sweep.0001")

    with pytest.raises(InputError, match=message):
        await FileSink(tmp_path / "sweep", options).open(position)


@pytest.mark.parametrize("position", [{}, {"part": "1", "bytes": -5}, {"bytes": "many"}])
async def test_a_damaged_position_is_replaced_by_what_the_file_says(tmp_path: Path, position: Position) -> None:
    path = tmp_path / "sweep.jsonl"
    true = await written(path, lines(0, 3))

    assert await resumed(path, position) == true


async def test_the_torn_line_may_be_longer_than_one_look_back(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    position = await written(path, lines(0, 2))
    with path.open("ab") as file:
        file.write(b"x" * 200_000)

    assert await resumed(path, position) == position


@pytest.mark.parametrize("name", NAMES)
def test_kill_9_at_any_moment_loses_no_acknowledged_line_and_tears_none(tmp_path: Path, name: str) -> None:
    path, moments = tmp_path / name, random.Random(name)
    position: Position | None = None
    for _ in range(3):
        acknowledged, position = _killed_writer(path, position, after=moments.randrange(1, 6))
        asyncio.run(resumed(path, position))
        numbers = [int(line.split(b",")[0].removeprefix(b'{"n":')) for line in read(path).splitlines()]

        assert read(path).endswith(b"}\n")
        assert set(range(acknowledged)) <= set(numbers)


def _killed_writer(path: Path, position: Position | None, *, after: int) -> tuple[int, Position]:
    """Run a writer, kill it some time after so many acknowledgements; return lines and position it got to."""
    command = [sys.executable, "-m", "tests.support.sink_writer", str(path), repr(position)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(after)]
        writer.kill()
        said += writer.stdout.readlines()
    count, part, size = map(int, next(line for line in reversed(said) if line.endswith("\n")).split())
    return count, {"part": part, "bytes": size}


def test_the_end_of_a_member_is_found_also_where_reading_splits_it(tmp_path: Path) -> None:
    """Members of more than one reading of 64 KiB, followed by a damaged one."""
    path = tmp_path / "sweep.jsonl.gz"
    position = asyncio.run(written(path, lines(0, 3000), lines(3000, 3000)))
    bad = bytearray(gzip.compress(b"".join(lines(6000, 3000)), mtime=0))
    bad[len(bad) // 2] ^= 0xFF
    with path.open("ab") as file:
        file.write(bad)

    with pytest.raises((zlib.error, gzip.BadGzipFile)):
        read(path)
    assert asyncio.run(resumed(path, {"part": 0, "bytes": 0})) == position
    assert read(path) == b"".join(lines(0, 3000) + lines(3000, 3000))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", NAMES)
async def test_parts_keep_below_the_size_and_split_no_line(tmp_path: Path, name: str) -> None:
    batches = [lines(n, 20) for n in range(0, 200, 20)]
    position = await written(tmp_path / name, *batches, options=SinkOptions(rotate_size=3000))
    later = [path for path in _files(tmp_path) if path.name != name]
    parts = [tmp_path / name, *later]

    assert len(parts) > 3
    assert later[0].name == name.replace("sweep", "sweep.0001")
    assert all(part.stat().st_size <= 3000 for part in parts)
    assert all(read(part).endswith(b"}\n") for part in parts)
    assert b"".join(map(read, parts)) == b"".join(b"".join(batch) for batch in batches)
    before = sum(part.stat().st_size for part in parts[:-1])
    assert place(position) == {"part": len(later), "bytes": parts[-1].stat().st_size, "before": before}


async def test_a_line_longer_than_a_part_has_a_part_of_its_own(tmp_path: Path) -> None:
    batch = [b"a\n", b"b" * 50 + b"\n", b"c\n"]
    await written(tmp_path / "sweep", batch, options=SinkOptions(rotate_size=10))

    assert [path.read_bytes() for path in _files(tmp_path)] == batch
    assert [path.name for path in _files(tmp_path)] == ["sweep", "sweep.0001", "sweep.0002"]


async def test_the_number_goes_before_the_last_suffix_only(tmp_path: Path) -> None:
    await written(tmp_path / "sweep.2026-11.jsonl", [b"a\n", b"b\n"], options=SinkOptions(rotate_size=2))

    assert (tmp_path / "sweep.2026-11.0001.jsonl").exists()


async def test_a_part_has_the_mode_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "sweep").touch()
    (tmp_path / "sweep").chmod(0o644)
    await written(tmp_path / "sweep", [b"a\n", b"b\n"], options=SinkOptions(rotate_size=2))

    assert stat.S_IMODE((tmp_path / "sweep.0001").stat().st_mode) == 0o644


@pytest.mark.parametrize("if_exists", ["refuse", "overwrite"])
async def test_parts_of_an_earlier_sweep_are_never_mixed_in_or_overwritten(tmp_path: Path, if_exists: str) -> None:
    (tmp_path / "sweep.0001").write_bytes(b"old\n")
    options = SinkOptions(rotate_size=2, if_exists="refuse" if if_exists == "refuse" else "overwrite")

    with pytest.raises(InputError, match=r"sweep\.0001 is left from an earlier output: move it away, or use --append"):
        await FileSink(tmp_path / "sweep", options).open(None)
    assert (tmp_path / "sweep.0001").read_bytes() == b"old\n"


async def test_a_part_that_somebody_else_makes_meanwhile_is_not_touched(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "sweep", SinkOptions(rotate_size=4))
    await sink.open(None)
    await sink.write([b"a\n"])
    (tmp_path / "sweep.0001").write_bytes(b"theirs\n")

    with pytest.raises(SinkError, match="File exists: somebody else made it"):
        await sink.write([b"b\n", b"c\n"])
    await sink.close()

    assert (tmp_path / "sweep.0001").read_bytes() == b"theirs\n"
    assert (tmp_path / "sweep").read_bytes() == b"a\n"


async def test_appending_goes_on_in_the_last_part(tmp_path: Path) -> None:
    await written(tmp_path / "sweep", [b"a\n", b"b\n"], options=SinkOptions(rotate_size=4))
    await written(tmp_path / "sweep", [b"c\n"], options=SinkOptions(rotate_size=2, if_exists="append"))

    assert [path.read_bytes() for path in _files(tmp_path)] == [b"a\nb\n", b"c\n"]


async def test_a_crash_after_a_part_began_resumes_in_that_part(tmp_path: Path) -> None:
    """The checkpoint still names the part before."""
    options = SinkOptions(rotate_size=4)
    await written(tmp_path / "sweep", [b"a\n", b"b\n", b"c\n"], options=options)
    with (tmp_path / "sweep.0001").open("ab") as file:
        file.write(b"torn")
    sink = FileSink(tmp_path / "sweep", options)
    await sink.open({"part": 0, "bytes": 2})
    await sink.write([])
    await sink.close()

    assert place(sink.position()) == {"part": 1, "bytes": 2, "before": 4}
    assert (tmp_path / "sweep.0001").read_bytes() == b"c\n"


async def test_a_failure_after_a_part_began_leaves_that_part_empty_and_the_one_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, real = FileSink(tmp_path / "sweep", SinkOptions(rotate_size=4)), os.write
    await sink.open(None)
    await sink.write([b"a\n"])

    def full(fd: int, data: bytes) -> int:
        if bytes(data) == b"dd\n":
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SinkError, match="No space left"):
        await sink.write([b"b\n", b"c\n", b"dd\n"])
    await sink.close()

    assert place(sink.position()) == {"part": 0, "bytes": 2}
    assert [path.read_bytes() for path in _files(tmp_path)] == [b"a\n", b"b\nc\n", b""]
