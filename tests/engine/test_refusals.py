"""When a network is taken to refuse us as a whole: number and share of its answers, both forgetting; no clock here."""

import json
import random
from typing import Any

import pytest

from scanner.engine import refusals
from scanner.engine.networks import network_text
from scanner.engine.pacing import Gate
from scanner.engine.refusals import HALF_LIFE_S, REFUSAL_SHARE, Restraint
from scanner.errors import StateError
from scanner.settings import RefusalAction
from scanner.targets import Ranges

NOBODY = Ranges.from_pairs()
SLOW, STOP = RefusalAction.SLOW, RefusalAction.STOP


class Watched:
    """A gate, and what it said of networks."""

    def __init__(self, action: RefusalAction = SLOW, *, limit: int = 8, subnet_rate: float = 10) -> None:
        self.said: list[Restraint] = []
        self.gate = Gate(
            NOBODY,
            rate=0,
            subnet_rate=subnet_rate,
            refusal_limit=limit,
            refusal_action=action,
            on_restraint=self.said.append,
        )

    def answers(self, word: str, now: float = 0.0, network: str = "192.0.2") -> None:
        """Take one answer for each letter: r is a refusal, g a greeting."""
        for number, letter in enumerate(word):
            answer = self.gate.refused if letter == "r" else self.gate.greeted
            answer(f"{network}.{number % 256}", now)

    @property
    def kinds(self) -> list[str]:
        return [restraint.kind for restraint in self.said]


@pytest.mark.parametrize("subnet_rate", [0, 50])
def test_a_dense_network_of_which_one_host_in_twenty_refuses_keeps_its_pace(subnet_rate: float) -> None:
    chance, watched = random.Random(1), Watched(subnet_rate=subnet_rate)
    for _ in range(40):
        watched.answers("".join("r" if chance.random() < 0.05 else "g" for _ in range(256)))

    assert watched.said == []
    assert watched.gate.slowed == 0


def test_a_network_that_refuses_us_as_a_whole_is_slowed_at_the_limit_and_it_is_said_how_it_answered() -> None:
    watched = Watched()
    watched.answers("rrrrrrr")
    assert watched.said == []

    watched.answers("r")
    assert watched.said == [Restraint("192.0.2.0/24", "slowed", 8, 8)]
    assert watched.said[0].share == 1.0


def test_a_filter_that_begins_in_the_middle_is_noticed_although_many_greeted_before() -> None:
    """A mail filter that blocks us after a while: what was before must not outweigh what is now."""
    watched = Watched()
    watched.answers("r" + "g" * 200)
    watched.answers("r" * 20)
    assert watched.said == []

    watched.answers("r" * 30)
    assert watched.kinds == ["slowed"]


def test_neither_the_number_alone_nor_the_share_alone_slows_a_network() -> None:
    many, most = Watched(), Watched()
    many.answers("rgg" * 30)  # a third
    most.answers("rrrrrrr", network="192.0.3")  # all seven

    assert REFUSAL_SHARE == 0.5
    assert (many.said, most.said) == ([], [])


def test_a_slowed_network_gets_its_pace_back_when_the_refusals_stop_and_its_turns_are_void() -> None:
    watched = Watched(subnet_rate=10)
    watched.answers("r" * 8)
    turns = [watched.gate.reserve("192.0.2.9", 1.0) for _ in range(3)]
    assert turns == pytest.approx([1.0, 2.0, 3.0])
    assert watched.gate.take_lifted() == set()

    watched.answers("g" * 200, now=5.0)
    assert watched.kinds == ["slowed", "lifted"]
    assert (watched.gate.slowed, watched.gate.take_lifted(), watched.gate.take_lifted()) == (0, {"192.0.2"}, set())
    assert [watched.gate.reserve("192.0.2.9", 5.0) for _ in range(3)] == pytest.approx([5.0, 5.1, 5.2])


def test_it_is_slowed_again_when_they_begin_again() -> None:
    watched = Watched()
    watched.answers("r" * 8 + "g" * 200 + "r" * 60)

    assert watched.kinds == ["slowed", "lifted", "slowed"]


def test_refusals_are_forgotten_with_time() -> None:
    watched = Watched()
    for hour in range(50):
        watched.answers("rr", now=hour * HALF_LIFE_S)  # never more than four are remembered

    assert watched.said == []
    watched.answers("rrrrr", now=49 * HALF_LIFE_S)
    assert watched.kinds == ["slowed"]


def test_a_slowed_network_that_is_left_alone_for_long_is_relieved_by_its_next_greeting() -> None:
    watched = Watched()
    watched.answers("r" * 8)
    watched.answers("g", now=2 * HALF_LIFE_S)

    assert watched.kinds == ["slowed", "lifted"]


def test_a_clock_that_stands_still_or_goes_back_forgets_nothing() -> None:
    watched = Watched()
    watched.answers("rrrr", now=100.0)
    watched.answers("rrrr", now=50.0)

    assert watched.kinds == ["slowed"]


