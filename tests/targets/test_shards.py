"""Claims about shards: together they are the whole, and a network is in one of them with every address it has."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.targets import shards
from scanner.targets.ranges import Ranges
from scanner.targets.shards import share
from tests.support.owners import network_of, owner

V6 = 0x20010DB8 << 96
#: Ranges of up to 3 /24s or two /64s, at any place, some of them side by side.
V4_RANGES = st.lists(
    st.tuples(st.integers(0, 2**12), st.integers(0, 700)).map(lambda pair: (pair[0], sum(pair))), max_size=5
)
V6_RANGES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-300, 300), st.integers(0, 300)).map(
        lambda drawn: ((at := V6 + (drawn[0] + 1) * 2**64 + drawn[1]), at + drawn[2])
    ),
    max_size=4,
)


def addresses(ranges: Ranges) -> list[str]:
    return [ranges.pick(i) for i in range(ranges.count)]


@given(V4_RANGES, V6_RANGES, st.integers(1, 9))
def test_shards_are_the_whole_without_overlap_and_take_whole_networks(
    v4: list[tuple[int, int]], v6: list[tuple[int, int]], shards: int
) -> None:
    whole = Ranges.from_pairs(v4=v4, v6=v6)
    parts = [addresses(share(whole, shard, shards)) for shard in range(shards)]

    assert sorted(ip for part in parts for ip in part) == sorted(addresses(whole))
    owners = {(network_of(ip), shard) for shard, part in enumerate(parts) for ip in part}
    assert len({network for network, _ in owners}) == len(owners)


@given(V4_RANGES, V6_RANGES, st.integers(1, 9))
def test_the_owner_of_an_address_is_the_shard_that_has_it(
    v4: list[tuple[int, int]], v6: list[tuple[int, int]], shards: int
) -> None:
    whole = Ranges.from_pairs(v4=v4, v6=v6)

    for shard in range(shards):
        assert {owner(ip, shards) for ip in addresses(share(whole, shard, shards))} <= {shard}


@given(V4_RANGES, V4_RANGES, st.integers(2, 5))
def test_an_owner_does_not_depend_on_what_else_is_swept(
    some: list[tuple[int, int]], others: list[tuple[int, int]], shards: int
) -> None:
    """Two machines that read different lists, or whose DNS answers differ, agree about what both know."""
    one, both = Ranges.from_pairs(v4=some), Ranges.from_pairs(v4=some + others)

    for shard in range(shards):
        assert share(one, shard, shards) == share(both, shard, shards).intersection(one)


def test_owners_are_the_same_in_every_version() -> None:
    """Another rule would send two machines with different versions to the same networks."""
    assert [owner(ip, 16) for ip in ("10.0.0.1", "10.0.1.1", "10.1.0.1", "2001:db8::1", "2001:db8:0:1::1")] == [
        9,
        10,
        4,
        3,
        4,
    ]


def test_a_whole_network_is_divided_evenly() -> None:
    whole = Ranges.from_pairs(v4=[(0x0A000000, 0x0A00FFFF)])

    assert [share(whole, shard, 16).count for shard in range(16)] == [4096] * 16
    assert {share(whole, shard, 3).count for shard in range(3)} == {85 * 256, 86 * 256}


def test_networks_at_regular_distances_do_not_all_meet_in_one_shard() -> None:
    """The first /24 of each /16 of a /8, as in many address plans."""
    firsts = [0x0A000000 + (n << 16) for n in range(256)]
    spread = Ranges.from_pairs(v4=[(first, first + 255) for first in firsts])

    counts = np.array([share(spread, shard, 16).count // 256 for shard in range(16)])

    assert counts.sum() == 256
    assert counts.min() > 4
    assert counts.max() < 40


def test_a_network_that_is_named_in_pieces_is_one_network() -> None:
    pieces = Ranges.from_pairs(v4=[(0x0A000001, 0x0A000003), (0x0A000010, 0x0A000020), (0x0A0000F0, 0x0A000103)])
    here = owner("10.0.0.1", 2)

    assert share(pieces, here, 2).intersection(Ranges.from_pairs(v4=[(0x0A000000, 0x0A0000FF)])).count == 36
    assert owner("10.0.1.3", 2) == 1 - here


def test_one_shard_is_the_set_itself() -> None:
    whole = Ranges.from_pairs(v4=[(1, 5)], v6=[(0, 2**100)])

    assert share(whole, 0, 1) is whole


def test_nothing_is_shared_as_nothing() -> None:
    assert [share(Ranges.from_pairs(), shard, 3).count for shard in range(3)] == [0, 0, 0]


def test_a_shard_may_own_nothing() -> None:
    one = Ranges.from_pairs(v4=[(0x0A000000, 0x0A0000FF)])

    assert sorted(share(one, shard, 4).count for shard in range(4)) == [0, 0, 0, 256]


def test_work_and_memory_are_bounded_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same result whatever the block, and for a /8 no more memory than its networks need."""
    whole = Ranges.from_pairs(v4=[(0x0A000000, 0x0A0FFFFF), (0x0A200010, 0x0A200400)])
    expected = share(whole, 2, 5)
    with monkeypatch.context() as small:
        small.setattr(shards, "_BLOCK", 7)
        assert share(whole, 2, 5) == expected

    tracemalloc.start()
    try:
        share(Ranges.from_pairs(v4=[(0x0A000000, 0x0AFFFFFF)]), 0, 16)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("shard", "shards"), [(-1, 2), (2, 2), (0, 0)])
def test_an_impossible_shard_is_refused(shard: int, shards: int) -> None:
    with pytest.raises(ValueError, match="shard"):
        share(Ranges.from_pairs(), shard, shards)


def test_more_than_can_be_swept_is_refused_before_it_is_counted() -> None:
    with pytest.raises(InputError, match="visit less at once"):
        share(Ranges.from_pairs(v6=[(0, 2**120)]), 0, 2)
