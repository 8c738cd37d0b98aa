"""Claims about what people are told of a run's sinks: while it happens, and at the end, from what is on the disk."""

import shlex
from pathlib import Path

import orjson
import pytest

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.alarms import Alarms
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.run import Taken, remove, strip, take_run
from scanner.delivery.relay.standing import SinkStanding, command, explained, standing_of
from scanner.delivery.spool import Cursor, Known, Quota, RunFolder, SpoolWriter, read_known, write_cursor
from scanner.errors import InputError

SINK = {"url": "https://127.0.0.1/", "name": "siem", "shown": "https://h", "policy": "spool"}
NOTE = b'{"schema":"smtpsweep.run/1","activity":"started"}\n'
RECORD = b'{"schema":"smtpsweep.record/1","n":1}\n'


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def report(dead: int, skipped: int = 0) -> dict[str, object]:
    return {"name": "siem", "dead": dead, "skipped": skipped, "reason": "HTTP 400 no"}


def test_what_is_not_delivered_is_said_at_once_then_at_most_every_thirty_seconds() -> None:
    said: list[str] = []
    alarms = Alarms(said.append)
    for at, dead in ((0.0, 0), (1.0, 1), (2.0, 2), (30.9, 60), (31.0, 64), (90.0, 64), (91.0, 65)):
        alarms.check(report(dead), at)

    assert said == [
        "sink siem: 1 record not delivered (dead letters), the first: HTTP 400 no",
        "sink siem: 64 records not delivered (dead letters), the first: HTTP 400 no",
        "sink siem: 65 records not delivered (dead letters), the first: HTTP 400 no",
    ]


def test_gaps_are_said_too() -> None:
    said: list[str] = []
    Alarms(said.append).check(report(0, 70), 0.0)

    assert said == ["sink siem: 70 records skipped (best effort)"]


def test_a_sink_is_judged_by_its_cursor_and_the_index_of_the_log(folder: RunFolder) -> None:
    known = Known(last=66, notes=[1, 66])
    write_cursor(folder.sinks / "siem.cursor", Cursor("r", sequence=11, delivered=9, dead=1))
    dead_letters.keep(folder.sinks / "siem.dead.jsonl", [DeadLetter(5, "e", "HTTP 400 no", b"{}")])

    one = standing_of(folder, "r", SINK, known, "it is down")

    assert one == SinkStanding("siem", "https://h", "spool", 9, 1, 0, 0, 54, "HTTP 400 no")
    assert not one.has_everything
    assert one.waiting == 54
    said = explained([one], folder, known)
    assert said.startswith("sink siem lacks 54 records: they are kept: smtpsweep replay ")
    assert "sink siem: 1 record not delivered (the first: HTTP 400 no)" in said


@pytest.mark.parametrize(
    ("removed", "end"),
    [
        (11, "lacks 54 records (it is down): they are kept: {} delivers them"),
        (12, "lacks 54 records (it is down): 53 records of them are kept: {} delivers those"),
        (66, "lacks 54 records (it is down): none of them is kept any more"),
    ],
)
def test_what_the_quota_has_removed_is_not_said_to_be_kept(folder: RunFolder, removed: int, end: str) -> None:
    known = Known(last=66, removed=removed, notes=[1, 66])
    write_cursor(folder.sinks / "siem.cursor", Cursor("r", sequence=11, delivered=10))

    one = standing_of(folder, "r", {**SINK, "policy": "best_effort"}, known, "it is down")

    assert explained([one], folder, known) == f"sink siem {end.format(command(folder))}"


def test_a_sink_without_a_cursor_has_nothing_and_a_damaged_one_is_said(folder: RunFolder) -> None:
    known = Known(last=3, notes=[1])

    assert standing_of(folder, "r", SINK, known, "it is down")[7:] == (2, "it is down")
    assert standing_of(folder, "r", SINK, known)[7:] == (2, "the sweep did not wait for it any longer")
    (folder.sinks / "siem.cursor").write_bytes(b"{}")
    waiting, reason = standing_of(folder, "r", SINK, known)[7:]
    assert waiting == 2
    assert "is damaged: move it away" in str(reason)


def test_who_has_everything_is_not_spoken_of_but_a_damaged_index_is(folder: RunFolder) -> None:
    one = SinkStanding("siem", "https://h", "spool", 9, 0, 0, 0, 0, None)

    assert explained([one], folder, Known()) == ""
    assert explained([one], folder, Known(trouble=["log.index is missing"])).endswith(
        "log.index is missing: delivery cannot be verified"
    )


