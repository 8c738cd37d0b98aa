"""Claims about `scanner.engine.pacing`, with a clock that is an argument: nothing here waits."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine import pacing
from scanner.engine.networks import network_of
from scanner.engine.pacing import BURST_S, UNLIMITED, Gate
from scanner.targets import Ranges
from scanner.targets.address import v6_text

NOBODY = Ranges.from_pairs()
#: 127.1.0.1 alone, and all of 2001:db8::/32.
SOME = Ranges.from_pairs(v4=[(0x7F010001, 0x7F010001)], v6=[(0x20010DB8 << 96, ((0x20010DB8 + 1) << 96) - 1)])
#: Groups of zeros are what the short forms of IPv6 leave out.
GROUP = st.sampled_from([0, 0, 0, 1, 0xDB8, 0xFFFF])


def gate(*, rate: float = 0, subnet_rate: float = 0, excluded: Ranges = NOBODY) -> Gate:
    return Gate(excluded, rate=rate, subnet_rate=subnet_rate)


def started(tested: Gate, now: float) -> int:
    """Start as many connections as the gate allows; return how many."""
    count = tested.allowance(now)
    for _ in range(count):
        tested.take()
    return count


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.1", "192.0.2"),
        ("192.0.2.255", "192.0.2"),
        ("0.0.0.0", "0.0.0"),  # noqa: S104  an address as a key, nothing is bound
        ("1:2:3:4:5:6:7:8", "1:2:3:4"),
        ("2001:db8::1", "2001:db8:0:0"),
        ("2001:db8::", "2001:db8:0:0"),
        ("2001:db8:0:1::", "2001:db8:0:1"),
        ("2001:db8:0:1::ffff", "2001:db8:0:1"),
        ("1:2:3:4:5::", "1:2:3:4"),
        ("1::5:6:7:8", "1:0:0:0"),
        ("1::4:5:6:7:8", "1:0:0:4"),
        ("::4:5:6:7:8", "0:0:0:4"),
        ("::1", "0:0:0:0"),
        ("::", "0:0:0:0"),
        ("::192.0.2.1", "0:0:0:0"),
        ("::ffff:192.0.2.1", "0:0:0:0"),
    ],
)
def test_the_network_of_an_address_is_its_24_or_its_64(ip: str, network: str) -> None:
    assert network_of(ip) == network


@given(st.lists(GROUP, min_size=8, max_size=8), st.lists(GROUP, min_size=8, max_size=8))
def test_two_ipv6_addresses_share_a_key_exactly_when_they_share_their_first_64_bits(a: list[int], b: list[int]) -> None:
    first, second = (sum(group << 16 * (7 - i) for i, group in enumerate(groups)) for groups in (a, b))

    assert (network_of(v6_text(first)) == network_of(v6_text(second))) == (first >> 64 == second >> 64)


@given(st.integers(0, 2**128 - 1))
def test_short_and_long_text_of_an_ipv6_address_have_the_same_key(value: int) -> None:
    groups = [f"{value >> 16 * i & 0xFFFF:x}" for i in reversed(range(8))]

    assert network_of(v6_text(value)) == ":".join(groups[:4]) == network_of(str(IPv6Address(value)))


def test_rate_0_has_no_limit() -> None:
    tested = gate()
    for _ in range(1000):
        tested.take()

    assert tested.allowance(0) == UNLIMITED
    assert tested.next_allowance_in() == 0
    assert [tested.reserve("192.0.2.1", 5.0) for _ in range(3)] == [5.0, 5.0, 5.0]


def test_no_more_than_a_twentieth_of_a_second_starts_at_once() -> None:
    assert started(gate(rate=1000), 7.0) == 1000 * BURST_S


def test_a_suspended_machine_does_not_catch_up() -> None:
    tested = gate(rate=1000)
    started(tested, 0.0)

    assert started(tested, 3600.0) == 1000 * BURST_S
    assert started(tested, 3600.0) == 0


@pytest.mark.parametrize("rate", [0.5, 1, 3, 500, 12345.6])
def test_over_time_the_rate_is_kept_and_used(rate: float) -> None:
    tested, now, count = gate(rate=rate), 100.0, 0
    for _ in range(2000):
        count += started(tested, now)
        now += max(0.001, tested.next_allowance_in())

    elapsed = now - 100.0
    # A token that is a rounding error short of whole costs one more step of a millisecond.
    assert 0.99 * rate * (elapsed - 0.001) - 2 <= count <= rate * elapsed + max(1.0, rate * BURST_S)


@pytest.mark.parametrize("rate", [0.25, 1, 7, 500])
def test_the_wait_it_names_is_the_wait_it_takes(rate: float) -> None:
    tested = gate(rate=rate)
    started(tested, 0.0)

    wait_s = tested.next_allowance_in()

    assert 0 < wait_s <= 1 / rate
    assert tested.allowance(wait_s * 0.99) == 0
    assert tested.allowance(wait_s * 1.01) == 1


def test_what_could_have_started_but_did_not_is_kept_up_to_the_burst() -> None:
    tested = gate(rate=100)
    tested.allowance(0.0)
    tested.take()

    assert tested.allowance(0.0) == 4
    assert tested.allowance(0.005) == 4
    assert tested.allowance(0.01) == 5
    assert tested.allowance(9.0) == 5


def test_connections_to_one_network_get_turns_an_interval_apart() -> None:
    tested = gate(subnet_rate=10)

    turns = [tested.reserve(f"192.0.2.{i}", 50.0) for i in range(4)]

    assert turns == pytest.approx([50.0, 50.1, 50.2, 50.3])


def test_networks_do_not_wait_for_each_other() -> None:
    tested = gate(subnet_rate=1)
    for _ in range(5):
        tested.reserve("192.0.2.1", 0.0)

    assert tested.reserve("192.0.3.1", 0.0) == 0.0
    assert tested.reserve("2001:db8::1", 0.0) == 0.0
    assert tested.reserve("2001:db8::2", 0.0) == 1.0
    assert tested.reserve("2001:db8:0:1::1", 0.0) == 0.0


def test_a_network_that_was_left_alone_does_not_save_up_turns() -> None:
    tested = gate(subnet_rate=2)
    tested.reserve("192.0.2.1", 0.0)

    assert [tested.reserve("192.0.2.1", 100.0) for _ in range(3)] == [100.0, 100.5, 101.0]


def test_networks_whose_turn_is_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million networks, a thousand a second: what is remembered stays near one clean-up's worth."""
    monkeypatch.setattr(pacing, "_FORGET_EVERY", 100)
    tested, most = gate(subnet_rate=50), 0
    for number in range(10_000):
        tested.reserve(f"10.{number >> 8}.{number & 0xFF}.1", number / 1000)
        most = max(most, len(tested._next_start))

    assert most <= 200


def test_a_network_that_still_has_a_turn_to_come_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_FORGET_EVERY", 10)
    tested = gate(subnet_rate=1)
    for _ in range(40):
        last = tested.reserve("192.0.2.1", 0.0)
    for number in range(30):
        tested.reserve(f"10.0.{number}.1", 20.0)

    assert tested.reserve("192.0.2.1", 20.0) == last + 1 == 40.0


@pytest.mark.parametrize(
    ("ip", "excluded"),
    [
        ("127.1.0.1", True),
        ("127.1.0.2", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:127.1.0.1", True),
    ],
)
def test_an_exclusion_is_found_whatever_its_form(ip: str, excluded: bool) -> None:
    assert gate(excluded=SOME).is_excluded(ip) is excluded


def test_what_is_no_address_is_not_taken_for_one_that_may_be_visited() -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        gate(excluded=SOME).is_excluded("mail.example.com")


def test_no_exclusions_exclude_nobody() -> None:
    assert gate().is_excluded("127.1.0.1") is False
