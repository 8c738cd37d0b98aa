"""Claims about `scanner.sweeps.checkpoint`: what a state file keeps, and how far its journal is believed."""

from pathlib import Path

import pytest

from scanner.errors import StateError
from scanner.sweeps import checkpoint
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.saved_state import Positions, Saved
from tests.support.state_files import IDENTITY, file, read, restored, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep.state"


def test_no_file_is_no_state(path: Path) -> None:
    assert Saved.read(path) is None


def test_an_empty_file_is_no_state(path: Path) -> None:
    path.touch()

    assert Saved.read(path) is None


def test_a_snapshot_and_its_journal_come_back(path: Path) -> None:
    with running(path) as run:
        run.done(0, 1, 5)
        run.done(2)

    assert read(path).identity == IDENTITY
    assert restored(path) == (
        {"low_water": 3, "done_above": [[5, 6]]},
        {"statuses": {"ready": 4}, "products": {"Postfix": 4}, "records": 4, "excluded_records": 0, "refused_us": 0},
    )


def test_a_snapshot_alone_says_the_same_as_the_journal_it_was_made_of(path: Path) -> None:
    with running(path) as run:
        run.done(0, 1, 5)
        before = restored(path)
        run.compact()

        assert path.read_bytes().count(b"\n") == 1
        assert restored(path) == before
        run.done(2)

    assert restored(path)[0] == {"low_water": 3, "done_above": [[5, 6]]}


def test_the_state_is_for_its_owner_only(path: Path) -> None:
    with running(path):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_last_line_is_not_believed_and_nothing_else_is_lost(path: Path, cut: int) -> None:
    with running(path) as run:
        run.done(0, 1)
        run.done(2, 3)
    path.write_bytes(path.read_bytes()[:-cut])

    assert restored(path) == (
        {"low_water": 2, "done_above": []},
        {"statuses": {"ready": 2}, "products": {"Postfix": 2}, "records": 2, "excluded_records": 0, "refused_us": 0},
    )


@pytest.mark.parametrize(
    ("reached", "low_water"),
    [
        (file(0, 300), 6),  # all of it
        (file(0, 999), 6),  # whole lines that the journal had not heard of
        (file(0, 299), 4),
        (file(0, 200), 4),
        (file(0, 199), 2),
        (file(0, 100), 2),
        ({}, 0),  # nobody can tell
        ({"0:out": None}, 0),  # a pipe now: what it got is gone
    ],
)
def test_the_journal_is_believed_as_far_as_the_files_reach(path: Path, reached: Positions, low_water: int) -> None:
    with running(path) as run:
        run.done(0, 1, sinks=file(0, 100))
        run.done(2, 3, sinks=file(0, 200))
        run.done(4, 5, sinks=file(0, 300))

    progress, counts = restored(path, reached)

    assert progress == {"low_water": low_water, "done_above": []}
    assert counts["records"] == low_water


def test_what_comes_after_a_line_that_is_not_believed_is_not_believed_either(path: Path) -> None:
    with running(path) as run:
        run.done(0, sinks=file(0, 500))
        run.done(1, sinks=file(0, 100))

    assert restored(path, file(0, 100))[0]["low_water"] == 0


def test_every_sink_must_have_got_that_far(path: Path) -> None:
    with running(path) as run:
        run.done(0, sinks={"0:a": {"part": 0, "bytes": 10}, "1:b": {"part": 0, "bytes": 10}, "2:-": None})
        run.done(1, sinks={"0:a": {"part": 0, "bytes": 20}, "1:b": {"part": 0, "bytes": 20}, "2:-": None})

    reached = {"0:a": {"part": 0, "bytes": 20}, "1:b": {"part": 0, "bytes": 10}, "2:-": None}
    assert restored(path, reached)[0]["low_water"] == 1


@pytest.mark.parametrize(
    ("reached", "believed"),
    [
        (file(2, 50), True),
        (file(2, 49), False),
        (file(1, 5000), False),  # the part before may be as long as it likes
        (file(3, 0), True),  # a later part stands for all of the earlier ones
    ],
)
def test_positions_are_ordered_by_part_and_then_by_bytes(path: Path, reached: Positions, believed: bool) -> None:
    with running(path) as run:
        run.done(0, sinks=file(2, 50))

    assert (restored(path, reached)[0]["low_water"] == 1) is believed


def test_an_output_shorter_than_the_snapshot_says_is_refused(path: Path) -> None:
    with running(path) as run:
        run.done(0)
        run.compact(file(0, 100))

    with pytest.raises(StateError, match="an output file is shorter than the state says"):
        read(path).restore(Ledger(10, 0), file(0, 99))


def test_the_last_positions_are_those_of_the_last_line(path: Path) -> None:
    with running(path) as run:
        run.compact(file(0, 1))
        assert read(path).last_positions() == file(0, 1)
        run.done(0, sinks=file(0, 2))
        run.done(1, sinks=file(1, 3))

    assert read(path).last_positions() == file(1, 3)


def test_a_long_journal_is_folded_into_a_snapshot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "COMPACT_BYTES", 2000)
    sizes = []
    with running(path) as run:
        for position in range(200):
            run.done(position)
            sizes.append(path.stat().st_size)

        assert max(sizes) < 2000 + 1000
        assert sizes != sorted(sizes)
        assert restored(path)[0] == {"low_water": 200, "done_above": []}
    assert [name.name for name in path.parent.iterdir()] == [path.name]