def test_what_was_skipped_is_said_with_the_command_that_sends_it(folder: RunFolder) -> None:
    write_cursor(folder.sinks / "siem.cursor", Cursor("r", sequence=66, delivered=50, skipped=14))
    gaps.keep(folder.sinks / "siem.gaps.jsonl", 31, 44, 14)

    one = standing_of(folder, "r", {**SINK, "policy": "best_effort"}, Known(last=66, notes=[1, 66]), "it is down")

    assert not one.has_everything
    assert (one.skipped, one.waiting, one.reason) == (14, 0, "it was more than max_lag records behind")
    said = explained([one], folder, Known())
    assert said.startswith(
        f"sink siem: 14 records skipped (best effort): {folder.sinks}/siem.gaps.jsonl says which: smtpsweep replay "
    )
    assert said.endswith("--sink siem --from 31 sends them, as far as they are still there")


@pytest.mark.parametrize("name", ["plain.run", "my folder.run", "it's $HOME.run", "-x.run", "a;b.run"])
def test_the_command_that_is_printed_runs_as_printed(name: str) -> None:
    words = shlex.split(command(RunFolder(Path(name)), "--sink", "siem"))

    assert words[:2] == ["smtpsweep", "replay"]
    assert Path(words[2]) == Path(name)
    assert not words[2].startswith("-")
    assert words[3:] == ["--sink", "siem"]


def test_gaps_that_are_sent_again_are_forgotten_and_the_others_kept(tmp_path: Path) -> None:
    file = tmp_path / "siem.gaps.jsonl"
    gaps.keep(file, 5, 9, 4)
    gaps.keep(file, 20, 29, 10)
    with file.open("ab") as out:
        out.write(b"damaged\n")

    assert gaps.first_number(file) == 5
    assert gaps.records_before(file, 25) == 4 + 5
    gaps.cut(file, 25)
    assert [orjson.loads(line)["last"] for line in file.read_bytes().splitlines()] == [9, 24]
    gaps.cut(file, 1)
    assert not file.exists()
    assert gaps.first_number(file) == 1


async def logged(folder: RunFolder, *lines: bytes) -> None:
    log = SpoolWriter(folder, Quota())
    await log.open(None, "r")
    await log.write(lines)
    await log.close()


async def test_a_run_without_a_record_is_taken_over_and_one_with_a_record_is_not(folder: RunFolder) -> None:
    assert take_run(folder, None, "r", {"sinks": []}) == Taken("r", resumed=False)
    await logged(folder, NOTE)
    assert take_run(folder, None, "fresh", {"sinks": [SINK]}) == Taken("r", resumed=False)
    assert folder.description()["sinks"] == [SINK]
    await logged(folder, RECORD)

    with pytest.raises(InputError, match="holds a run already"):
        take_run(folder, None, "fresh", {})
    with pytest.raises(InputError, match="holds another run than the one in the state file"):
        take_run(folder, {"run": "other", "sequence": 2}, "fresh", {})
    assert take_run(folder, {"run": "r", "sequence": 2}, "fresh", {"sinks": []}) == Taken("r", resumed=True)


def test_a_log_that_is_not_there_is_missed_unless_it_was_removed_when_all_had_everything(folder: RunFolder) -> None:
    with pytest.raises(InputError, match="the log of the sweep that is resumed is not here"):
        take_run(folder, {"run": "r", "sequence": 2}, "fresh", {})
    assert take_run(folder, {"run": "r", "sequence": 2, "delivered": 1}, "fresh", {}) == Taken("fresh", resumed=False)


async def test_a_removal_that_was_killed_is_finished_and_never_taken_for_a_lost_log(folder: RunFolder) -> None:
    folder.write_description({"run": "r", "sinks": [], "made": True, "removing": True})
    await logged(folder, RECORD)  # what was not removed yet
    write_cursor(folder.sinks / "siem.cursor", Cursor("r", 1))

    assert take_run(folder, None, "fresh", {"sinks": []}) == Taken("fresh", resumed=False)
    assert sorted(path.name for path in folder.path.rglob("*")) == ["log.index", "log.last", "run.json", "sinks"]


async def test_only_our_own_files_are_removed(folder: RunFolder) -> None:
    folder.write_description({"run": "r", "sinks": [], "made": True})
    await logged(folder, RECORD)
    (folder.sinks / "README").write_text("mine")
    (folder.path / "records.txt").write_text("mine")

    left = remove(folder)

    assert sorted(Path(one).name for one in left) == ["README", "records.txt"]
    assert sorted(path.name for path in folder.path.rglob("*")) == ["README", "records.txt", "sinks"]


async def test_a_folder_that_we_did_not_make_stays_empty(folder: RunFolder) -> None:
    folder.write_description({"run": "r", "sinks": [], "made": False})
    await logged(folder, RECORD)

    assert remove(folder) == []
    assert list(folder.path.iterdir()) == []


async def test_what_is_stripped_was_removed_and_not_lost(folder: RunFolder) -> None:
    folder.write_description({"run": "r", "sinks": []})
    await logged(folder, NOTE, RECORD)

    strip(folder, "r", 2)

    known = read_known(folder, "r")
    assert (known.last, known.removed, known.notes, known.trouble) == (2, 2, [1], [])
    assert folder.segments() == []
