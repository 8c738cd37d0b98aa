"""Claims about `-o` and what somebody else has prepared in its place: nobody else reads it, nothing else is harmed."""

import os
from pathlib import Path
from typing import Literal

import pytest

from scanner.delivery import FileSink, SinkOptions
from scanner.errors import InputError
from tests.support.foreign_files import give_away, mode_of, names_in

LINE = b'{"a":1}\n'


async def write(path: Path, options: SinkOptions | None = None) -> None:
    sink = FileSink(path, options)
    await sink.open(None)
    await sink.write([LINE])
    await sink.close()


@pytest.mark.root
@pytest.mark.parametrize("content", [b"", LINE])
@pytest.mark.parametrize("if_exists", ["refuse", "append", "overwrite"])
async def test_a_file_of_another_user_is_refused_for_root_too(
    tmp_path: Path, content: bytes, if_exists: Literal["refuse", "append", "overwrite"]
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(content)
    give_away(out).chmod(0o666)
    with pytest.raises(InputError, match=r"out\.jsonl: cannot be written: it belongs to another user \(uid 65534\)"):
        await write(out, SinkOptions(if_exists=if_exists))
    assert out.read_bytes() == content


@pytest.mark.root
async def test_a_fifo_of_another_user_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    give_away(tmp_path / "pipe").chmod(0o666)
    with pytest.raises(InputError, match="belongs to another user"):
        await write(tmp_path / "pipe")
    os.close(reader)


@pytest.mark.root
async def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "out.jsonl").symlink_to("victim")
    give_away(tmp_path / "out.jsonl")
    with pytest.raises(InputError, match="belongs to another user"):
        await write(tmp_path / "out.jsonl")
    assert (tmp_path / "victim").read_bytes() == b""


async def test_a_link_that_leads_nowhere_makes_no_file_there(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").symlink_to("elsewhere")
    with pytest.raises(InputError, match="it is a symbolic link that leads nowhere"):
        await write(tmp_path / "out.jsonl")
    assert names_in(tmp_path) == ["out.jsonl"]


async def test_a_link_of_ours_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").touch(mode=0o640)
    (tmp_path / "out.jsonl").symlink_to("real")
    await write(tmp_path / "out.jsonl")
    assert (tmp_path / "real").read_bytes() == LINE
    assert mode_of(tmp_path / "real") == 0o640


@pytest.mark.parametrize("mask", [0o022, 0o000])
async def test_parts_are_their_owners_only_and_follow_no_link(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        sink = FileSink(tmp_path / "out.jsonl", SinkOptions(rotate_size=10))
        await sink.open(None)
        await sink.write([LINE])
        (tmp_path / "out.0002.jsonl").symlink_to("victim")
        await sink.write([LINE])
        with pytest.raises(Exception, match="somebody else made it"):
            await sink.write([LINE])
        await sink.close()
    finally:
        os.umask(before)
    assert names_in(tmp_path) == ["out.0001.jsonl", "out.0002.jsonl", "out.jsonl"]
    assert [mode_of(tmp_path / name) for name in ("out.jsonl", "out.0001.jsonl")] == [0o600, 0o600]


async def test_a_file_that_somebody_else_put_in_its_place_is_not_removed(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out.jsonl")
    await sink.open(None)
    (tmp_path / "theirs").write_bytes(b"precious")
    (tmp_path / "theirs").replace(tmp_path / "out.jsonl")
    await sink.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b"precious"


@pytest.mark.root
@pytest.mark.parametrize("name", ["link/out.jsonl", "link/below/out.jsonl"])
async def test_a_link_of_another_user_on_the_way_is_not_followed(tmp_path: Path, name: str) -> None:
    """In a folder that all may write, somebody's link to a folder led root anywhere."""
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    await write(tmp_path / name)
    (tmp_path / name).unlink()
    give_away(tmp_path / "link")

    with pytest.raises(InputError, match=r"cannot be written: it belongs to another user \(uid 65534\)"):
        await write(tmp_path / name)
    assert not (tmp_path / name).exists()


async def test_a_file_on_the_way_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="cannot be written"):
        await write(tmp_path / "file" / "below" / "out.jsonl")
