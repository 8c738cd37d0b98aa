"""Claims about a run whose books (index, `log.last`, segments) were emptied or taken away: it is never complete."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.delivery.spool import Cursor, Quota, RunFolder, SpoolWriter, read_known, write_cursor
from scanner.delivery.spool.index import begin_index

SINK = {"name": "siem", "url": "syslog+tcp://127.0.0.1:9", "shown": "syslog+tcp://127.0.0.1:9", "policy": "spool"}
BOOKS = ("log.index", "log.last", "records-000000000001.jsonl")
BOTH = [(*few,) for count in (1, 2, 3) for few in combinations(BOOKS, count)]


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.fixture
async def folder(tmp_path: Path) -> RunFolder:
    """A run of three records that its sink has all got."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    begin_index(folder, "r")
    folder.write_description({"run": "r", "sinks": [SINK], "made": True})
    log = SpoolWriter(folder, Quota())
    await log.open(None, "r")
    await log.write([b'{"n":1}\n'] * 3)
    await log.close()
    return folder


def test_a_run_whose_sink_has_everything_is_removed(folder: RunFolder) -> None:
    write_cursor(folder.sinks / "siem.cursor", Cursor("r", 3, delivered=3))

    assert run(["replay", str(folder.path)]) == 0
    assert not folder.path.exists()


@pytest.mark.parametrize("change", [empty, Path.unlink])
@pytest.mark.parametrize("which", BOTH, ids=str)
def test_a_run_whose_books_are_gone_is_not_delivered(
    folder: RunFolder, which: tuple[str, ...], change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    if which == BOOKS[2:]:  # the index misses what was in it: another test's
        return
    for name in which:
        change(folder.path / name)
    left = {path.name for path in folder.path.iterdir()}

    assert run(["replay", str(folder.path), "--drain", "0.1"]) == 3
    assert "the log was changed: delivery cannot be verified" in capsys.readouterr().err
    assert {path.name for path in folder.path.iterdir()} >= left
    assert read_known(folder, "r").trouble


def test_a_run_that_never_began_is_not_one_whose_every_sink_has_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    begin_index(folder, "r")
    folder.write_description({"run": "r", "sinks": [SINK], "made": True})

    assert run(["replay", str(folder.path)]) == 3
    assert "the log holds nothing: delivery cannot be verified" in capsys.readouterr().err
    assert folder.path.exists()


@pytest.mark.parametrize("content", [b"", b"{}\n", b"x" * 40])
async def test_a_sweep_that_goes_on_does_not_forget_that_the_log_was_changed(folder: RunFolder, content: bytes) -> None:
    (folder.path / "log.last").write_bytes(content)
    trouble = f"log.last is {'damaged' if content else 'empty'}: the log was changed"
    assert read_known(folder, "r").trouble == [trouble]

    log = SpoolWriter(folder, Quota())
    await log.open({"sequence": 3}, "r")
    await log.close()

    assert (folder.path / "log.last").read_bytes() != content
    assert read_known(folder, "r").trouble == [trouble]
