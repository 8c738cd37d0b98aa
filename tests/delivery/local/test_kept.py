"""Claims about outputs that somebody removes, replaces or cuts while they are written: it is said, never believed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from scanner.delivery import FileSink, SinkOptions, StdoutSink
from scanner.delivery.sink import identity_of
from scanner.errors import InputError, SinkError
from tests.support.sink_files import NAMES, lines


def replace(path: Path) -> None:
    """Put another file of the same content in its place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


WAYS = [(Path.unlink, "removed"), (replace, "replaced"), (empty, "cut from"), (shorten, "cut from")]
IDS = ["removed", "replaced", "emptied", "shortened"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("way", "word"), WAYS, ids=IDS)
async def test_a_file_that_is_not_what_was_written_takes_no_more(
    tmp_path: Path, name: str, way: Callable[[Path], None], word: str
) -> None:
    path, sink = tmp_path / name, FileSink(tmp_path / name)
    await sink.open(None)
    await sink.write(lines(0, 5))
    known = sink.position()
    way(path)

    with pytest.raises(SinkError, match=f"{name}: was {word}"):
        await sink.write(lines(5, 5))
    assert sink.position() == known
    with pytest.raises(SinkError, match=f"{name}: was {word}"):
        await sink.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("way", "word"), WAYS, ids=IDS)
async def test_a_file_is_looked_at_once_more_at_the_end(
    tmp_path: Path, name: str, way: Callable[[Path], None], word: str
) -> None:
    sink = FileSink(tmp_path / name)
    await sink.open(None)
    await sink.write(lines(0, 5))
    way(tmp_path / name)

    with pytest.raises(SinkError, match=f"{name}: was {word}.* while the sweep wrote it, and records with it"):
        await sink.close()
    await sink.close()  # harmless


@pytest.mark.parametrize("part", ["sweep", "sweep.0001"])
@pytest.mark.parametrize("way", [Path.unlink, replace, empty, shorten], ids=IDS)
async def test_a_part_that_is_written_no_more_is_looked_at_too(
    tmp_path: Path, part: str, way: Callable[[Path], None]
) -> None:
    sink = FileSink(tmp_path / "sweep", SinkOptions(rotate_size=4))
    await sink.open(None)
    await sink.write([b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"])
    way(tmp_path / part)
    await sink.write([b"f\n"])

    with pytest.raises(SinkError, match=rf"/{part}: was (removed|replaced or cut) while the sweep wrote it"):
        await sink.close()


async def test_a_part_that_was_removed_before_the_next_began_is_found_then(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "sweep", SinkOptions(rotate_size=4))
    await sink.open(None)
    await sink.write([b"a\n", b"b\n"])
    (tmp_path / "sweep").unlink()

    with pytest.raises(SinkError, match="/sweep: was removed"):
        await sink.write([b"c\n", b"d\n"])
    with pytest.raises(SinkError, match="/sweep: was removed"):
        await sink.close()


async def test_what_others_add_to_a_file_is_no_harm(tmp_path: Path) -> None:
    path, sink = tmp_path / "sweep", FileSink(tmp_path / "sweep")
    await sink.open(None)
    await sink.write([b"a\n"])
    with path.open("ab") as other:
        other.write(b"x\n")
    await sink.write([b"b\n"])
    await sink.close()

    assert path.read_bytes() == b"a\nx\nb\n"


async def test_an_output_is_told_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")

    assert identity_of(FileSink(tmp_path / "a" / ".." / "out")) == str(tmp_path / "out")
    assert identity_of(FileSink(tmp_path / "link")) == str(tmp_path / "out")


class Redirected:
    """Standard output that is a file."""

    def __init__(self, path: Path, flags: int = os.O_APPEND) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
        self.sink = StdoutSink(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


@pytest.mark.parametrize("flags", [os.O_APPEND, 0], ids=[">>", ">"])
@pytest.mark.parametrize("way", [Path.unlink, replace, empty], ids=["removed", "replaced", "emptied"])
async def test_a_file_behind_standard_output_is_looked_at(
    tmp_path: Path, flags: int, way: Callable[[Path], None]
) -> None:
    with Redirected(tmp_path / "out", flags) as out:
        await out.sink.open(None)
        await out.sink.write([b"a\n"])
        way(out.path)

        with pytest.raises(SinkError, match=r"stdout: was (removed|cut from 2 to 0 bytes) while the sweep wrote it"):
            await out.sink.write([b"b\n"])
        with pytest.raises(SinkError, match="stdout: was "):
            await out.sink.close()


async def test_a_file_without_a_name_may_be_standard_output(tmp_path: Path) -> None:
    with Redirected(tmp_path / "out") as out:
        out.path.unlink()
        await out.sink.open(None)
        await out.sink.write([b"a\n"])
        await out.sink.close()
        assert os.fstat(out.fd).st_size == 2


async def test_standard_output_goes_on_in_the_same_file_and_cuts_a_torn_line(tmp_path: Path) -> None:
    with Redirected(tmp_path / "out") as out:
        await out.sink.open(None)
        await out.sink.write([b"a\n"])
        position = out.sink.position()
        await out.sink.close()
        os.write(out.fd, b"summary\nto")
    with Redirected(tmp_path / "out", 0) as out:
        await out.sink.open(position)
        assert out.sink.position() == {**(position or {}), "bytes": 10}
        await out.sink.write([b"b\n"])
        await out.sink.close()

    assert (tmp_path / "out").read_bytes() == b"a\nsummary\nb\n"


@pytest.mark.parametrize("change", [{"bytes": 3}, {"inode": 1}, {"bytes": "many"}], ids=["emptied", "another", "odd"])
async def test_standard_output_that_does_not_hold_the_first_records_is_refused(
    tmp_path: Path, change: dict[str, int | str]
) -> None:
    with Redirected(tmp_path / "out") as out:
        await out.sink.open(None)
        await out.sink.write([b"a\n"])
        position = {**(out.sink.position() or {}), **change}
        await out.sink.close()

        with pytest.raises(InputError, match="stdout: is not the file with the first records of the sweep"):
            await out.sink.open(position)


def test_standard_output_is_told_by_its_kind(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with Redirected(tmp_path / "out") as out, open(os.devnull, "wb") as null:  # noqa: PTH123  a descriptor
        kinds = [identity_of(StdoutSink(fd)) for fd in (out.fd, writing, null.fileno(), 9999)]
    os.close(reading)
    os.close(writing)

    assert kinds == ["stdout (file)", "stdout (pipe)", "stdout (device)", "stdout"]


def test_a_sweep_whose_output_is_removed_is_never_complete(tmp_path: Path) -> None:
    """The whole command: exit code 3, and the file is named."""
    code = (
        "import sys; from pathlib import Path; from scanner.delivery import FileSink; write = FileSink._write\n"
        "def removing(sink, lines):\n"
        "    write(sink, lines)\n"
        "    Path('out.jsonl').unlink(missing_ok=True) if lines else None\n"
        "FileSink._write = removing; from scanner.cli.entry import main; sys.exit(main())"
    )
    arguments = (
        "sweep",
        "127.0.0.0/30",
        "-p",
        "1",
        "--all",
        "--retries",
        "0",
        "-o",
        "out.jsonl",
        "--summary",
        "s.json",
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, timeout=50, check=False,
    )  # fmt: skip

    assert done.returncode == 3
    assert b"incomplete: out.jsonl: was removed while the sweep wrote it" in done.stderr
    assert b'"complete": false' in (tmp_path / "s.json").read_bytes()
