"""Claims about `delivery.spool.folder`: what a run's folder is, who may work on it, and one line when it cannot be."""

from pathlib import Path

import pytest

from scanner.delivery.spool import RunFolder, read_cursor
from scanner.delivery.spool.description import SCHEMA
from scanner.delivery.spool.line import framed, run_key, unframed
from scanner.errors import InputError, StateError
from scanner.files.sealed import seal


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    one = RunFolder(tmp_path / "run")
    one.create()
    return one


def test_it_is_its_owners_alone_and_made_again_it_stays(folder: RunFolder) -> None:
    folder.write_description({"run": "r", "sinks": []})
    folder.create()

    assert [path.stat().st_mode & 0o777 for path in (folder.path, folder.sinks)] == [0o700, 0o700]
    assert folder.description() == {"schema": SCHEMA, "run": "r", "sinks": []}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/run: cannot be made \(Not a directory\)"):
        RunFolder(tmp_path / "file" / "run").create()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "is not a folder of a run: it has no run.json"),
        (b"{", "run.json: cannot be read"),
        (b"[]", f"run.json: is not of schema {SCHEMA}"),
        (b"{}", f"run.json: is not of schema {SCHEMA}"),
        (b'{"schema":"smtpsweep.run-log/1"}', "is the run of an earlier version"),
    ],
)
def test_what_is_no_run_is_said_to_be_none(folder: RunFolder, content: bytes | None, problem: str) -> None:
    if content is not None:
        (folder.path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=problem):
        folder.description()


def test_a_description_that_is_a_folder_cannot_be_read(folder: RunFolder) -> None:
    (folder.path / "run.json").mkdir()
    with pytest.raises(InputError, match=r"run\.json: cannot be read .*it is a folder"):
        folder.description()


def test_two_may_work_on_it_when_they_do_different_things_but_not_the_same(folder: RunFolder) -> None:
    with folder.locked("log"), folder.locked("relay"), pytest.raises(InputError, match=r"at work on it \(log\.lock\)"):
        folder.locked("log").__enter__()
    with folder.locked("log"):
        pass


def test_a_lock_that_cannot_be_used_is_an_error(folder: RunFolder) -> None:
    (folder.path / "log.lock").mkdir()
    with pytest.raises(InputError, match=r"log\.lock cannot be used \(Is a directory\)"), folder.locked("log"):
        pass


def test_only_segments_are_segments(folder: RunFolder) -> None:
    for first in (11, 1):
        folder.segment(first).touch()
    (folder.path / "records-1.jsonl").touch()
    (folder.path / "records-000000000007.jsonl.new").touch()

    assert folder.segments() == [1, 11]


def test_a_cursor_that_cannot_be_read_is_an_error_that_says_what_to_do(folder: RunFolder) -> None:
    (folder.sinks / "siem.cursor").mkdir()
    with pytest.raises(StateError, match=r"siem\.cursor: cannot be read .*: move it away to send everything again"):
        read_cursor(folder.sinks / "siem.cursor", "run-1")


def test_a_line_of_the_log_comes_back_with_its_run_and_number_and_a_stranger_is_told() -> None:
    assert unframed(framed(b'{"a":1}', run_key("run-1"), 7)) == (run_key("run-1"), 7, b'{"a":1}')
    with pytest.raises(ValueError, match="it has no number"):
        unframed(seal(b'{"a":1}'))
