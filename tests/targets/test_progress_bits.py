"""A state whose done positions are full of holes, as a network that lost its route leaves them, stays small."""

import json
import random
import tracemalloc
import zlib
from base64 import b64encode
from typing import Any

import pytest

from scanner.errors import StateError
from scanner.targets import progress
from scanner.targets.progress import MAX_ISLANDS, Progress


def with_holes(islands: int) -> Progress:
    """Return a progress with that many runs of one done position each, above an open one."""
    tested = Progress()
    tested.mark_many(range(10))
    tested.mark_many(range(11, 11 + 2 * islands, 2))
    return tested


def kept(tested: Progress) -> dict[str, Any]:
    """Return a snapshot as a file gives it back."""
    state: dict[str, Any] = json.loads(json.dumps(tested.snapshot()))
    return state


def packed(raw: bytes) -> str:
    return b64encode(zlib.compress(raw)).decode()


def test_a_few_runs_are_named_and_one_more_than_that_are_bits() -> None:
    few, many = kept(with_holes(MAX_ISLANDS)), kept(with_holes(MAX_ISLANDS + 1))

    assert (list(few), len(few["done_above"])) == (["low_water", "done_above"], MAX_ISLANDS)
    assert (list(many), many["low_water"]) == (["low_water", "done_bits"], 10)


@pytest.mark.parametrize("more", range(9))
def test_bits_come_back_as_they_were_and_go_on_as_before(more: int) -> None:
    tested = with_holes(MAX_ISLANDS + more)
    again = Progress.restore(kept(tested))

    assert (again.low_water, again.high_water, again.done_count) == (10, tested.high_water, tested.done_count)
    assert again.pending(0, 20_000).tolist() == tested.pending(0, 20_000).tolist()
    for each in (again, tested):
        each.mark_many(range(10, 5000))
    assert kept(again) == kept(tested)


def test_half_of_a_million_positions_in_holes_takes_kilobytes_of_file_and_hardly_any_memory() -> None:
    chance, tested = random.Random(1), Progress()
    tested.mark_many(position for position in range(1, 1 << 20) if chance.random() < 0.5)
    tracemalloc.start()
    state = tested.snapshot()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(json.dumps(state)) < 200_000
    assert most < 5_000_000


@pytest.mark.parametrize(
    "bits",
    [
        None,
        17,
        "",
        "no base64!",
        b64encode(b"not deflated").decode(),
        packed(b""),
        packed(b"\x01"),  # the lowest is open, or it would not be the lowest
        packed(b"\x02\x00"),  # ends with what is not done
        packed(b"\x02" * 100)[:-8],
    ],
)
def test_damaged_bits_are_refused(bits: object) -> None:
    with pytest.raises(StateError, match="'done_bits' holds something other than positions"):
        Progress.restore({"low_water": 0, "done_bits": bits})


def test_bits_that_would_unpack_to_more_than_the_widest_spread_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "MAX_SPREAD", 8000)

    assert Progress.restore({"low_water": 0, "done_bits": packed(b"\x02" * 1000)}).done_count == 1000
    with pytest.raises(StateError, match="done_bits"):
        Progress.restore({"low_water": 0, "done_bits": packed(b"\x02" * 1001)})
