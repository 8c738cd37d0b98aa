"""Claims about files that a sweep goes on in: it believes what they vouch for, byte by byte, and nothing else."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from scanner.delivery import FileSink, Position, SinkOptions
from scanner.errors import InputError
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.saved_state import Positions
from tests.support.sink_files import NAMES, lines, written
from tests.support.state_files import read as read_state
from tests.support.state_files import running

ROTATED = SinkOptions(rotate_size=300)


async def swept(folder: Path, name: str, options: SinkOptions | None = None) -> list[Position]:
    """Write four batches of four lines, with a state of which the last compaction is at the beginning."""
    sink = FileSink(folder / name, options)
    await sink.open(None)
    await sink.write(())
    positions = []
    with running(folder / "state") as run:
        for batch in range(4):
            await sink.write(lines(4 * batch, 4))
            position = sink.position()
            assert position is not None
            positions.append(position)
            run.done(*range(4 * batch, 4 * batch + 4), sinks={"0:out": position})
    await sink.close()
    return positions


def believed(folder: Path, name: str, options: SinkOptions | None = None) -> int:
    """Return how many targets a sweep that goes on takes for done."""
    sink, saved = FileSink(folder / name, options), read_state(folder / "state")

    def vouched(positions: Positions) -> bool:
        position = positions.get("0:out")
        return position is None or sink.vouches(position)

    async def open_and_close() -> int:
        try:
            await sink.open(saved.last_positions().get("0:out"))
            return saved.restore(Ledger(1000, 0), {"0:out": sink.position()}, vouched).progress.done_count
        finally:
            await sink.close()

    return asyncio.run(open_and_close())


@pytest.mark.parametrize("options", [None, ROTATED], ids=["one file", "parts"])
@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_untouched_vouch_for_everything(tmp_path: Path, name: str, options: SinkOptions | None) -> None:
    asyncio.run(swept(tmp_path, name, options))

    assert believed(tmp_path, name, options) == 16


@pytest.mark.parametrize("name", NAMES)
def test_a_shorter_file_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    """It was taken for the first part of ours: 267 of 1,024 hosts were missing, and the sweep was complete."""
    positions = asyncio.run(swept(tmp_path, name))
    other = b"x" * (int(positions[1]["bytes"]) + 9)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(other)

    with pytest.raises(InputError, match="does not hold what the sweep wrote: put that file back"):
        believed(tmp_path, name)
    assert (tmp_path / name).read_bytes() == other


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: [*whole[:5], *whole[6:]],
        lambda whole: [*whole[:5], whole[5].replace(b'"n":5', b'"n":6'), *whole[6:]],
        lambda whole: [*whole[:5], *whole[6:], whole[5]],
        lambda whole: [*whole[:5], *whole[6:], *lines(99, 1)],
    ],
    ids=["deleted", "changed", "moved", "deleted and made up for"],
)
def test_a_line_in_the_middle_that_is_not_what_it_was_is_refused(
    tmp_path: Path, damage: Callable[[Sequence[bytes]], list[bytes]]
) -> None:
    asyncio.run(swept(tmp_path, "out.jsonl"))
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))

    with pytest.raises(InputError, match="does not hold what the sweep wrote"):
        believed(tmp_path, "out.jsonl")


def test_a_line_that_is_gone_from_the_last_batch_takes_that_batch_out_of_belief(tmp_path: Path) -> None:
    asyncio.run(swept(tmp_path, "out.jsonl"))
    path = tmp_path / "out.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:13] + whole[14:]))

    assert believed(tmp_path, "out.jsonl") == 12


def test_an_earlier_part_that_was_changed_is_refused(tmp_path: Path) -> None:
    asyncio.run(swept(tmp_path, "out.jsonl", ROTATED))
    part = tmp_path / "out.0001.jsonl"
    part.write_bytes(part.read_bytes().replace(b'"x":"', b'"y":"', 1))

    with pytest.raises(InputError, match="does not hold what the sweep wrote"):
        believed(tmp_path, "out.jsonl", ROTATED)


def test_parts_that_changed_places_are_refused(tmp_path: Path) -> None:
    asyncio.run(swept(tmp_path, "out.jsonl", ROTATED))
    for source, target in (("out.0001", "other"), ("out.0002", "out.0001"), ("other", "out.0002")):
        shutil.move(tmp_path / f"{source}.jsonl", tmp_path / f"{target}.jsonl")

    with pytest.raises(InputError, match="does not hold what the sweep wrote"):
        believed(tmp_path, "out.jsonl", ROTATED)


async def test_what_was_there_before_is_not_summed_up(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await written(path, lines(0, 9))
    before = path.stat().st_size
    position = await written(path, lines(20, 2), options=SinkOptions(if_exists="append"))
    assert position is not None
    assert (position["start_part"], position["start"]) == (0, before)

    path.write_bytes(path.read_bytes().replace(b'"n":3', b'"n":4', 1))
    sink = FileSink(path)
    await sink.open(position)
    assert sink.position() == position
    await sink.close()

    path.write_bytes(path.read_bytes().replace(b'"n":20', b'"n":40', 1))
    with pytest.raises(InputError, match="does not hold what the sweep wrote"):
        await FileSink(path).open(position)


async def test_positions_may_be_asked_for_again_and_a_part_that_is_missing_vouches_for_nothing(tmp_path: Path) -> None:
    positions = await swept(tmp_path, "out.jsonl", ROTATED)
    sink = FileSink(tmp_path / "out.jsonl", ROTATED)
    await sink.open(positions[-1])

    assert [sink.vouches(positions[n]) for n in (3, 0, 2)] == [True] * 3
    assert not sink.vouches({"part": 99, "bytes": 1, "crc": "00000000"})
    await sink.close()


async def test_before_the_place_where_the_sweep_began_nothing_is_vouched_for(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await written(path, lines(0, 9))
    position = await written(path, lines(20, 2), options=SinkOptions(if_exists="append"))
    assert position is not None
    sink = FileSink(path)
    await sink.open(position)

    assert not sink.vouches(position | {"bytes": 3})
    await sink.close()


async def test_a_part_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    positions = await swept(tmp_path, "out.jsonl", ROTATED)
    sink = FileSink(tmp_path / "out.jsonl", ROTATED)
    await sink.open(positions[-1])
    (tmp_path / "out.jsonl").unlink()
    (tmp_path / "out.jsonl").mkdir()

    with pytest.raises(InputError, match=r"out\.jsonl: cannot be written: Is a directory"):
        sink.vouches(positions[0])
    await sink.close()


async def test_a_position_from_before_the_first_record_claims_nothing_and_is_believed(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out.jsonl")
    await sink.open(None)
    nothing = sink.position()
    await sink.write(lines(0, 2))
    await sink.close()
    again = FileSink(tmp_path / "out.jsonl")
    await again.open(sink.position())

    assert nothing == {"part": 0, "bytes": 0}
    assert again.vouches(nothing)
    assert not again.vouches(nothing | {"bytes": 10_000, "crc": "00000000"})
    await again.close()
