"""Claims about who may have made what is in the folder of a run: nobody but us."""

import os
from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.spool import Cursor, Quota, RunFolder, SpoolReader, SpoolWriter, last_record, write_cursor
from scanner.errors import InputError, SinkError
from tests.support.foreign_files import give_away, modes_below

LETTER = DeadLetter(1, "event", "too large", b'{"a":1}')


async def written(folder: RunFolder) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None)
    await log.write([b"{}\n"])
    await log.close()


@pytest.mark.parametrize("mask", [0o022, 0o000])
async def test_all_of_a_run_is_its_owners_only(tmp_path: Path, mask: int) -> None:
    folder = RunFolder(tmp_path / "above" / "run")
    before = os.umask(mask)
    try:
        await written(folder)
        folder.write_description({"run": "r", "sinks": []})
        write_cursor(folder.sinks / "a.cursor", Cursor(run="r", sequence=1))
        dead_letters.keep(folder.sinks / "a.dead.jsonl", [LETTER])
    finally:
        os.umask(before)
    assert modes_below(tmp_path) == {
        "above": 0o700,
        "above/run": 0o700,
        "above/run/log.index": 0o600,
        "above/run/log.last": 0o600,
        "above/run/log.lock": 0o600,
        "above/run/records-000000000001.jsonl": 0o600,
        "above/run/run.json": 0o600,
        "above/run/sinks": 0o700,
        "above/run/sinks/a.cursor": 0o600,
        "above/run/sinks/a.dead.jsonl": 0o600,
    }


@pytest.mark.root
@pytest.mark.parametrize("which", ["run", "run/sinks"])
async def test_a_folder_of_another_user_is_not_used(tmp_path: Path, which: str) -> None:
    (tmp_path / "run" / "sinks").mkdir(parents=True)
    give_away(tmp_path / which).chmod(0o777)
    with pytest.raises(InputError, match=r"run: cannot be made \(it belongs to another user \(uid 65534\)\)"):
        await written(RunFolder(tmp_path / "run"))
    assert list(modes_below(tmp_path)) == ["run", "run/sinks"]


@pytest.mark.root
@pytest.mark.parametrize("name", ["log.lock", "log.index", "log.last", "records-000000000001.jsonl"])
@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
async def test_a_file_that_somebody_prepared_in_it_is_not_written(tmp_path: Path, name: str, kind: str) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (tmp_path / "victim").write_bytes(b"precious, and without a line end")
    match kind:
        case "link":
            (folder.path / name).symlink_to(tmp_path / "victim")
        case "fifo":
            os.mkfifo(folder.path / name)
        case _:
            (folder.path / name).write_bytes(b"theirs, and torn")
            give_away(folder.path / name)
    with pytest.raises((InputError, SinkError), match=r"symbolic link|another user|not a regular file"):
        await written(folder)
    assert (tmp_path / "victim").read_bytes() == b"precious, and without a line end"
    assert kind != "file" or (folder.path / name).read_bytes() == b"theirs, and torn"


def test_a_link_in_the_place_of_a_cursor_or_description_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (tmp_path / "victim").write_bytes(b"precious")
    for name in (".run.json.new", "run.json", "sinks/.a.cursor.new", "sinks/a.cursor"):
        (folder.path / name).symlink_to(tmp_path / "victim")
    folder.write_description({"run": "r", "sinks": []})
    write_cursor(folder.sinks / "a.cursor", Cursor(run="r", sequence=1))
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert folder.description()["run"] == "r"


def test_dead_letters_follow_no_link(tmp_path: Path) -> None:
    (tmp_path / "a.dead.jsonl").symlink_to("victim")
    with pytest.raises(OSError, match=r"symbolic link"):
        dead_letters.keep(tmp_path / "a.dead.jsonl", [LETTER])
    assert not (tmp_path / "victim").exists()


@pytest.mark.root
def test_a_segment_of_another_user_is_not_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.segment(1).write_bytes(b"{}\n")
    give_away(folder.segment(1))
    with pytest.raises(InputError, match="belongs to another user"):
        last_record(folder)
    with SpoolReader(folder, 0) as reader, pytest.raises(PermissionError):
        reader.read(1, max_records=1, max_bytes=100)


@pytest.mark.root
@pytest.mark.parametrize("which", ["run", "run/run.json"])
def test_the_run_of_another_user_is_not_replayed(
    tmp_path: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.write_description(
        {"run": "r", "sinks": [dict.fromkeys(("url", "shown", "policy"), "syslog+tcp://127.0.0.1:9") | {"name": "a"}]}
    )
    give_away(tmp_path / which)
    assert run(["replay", str(folder.path), "--sink", "a"]) == 2
    assert "it belongs to another user (uid 65534)" in capsys.readouterr().err
    assert list(modes_below(folder.path)) == ["run.json", "sinks"]


@pytest.mark.root
async def test_a_link_of_another_user_does_not_lead_us_anywhere(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "run").symlink_to("ours")
    give_away(tmp_path / "run")
    with pytest.raises(InputError, match="belongs to another user"):
        RunFolder(tmp_path / "run").create()
    assert list(modes_below(tmp_path)) == ["ours", "run"]
