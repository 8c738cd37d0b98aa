"""Claims about `scanner.delivery.relay.run`: what a run's folder is taken for, and what is said when the disk fails."""

import errno
from pathlib import Path

import pytest

from scanner.delivery.relay.run import is_made_by_us, remove, strip, take_run
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter, read_known
from scanner.delivery.spool.index import SpoolIndex
from scanner.errors import InputError, SinkError

NOTE = b'{"schema":"smtpsweep.run/1","activity":"started"}\n'
RECORD = b'{"schema":"smtpsweep.record/1","n":1}\n'


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create()
    made.write_description({"run": "r", "sinks": [], "made": True})
    return made


async def logged(folder: RunFolder, *lines: bytes) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None, "r")
    await log.write(lines)
    await log.close()


def test_a_folder_is_ours_when_it_is_not_there_yet_or_says_so(folder: RunFolder, tmp_path: Path) -> None:
    assert is_made_by_us(RunFolder(tmp_path / "none"))
    assert is_made_by_us(folder)
    folder.write_description({"run": "r", "sinks": [], "made": False})
    assert not is_made_by_us(folder)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    assert not is_made_by_us(RunFolder(theirs))  # it would be removed with what somebody puts there


async def test_a_run_whose_records_were_given_back_is_not_taken_for_an_empty_one(folder: RunFolder) -> None:
    await logged(folder, NOTE)
    index = SpoolIndex.open(folder, "r")
    index.removed(1)
    index.close()

    with pytest.raises(InputError, match="holds a run already"):
        take_run(folder, None, "fresh", {"sinks": []})


async def test_a_log_that_cannot_be_read_is_not_taken_for_an_empty_one(folder: RunFolder) -> None:
    await logged(folder, NOTE)
    (folder.path / "log.index").unlink()
    (folder.path / "log.index").mkdir()

    with pytest.raises(InputError, match=r"run: cannot be read \(.+\)$"):
        take_run(folder, None, "fresh", {"sinks": []})
    assert folder.description()["run"] == "r"


async def test_a_run_that_cannot_be_described_is_not_begun(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    await logged(folder, NOTE)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("scanner.delivery.spool.folder.write_whole", full)
    with pytest.raises(SinkError, match=r"run: cannot be written \(No space left on device\)$"):
        take_run(folder, None, "fresh", {"sinks": []})


async def test_what_cannot_be_removed_is_said_and_the_removal_can_be_finished_later(folder: RunFolder) -> None:
    await logged(folder, RECORD)
    in_the_way = folder.segment(9)
    in_the_way.mkdir()

    with pytest.raises(SinkError, match=r"run: its records cannot be removed \(.+\)$"):
        strip(folder, "r", 1)
    with pytest.raises(SinkError, match=r"run: cannot be removed \(.+\)$"):
        remove(folder)
    assert folder.description()["removing"] is True
    in_the_way.rmdir()
    assert remove(folder) == []
    assert not folder.path.exists()


async def test_records_that_could_not_be_stripped_are_known_to_be_given_back(folder: RunFolder) -> None:
    """The index is written first: whatever is left of them is not missed, and not sent again."""
    await logged(folder, RECORD, RECORD)
    folder.segment(1).rename(folder.segment(5))
    folder.segment(1).mkdir()
    with pytest.raises(SinkError, match="cannot be removed"):
        strip(folder, "r", 2)

    known = read_known(folder, "r")
    assert (known.removed, known.last) == (2, 2)


async def test_records_without_a_description_are_not_written_over(folder: RunFolder) -> None:
    await logged(folder, RECORD)
    (folder.path / "run.json").unlink()
    before = (folder.path / "log.index").read_bytes()

    with pytest.raises(InputError, match=r"run: holds records, but no run\.json: name another folder with --run$"):
        take_run(folder, None, "fresh", {"sinks": []})
    assert (folder.path / "log.index").read_bytes() == before


def test_a_run_that_cannot_be_begun_is_not_described(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (folder.path / "log.last").mkdir()

    with pytest.raises(SinkError, match=r"run: cannot be written \(.+\)$"):
        take_run(folder, None, "fresh", {"sinks": []})
    assert not (folder.path / "run.json").exists()


async def test_a_run_whose_index_is_gone_is_not_taken_over(folder: RunFolder) -> None:
    await logged(folder, NOTE)
    for name in ("log.index", "log.last", folder.segment(1).name):
        (folder.path / name).unlink()

    with pytest.raises(InputError, match="holds a run already"):
        take_run(folder, None, "fresh", {"sinks": []})
