"""Claims about `scanner.delivery.local.file` and its descriptors: whole lines, and what may be written where."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from scanner.delivery import FileSink, SinkOptions
from scanner.delivery.local.descriptor import printable
from scanner.errors import InputError, SinkError
from tests.support.sink_files import NAMES, lines, place, read, written


@pytest.mark.parametrize("name", NAMES)
async def test_every_acknowledged_batch_can_be_read_at_once(tmp_path: Path, name: str) -> None:
    path, sink, expected = tmp_path / name, FileSink(tmp_path / name), b""
    await sink.open(None)
    for batch in (lines(0, 1), lines(1, 100), lines(101, 7)):
        await sink.write(batch)
        expected += b"".join(batch)

        assert read(path) == expected
        assert place(sink.position()) == {"part": 0, "bytes": path.stat().st_size}

    await sink.close()
    assert read(path) == expected


async def test_a_batch_larger_than_a_block_is_written_whole(tmp_path: Path) -> None:
    batch = lines(0, 1500, size=2000)
    await written(tmp_path / "sweep.jsonl.gz", batch)

    assert read(tmp_path / "sweep.jsonl.gz") == b"".join(batch)


async def test_the_same_records_make_the_same_compressed_bytes(tmp_path: Path) -> None:
    await written(tmp_path / "a.gz", lines(0, 9))
    await written(tmp_path / "b.gz", lines(0, 9))

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


async def test_writes_of_which_the_kernel_takes_a_part_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    await written(tmp_path / "sweep.jsonl", lines(0, 3))

    assert read(tmp_path / "sweep.jsonl") == b"".join(lines(0, 3))


@pytest.mark.parametrize("name", NAMES)
async def test_after_a_failed_write_the_file_ends_where_it_was_acknowledged(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sink, real = tmp_path / name, FileSink(tmp_path / name), os.write
    await sink.open(None)
    await sink.write(lines(0, 5))
    acknowledged = sink.position()
    taken: list[int] = []

    def failing(fd: int, data: bytes) -> int:
        if taken:
            raise OSError(5, "I/O error")
        taken.append(real(fd, data[: len(data) // 2]))
        return taken[0]

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(SinkError, match=rf"^{path}: cannot write: Input/output error: the device fails"):
        await sink.write(lines(5, 50))
    monkeypatch.undo()
    await sink.close()

    assert taken[0] > 0
    assert read(path) == b"".join(lines(0, 5))
    assert sink.position() == acknowledged


async def test_a_disk_that_loses_what_it_took_is_reported_at_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(tmp_path / "sweep.jsonl")
    await sink.open(None)
    monkeypatch.setattr(os, "fsync", _no_space)

    with pytest.raises(SinkError, match="No space left on device: free some space, then run it again "):
        await sink.close()


def _no_space(_fd: int) -> None:
    raise OSError(28, "No space left on device")


async def test_a_sink_that_is_not_open_takes_nothing_and_closes_without_harm(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "sweep.jsonl")
    await sink.close()

    with pytest.raises(SinkError, match="is not open"):
        await sink.write(lines(0, 1))
    assert sink.position() is None


async def test_a_new_file_is_for_its_owner_only_and_one_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared.jsonl").touch(0o640)
    (tmp_path / "shared.jsonl").chmod(0o640)
    await written(tmp_path / "new.jsonl", lines(0, 1))
    await written(tmp_path / "shared.jsonl", lines(0, 1))

    assert stat.S_IMODE((tmp_path / "new.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "shared.jsonl").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_with_something_in_it_is_refused_with_advice_and_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    await written(path, lines(0, 2))
    before = path.read_bytes()

    with pytest.raises(InputError, match="exists and is not empty: use --append, --overwrite, or --state to resume"):
        await FileSink(path).open(None)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", NAMES)
async def test_appending_adds_and_overwriting_begins_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    await written(path, lines(0, 2))
    await written(path, lines(2, 2), options=SinkOptions(if_exists="append"))
    added = read(path)
    await written(path, lines(9, 1), options=SinkOptions(if_exists="overwrite"))

    assert added == b"".join(lines(0, 2) + lines(2, 2))
    assert read(path) == b"".join(lines(9, 1))


@pytest.mark.parametrize("name", NAMES)
async def test_opening_and_closing_changes_nothing_until_the_first_write(tmp_path: Path, name: str) -> None:
    """The first write has no lines; a sweep that another output refuses does not get so far."""
    path, overwrite = tmp_path / name, SinkOptions(if_exists="overwrite")
    assert await written(path) == {"part": 0, "bytes": 0}
    assert not path.exists()
    await written(path, lines(0, 2))
    whole = path.read_bytes()
    assert await written(path, options=overwrite) == {"part": 0, "bytes": 0}
    assert path.read_bytes() == whole
    assert place(await written(path, options=SinkOptions(if_exists="append"))) == {"part": 0, "bytes": len(whole)}
    assert path.read_bytes() == whole
    assert await written(path, [], options=overwrite) == {"part": 0, "bytes": 0}
    assert path.read_bytes() == b""


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_appended_to_a_torn_file_and_nothing_cut_from_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    await written(path, lines(0, 2), lines(2, 2))
    torn = path.read_bytes()[:-3]
    path.write_bytes(torn)

    with pytest.raises(InputError, match="ends inside a line or block: repair it, or resume with its --state"):
        await FileSink(path, SinkOptions(if_exists="append")).open(None)
    assert path.read_bytes() == torn


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("missing/sweep.jsonl", "No such file or directory: the directory does not exist: create it first"),
        ("a_file/sweep.jsonl", "Not a directory: a part of the path is not a directory"),
        (".", "Is a directory: name a file, not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
async def test_a_place_that_cannot_be_written_is_refused_in_one_line(
    tmp_path: Path, place: str, complaint: str
) -> None:
    (tmp_path / "a_file").touch()
    path = tmp_path / place

    with pytest.raises(InputError) as caught:
        await FileSink(path).open(None)
    assert str(caught.value) == f"{path}: cannot be written: {complaint}"


async def test_one_file_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = FileSink(tmp_path / "sweep.jsonl")
    await first.open(None)

    with pytest.raises(InputError, match="it is being written already, by another process or another -o"):
        await FileSink(tmp_path / "sweep.jsonl").open(None)

    await first.close()
    await written(tmp_path / "sweep.jsonl", lines(0, 1))


async def test_a_refused_open_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    await written(path, lines(0, 1))
    await asyncio.to_thread(os.getpid)  # the pool's first thread may open descriptors of its own
    before = _open_descriptors()
    with pytest.raises(InputError):
        await FileSink(path).open(None)

    assert _open_descriptors() == before


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_can_never_be_a_path_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="is not a path"):
        FileSink(path)


async def test_a_name_that_would_move_the_cursor_is_written_out(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a\x1b[2J\udcff")
    await sink.open(None)
    await sink.close()

    assert "\\x1b[2J\\udcff" in sink.name
    assert sink.name.isprintable()
    assert printable("ä b") == "ä b"