def test_greetings_are_counted_only_where_a_refusal_was() -> None:
    watched = Watched()
    assert not watched.gate.counts_answers
    watched.answers("ggg")
    assert not watched.gate.counts_answers

    watched.answers("r")
    watched.answers("ggg", network="192.0.3")
    assert watched.gate.counts_answers
    assert list(watched.gate.snapshot()["counts"]) == ["192.0.2"]


def test_without_a_limit_nothing_is_counted() -> None:
    watched = Watched(limit=0)
    watched.answers("r" * 100)

    assert watched.gate.snapshot() == {"counts": {}, "slowed": [], "closed": []}


def test_a_closed_network_stays_closed() -> None:
    watched = Watched(STOP)
    watched.answers("r" * 8 + "g" * 300)

    assert watched.kinds == ["closed"]
    assert watched.gate.is_closed("192.0.2.200")


@pytest.mark.parametrize(
    ("key", "text"),
    [("192.0.2", "192.0.2.0/24"), ("2001:db8:0:0", "2001:db8::/64"), ("0:0:0:0", "::/64")],
)
def test_a_network_is_written_as_a_block(key: str, text: str) -> None:
    assert network_text(key) == text


def test_the_networks_that_are_counted_are_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MAX_NETWORKS", 3)
    watched = Watched()
    for number in range(5):
        watched.answers("r", network=f"192.0.{number}")

    assert list(watched.gate.snapshot()["counts"]) == ["192.0.2", "192.0.3", "192.0.4"]


def saved(action: RefusalAction = SLOW) -> Any:
    """Return a snapshot as a file gives it back: one network over the limit, one below it."""
    before = Watched(action)
    before.answers("r" * 8)
    before.gate.refused("2001:db8::1", 0.0)
    return json.loads(json.dumps(before.gate.snapshot()))


def test_a_snapshot_holds_what_is_known() -> None:
    assert saved() == {
        "counts": {"192.0.2": [8.0, 7.576, 7.576, 8, 8], "2001:db8:0:0": [1.0, 1.0, 1.0, 1, 1]},
        "slowed": ["192.0.2"],
        "closed": [],
    }


def test_a_restored_gate_goes_on_where_the_other_was_whatever_its_clock_says() -> None:
    after = Watched()
    after.gate.restore(saved(), 1e9)

    assert after.said == [Restraint("192.0.2.0/24", "slowed", 8, 8)]
    assert [after.gate.reserve("192.0.2.9", 1e9) for _ in range(2)] == pytest.approx([1e9 + 1, 1e9 + 2])
    for number in range(2, 9):
        after.gate.refused(f"2001:db8::{number}", 1e9)
    assert after.said[1:] == [Restraint("2001:db8::/64", "slowed", 8, 8)]
    assert after.gate.snapshot()["counts"]["192.0.2"] == saved()["counts"]["192.0.2"]


def test_a_restored_gate_keeps_networks_closed() -> None:
    after = Watched(STOP)
    after.gate.restore(saved(STOP), 7.0)

    assert after.gate.is_closed("192.0.2.1")
    assert after.kinds == ["closed"]


@pytest.mark.parametrize(
    ("was", "now", "limit", "slowed", "closed"),
    [(STOP, SLOW, 8, 1, 0), (SLOW, STOP, 8, 1, 0), (STOP, SLOW, 0, 0, 0), (STOP, STOP, 0, 0, 0)],
)
def test_the_limit_and_the_action_of_the_new_run_hold(
    was: RefusalAction, now: RefusalAction, limit: int, slowed: int, closed: int
) -> None:
    after = Watched(now, limit=limit)
    after.gate.restore(saved(was), 7.0)

    assert (after.gate.slowed, after.gate.closed) == (slowed, closed)


def test_a_network_that_was_slowed_is_closed_by_its_next_refusal_where_the_new_run_closes() -> None:
    after = Watched(STOP)
    after.gate.restore(saved(SLOW), 7.0)
    after.answers("r", now=7.0)

    assert after.gate.is_closed("192.0.2.1")


@pytest.mark.parametrize(
    "damage",
    [
        {"counts": None},
        {"counts": {"192.0.2": [1.0]}},
        {"counts": {"192.0.2": 5}},
        {"counts": {"192.0.2": [1.0, 1.0, 1.0, 1, True]}},
        {"counts": {"192.0.2": [1.0, 1.0, 1.0, 1, -1]}},
        {"counts": {"192.0.2": [float("nan"), 1.0, 1.0, 1, 1]}},
        {"counts": {"192.0.300": [1.0, 1.0, 1.0, 1, 1]}},
        {"slowed": {"192.0.2": 1}},
        {"slowed": ["192.0.2.1"]},
        {"closed": ["2001:db8"]},
        {"closed": ["2001:db8:0:x"]},
        {"closed": [17]},
    ],
)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(damage: dict[str, Any]) -> None:
    after = Watched()

    with pytest.raises(StateError, match=r"^its refusals are damaged"):
        after.gate.restore(saved() | damage, 0.0)
    assert after.gate.snapshot() == {"counts": {}, "slowed": [], "closed": []}
    assert after.said == []


def test_a_snapshot_without_a_part_is_refused() -> None:
    with pytest.raises(StateError, match="its refusals are damaged"):
        Watched().gate.restore({"counts": {}}, 0.0)
