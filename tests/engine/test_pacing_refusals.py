"""What the gate does with a network whose mail servers refuse us; the clock is an argument."""

from itertools import pairwise

import pytest

from scanner.engine.pacing import SLOWDOWN, Gate
from scanner.settings import DEFAULT_SUBNET_RATE, RefusalAction
from scanner.targets import Ranges

NOBODY = Ranges.from_pairs()


def gate(action: RefusalAction = RefusalAction.SLOW, *, limit: int = 3, subnet_rate: float = 10) -> Gate:
    return Gate(NOBODY, rate=0, subnet_rate=subnet_rate, refusal_limit=limit, refusal_action=action)


def refuse(tested: Gate, times: int, now: float = 0.0, network: str = "192.0.2") -> Gate:
    for host in range(times):
        tested.refused(f"{network}.{host}", now)
    return tested


def test_below_the_limit_nothing_changes() -> None:
    tested = refuse(gate(), 2)

    assert (tested.slowed, tested.closed) == (0, 0)
    assert [tested.reserve("192.0.2.9", 1.0) for _ in range(3)] == pytest.approx([1.0, 1.1, 1.2])


def test_at_the_limit_the_network_is_visited_at_a_tenth_of_its_pace() -> None:
    tested = refuse(gate(), 3, now=5.0)

    assert (tested.slowed, tested.closed) == (1, 0)
    assert [tested.reserve("192.0.2.9", 5.0) for _ in range(3)] == pytest.approx([6.0, 7.0, 8.0])


def test_other_networks_keep_their_pace() -> None:
    tested = refuse(gate(), 9)

    assert [tested.reserve("192.0.3.9", 1.0) for _ in range(3)] == pytest.approx([1.0, 1.1, 1.2])


def test_the_refusals_of_different_networks_are_not_added_up() -> None:
    tested = gate()
    for network in ("192.0.2", "192.0.3", "2001:db8::"):
        refuse(tested, 2, network=network) if "." in network else tested.refused("2001:db8::1", 0.0)

    assert (tested.slowed, tested.closed) == (0, 0)


def test_an_ipv6_network_is_a_64() -> None:
    tested = gate(RefusalAction.STOP)
    for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:0:1::3"):
        tested.refused(host, 0.0)

    assert tested.is_closed("2001:db8::ffff")
    assert not tested.is_closed("2001:db8:0:1::1")


@pytest.mark.parametrize("action", RefusalAction)
def test_without_a_limit_refusals_change_nothing(action: RefusalAction) -> None:
    tested = refuse(gate(action, limit=0), 100)

    assert (tested.slowed, tested.closed, tested.is_closed("192.0.2.1")) == (0, 0, False)
    assert tested.reserve("192.0.2.1", 1.0) == 1.0


def test_without_a_rate_the_default_one_is_slowed() -> None:
    tested = refuse(gate(subnet_rate=0), 3, now=0.0)
    interval = SLOWDOWN / DEFAULT_SUBNET_RATE

    assert [tested.reserve("192.0.2.9", 0.0) for _ in range(2)] == pytest.approx([interval, 2 * interval])
    assert tested.reserve("192.0.3.9", 0.0) == 0.0


def test_turns_reserved_before_it_was_slowed_are_spread_out_again() -> None:
    """What the pool does: it asks once more when a turn comes due, and puts off what may not start."""
    tested = gate()
    due = [(tested.reserve(f"192.0.2.{host}", 0.0), host) for host in range(8)]
    refuse(tested, 3, now=0.05)
    started = []
    while due:
        due.sort()
        now, host = due.pop(0)
        at = tested.confirm(f"192.0.2.{host}", now)
        if at <= now:
            started.append(now)
        else:
            due.append((at, host))

    gaps = [b - a for a, b in pairwise(started)]
    assert len(started) == 8
    assert min(gaps) >= 0.5
    assert started[-1] - started[0] >= 7 * 0.95


def test_a_turn_still_holds_where_nothing_was_slowed() -> None:
    tested = gate()
    assert tested.confirm("192.0.2.1", 3.0) == 3.0

    refuse(tested, 3, network="192.0.3")
    assert tested.confirm("192.0.2.1", 3.0) == 3.0


def test_a_slowed_network_that_is_left_alone_may_start_at_once_and_then_waits() -> None:
    tested = refuse(gate(), 3, now=0.0)

    assert tested.reserve("192.0.2.1", 100.0) == 100.0
    assert tested.confirm("192.0.2.2", 100.0) == 101.0
    assert tested.reserve("192.0.2.3", 100.0) == 102.0


def test_at_the_limit_a_network_can_be_closed_instead() -> None:
    tested = refuse(gate(RefusalAction.STOP), 3)

    assert (tested.slowed, tested.closed) == (0, 1)
    assert tested.is_closed("192.0.2.200")
    assert tested.is_excluded("192.0.2.200")
    assert not tested.is_excluded("192.0.3.200")


def test_an_exclusion_is_not_a_closed_network() -> None:
    tested = Gate(Ranges.from_pairs(v4=[(1, 1)]), rate=0, subnet_rate=0)

    assert tested.is_excluded("0.0.0.1")
    assert not tested.is_closed("0.0.0.1")
