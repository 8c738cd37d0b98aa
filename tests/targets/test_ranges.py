"""Sets of addresses: access by index, membership as a safety gate, and algebra, against plain Python sets."""

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.address import V4_MAX, V6_MAX
from scanner.targets.ranges import Ranges

SMALL = 60  # numbers around both ends of each address space, so that sets overlap, touch and reach the limits
V4_BASES = (0, V4_MAX - SMALL + 1)
V6_BASES = (0, 2**64 - SMALL // 2, V6_MAX - SMALL + 1)


def pairs(bases: tuple[int, ...]) -> st.SearchStrategy[list[tuple[int, int]]]:
    number = st.builds(lambda base, offset: base + offset, st.sampled_from(bases), st.integers(0, SMALL - 1))
    near = st.builds(lambda first, length: (first, first + length), number, st.integers(0, 9))
    return st.lists(near.filter(lambda pair: pair[1] <= bases[-1] + SMALL - 1), max_size=8)


both = st.tuples(pairs(V4_BASES), pairs(V6_BASES))
Both = tuple[list[tuple[int, int]], list[tuple[int, int]]]


def members(given_pairs: Both) -> list[str]:
    """Spell the set out, one address after the other: the model that the arithmetic is compared with."""
    v4, v6 = ({n for first, last in family for n in range(first, last + 1)} for family in given_pairs)
    return [str(ipaddress.IPv4Address(n)) for n in sorted(v4)] + [str(ipaddress.IPv6Address(n)) for n in sorted(v6)]


def same_text(ip: str) -> str:
    """Return the spelling that both inet_ntop and ipaddress give (they differ for `::1.2.3.4` forms)."""
    return str(ipaddress.ip_address(ip))


def v4(*texts: str) -> Ranges:
    return Ranges.from_pairs(v4=[(int(ipaddress.IPv4Address(t)), int(ipaddress.IPv4Address(t))) for t in texts])


@given(both)
def test_indices_run_through_the_set_in_order(chosen: Both) -> None:
    ranges, model = Ranges.from_pairs(*chosen), members(chosen)
    assert ranges.count == len(model)
    assert bool(ranges) == bool(model)
    assert [same_text(ranges.pick(i)) for i in range(ranges.count)] == model
    indices = np.arange(ranges.count, dtype=np.uint64)[::-1]
    assert [same_text(ip) for ip in ranges.pick_many(indices)] == model[::-1]
    assert [ranges.index_of(ip) for ip in model] == list(range(len(model)))


@given(both, both)
def test_the_algebra_is_that_of_sets(first: Both, second: Both) -> None:
    a, b = Ranges.from_pairs(*first), Ranges.from_pairs(*second)
    in_a, in_b = set(members(first)), set(members(second))
    for result, expected in (
        (a.union(b), in_a | in_b),
        (a.minus(b), in_a - in_b),
        (a.intersection(b), in_a & in_b),
    ):
        assert {same_text(ip) for ip in result.pick_many(np.arange(result.count, dtype=np.uint64))} == expected
        assert result.count == len(expected)
    assert (a == b) == (in_a == in_b)


@given(both)
def test_the_same_set_has_the_same_digest_however_it_was_cut_up(chosen: Both) -> None:
    whole = Ranges.from_pairs(*chosen)
    singles = [[(n, n) for first, last in family for n in range(first, last + 1)] for family in chosen]
    rebuilt = Ranges.from_pairs(*(family[::-1] for family in singles))
    assert rebuilt.digest() == whole.digest()
    assert rebuilt == whole
    assert hash(rebuilt) == hash(whole)


def test_digests_of_different_sets_differ() -> None:
    assert len({Ranges.from_pairs(v4=[(0, last)]).digest() for last in range(50)}) == 50
    assert Ranges.from_pairs(v4=[(5, 5)]).digest() != Ranges.from_pairs(v6=[(5, 5)]).digest()


def test_the_digest_is_part_of_saved_states_and_does_not_change() -> None:
    digest = Ranges.from_pairs(v4=[(0x0A000000, 0x0AFFFFFF)], v6=[(1, 2)]).digest()
    assert digest == "b3be6638b5a70f00c8f81050927b9a867dd09d26f39afdde8d6629089ceb70a3"


@given(both)
def test_membership_agrees_with_the_set_inside_and_at_the_edges(chosen: Both) -> None:
    ranges, model = Ranges.from_pairs(*chosen), set(members(chosen))
    v4_numbers = {base + k for base in V4_BASES for k in range(SMALL)}
    v6_numbers = {base + k for base in V6_BASES for k in range(SMALL)}
    every = [str(ipaddress.IPv4Address(n)) for n in v4_numbers] + [str(ipaddress.IPv6Address(n)) for n in v6_numbers]
    for ip in every:
        assert (ip in ranges) == (ip in model)
        assert (ranges.index_of(ip) is None) == (ip not in model)


@pytest.mark.parametrize("text", ["", "mail.example.com", "192.0.2.1 ", "192.0.2.01", "fe80::1%lo", "1\0", "\ud800"])
def test_the_gate_raises_for_what_is_no_address_rather_than_let_it_pass(text: str) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        _ = text in v4("192.0.2.1")
    with pytest.raises(ValueError, match="not an IP address"):
        v4("192.0.2.1").index_of(text)


def test_an_excluded_address_cannot_be_reached_by_its_ipv6_alias() -> None:
    excluded = v4("192.0.2.1")
    assert "::ffff:192.0.2.1" in excluded
    assert "::ffff:192.0.2.2" not in excluded
    assert "::c000:201" not in excluded
    assert excluded.index_of("::ffff:192.0.2.1") is None


def test_all_of_ipv4_is_one_range() -> None:
    everything = Ranges.from_pairs(v4=[(0, V4_MAX)])
    assert everything.count == 2**32
    assert everything.pick(2**32 - 1) == "255.255.255.255"
    assert everything.pick_many(np.array([2**32 - 1, 0, 256], dtype=np.uint64)) == [
        "255.255.255.255",
        "0.0.0.0",  # noqa: S104 - an address to compare with, nothing is bound
        "0.0.1.0",
    ]


def test_all_of_ipv6_can_be_counted_and_picked_from() -> None:
    everything = Ranges.from_pairs(v6=[(0, V6_MAX)])
    assert everything.count == 2**128
    assert everything.pick(2**128 - 1) == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    assert everything.minus(Ranges.from_pairs(v6=[(5, V6_MAX - 1)])).count == 6


@pytest.mark.parametrize("i", [-1, 2, 2**64])
def test_an_index_out_of_range_is_refused(i: int) -> None:
    with pytest.raises(IndexError, match="of 2"):
        v4("192.0.2.1", "192.0.2.5").pick(i)


def test_one_index_out_of_range_among_many_is_refused() -> None:
    with pytest.raises(IndexError, match="address index 2 of 2"):
        v4("192.0.2.1", "192.0.2.5").pick_many(np.array([0, 2, 1], dtype=np.uint64))


@pytest.mark.parametrize("bad", [(2, 1), (-1, 3), (0, 2**32)])
def test_pairs_that_run_backwards_or_leave_the_address_space_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a range within"):
        Ranges.from_pairs(v4=[(5, 6), bad])


def test_a_set_cannot_be_changed_through_its_arrays() -> None:
    ranges = v4("192.0.2.1")
    with pytest.raises(ValueError, match="read-only"):
        ranges.v4.firsts[0] = 0


def test_the_repr_names_the_first_ranges() -> None:
    assert repr(Ranges.from_pairs()) == "<Ranges: 0 addresses in 0 ranges: none>"
    few = Ranges.from_pairs(v4=[(1, 1), (256, 511)], v6=[(1, 1), (16, 31), (64, 64)])
    assert repr(few) == "<Ranges: 275 addresses in 5 ranges: 0.0.0.1, 0.0.1.0-0.0.1.255, ::1, ...>"
    assert repr(Ranges.from_pairs(v6=[(16, 31)])) == "<Ranges: 16 addresses in 1 ranges: ::10-::1f>"


def test_a_set_is_unequal_to_anything_that_is_no_set() -> None:
    assert v4("192.0.2.1") != "192.0.2.1"
