"""Which positions are done: against a plain set, in any order, through a file and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import StateError
from scanner.targets.progress import MAX_SPREAD, Progress

position_lists = st.lists(st.integers(0, 80), max_size=100)


def marked(positions: list[int]) -> Progress:
    progress = Progress()
    progress.mark_many(positions)
    return progress


def assert_is(progress: Progress, done: set[int]) -> None:
    assert progress.low_water == next(p for p in range(len(done) + 1) if p not in done)
    assert progress.high_water == max(done, default=-1) + 1
    assert progress.done_count == len(done)
    assert {p for p in range(-5, 100) if p in progress} == done


@given(position_lists)
def test_after_every_mark_it_equals_the_set_of_what_was_marked(positions: list[int]) -> None:
    progress, done = Progress(), set[int]()
    for position in positions:
        progress.mark_many([position])
        done.add(position)
        assert_is(progress, done)


@given(position_lists, position_lists)
def test_a_snapshot_survives_a_file_and_goes_on_as_before(before: list[int], after: list[int]) -> None:
    saved = json.loads(json.dumps(marked(before).snapshot()))
    restored = Progress.restore(saved)
    assert_is(restored, set(before))
    restored.mark_many(after)
    assert_is(restored, {*before, *after})


@given(position_lists, st.integers(0, 90), st.integers(0, 90))
def test_pending_is_what_is_not_done_in_a_stretch(positions: list[int], start: int, stop: int) -> None:
    pending = marked(positions).pending(start, stop).tolist()
    assert pending == [p for p in range(start, stop) if p not in set(positions)]


def test_a_snapshot_says_what_is_done_in_half_open_ranges() -> None:
    assert marked([0, 1, 3, 4, 5, 8]).snapshot() == {"low_water": 2, "done_above": [[3, 6], [8, 9]]}
    assert Progress().snapshot() == {"low_water": 0, "done_above": []}


def test_memory_follows_the_spread_and_not_the_number_done() -> None:
    progress = Progress()
    for position in range(1, 100_000):
        progress.mark_many(
            [position - 1 if position % 2 else position]
        )  # 0, 2, 2, 4, 4 ...: one open position at a time
        progress.mark_many([position])
        assert progress.high_water - progress.low_water <= 2
    assert progress.low_water == 100_000
    assert progress.snapshot() == {"low_water": 100_000, "done_above": []}


def test_one_stuck_position_holds_the_low_water_mark_and_no_more() -> None:
    progress = marked(list(range(1, 5000)))
    assert (progress.low_water, progress.high_water, progress.done_count) == (0, 5000, 4999)
    progress.mark_many([0])
    assert (progress.low_water, progress.high_water, progress.done_count) == (5000, 5000, 5000)


def test_a_negative_position_is_refused_and_changes_nothing() -> None:
    progress = marked([0, 2])
    with pytest.raises(ValueError, match="position -1 is negative"):
        progress.mark_many([-1])
    assert_is(progress, {0, 2})


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"low_water": 0},
        {"low_water": -1, "done_above": []},
        {"low_water": True, "done_above": []},
        {"low_water": 1.0, "done_above": []},
        {"low_water": "1", "done_above": []},
        {"low_water": 2**63 + 1, "done_above": []},
        {"low_water": 0, "done_above": {}},
        {"low_water": 0, "done_above": [3]},
        {"low_water": 0, "done_above": [[3]]},
        {"low_water": 0, "done_above": [[3, 4, 5]]},
        {"low_water": 0, "done_above": [[3, "4"]]},
        {"low_water": 0, "done_above": [[3, 3]]},
        {"low_water": 0, "done_above": [[4, 3]]},
        {"low_water": 5, "done_above": [[3, 4]]},
        {"low_water": 5, "done_above": [[5, 6]]},  # then 5 would not be the low-water mark
        {"low_water": 0, "done_above": [[3, 5], [4, 6]]},
        {"low_water": 0, "done_above": [[3, 5], [5, 6]]},
        {"low_water": 0, "done_above": [[5, 6], [3, 4]]},
        {"low_water": 0, "done_above": [[3, MAX_SPREAD + 1]]},
        {"low_water": 0, "done_above": [[3, 2**62]]},
    ],
)
def test_a_damaged_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(StateError, match="progress is damaged"):
        Progress.restore(state)


def test_the_repr_shows_the_counts() -> None:
    assert repr(marked([0, 1, 3])) == "<Progress: all below 2 done, 1 above, high water 4>"
