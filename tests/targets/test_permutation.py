"""The order of a sweep: one-to-one for every n, other seeds other orders, neighbours far apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.permutation import MAX_N, Permutation

SEEDS = (0, 1, 2, 0xDEADBEEF, 2**64 - 1)
sizes = st.one_of(st.integers(1, 5000), st.integers(1, MAX_N), st.integers(0, 62).map(lambda bits: 2**bits + 1))
seeds = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_small_n_is_visited_once_each(seed: int) -> None:
    for n in range(301):
        order = Permutation(n, seed)
        assert sorted(order.block(0, n).tolist()) == list(range(n))


@pytest.mark.parametrize("n", [2**16 - 1, 2**16, 2**16 + 1, 100_003])
def test_larger_n_are_visited_once_each(n: int) -> None:
    assert np.array_equal(np.sort(Permutation(n, 7).block(0, n)), np.arange(n))


@given(sizes, seeds, st.data())
def test_inverse_undoes_it_and_one_by_one_equals_in_blocks(n: int, seed: int, data: st.DataObject) -> None:
    order = Permutation(n, seed)
    positions = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20))
    indices = order.many(np.array(positions, dtype=np.uint64)).tolist()
    assert indices == [order[position] for position in positions]
    assert all(0 <= index < n for index in indices)
    assert [order.inverse(index) for index in indices] == positions


@pytest.mark.parametrize("seed", SEEDS)
def test_every_small_n_has_an_inverse(seed: int) -> None:
    for n in range(65):
        order = Permutation(n, seed)
        assert [order.inverse(order[position]) for position in range(n)] == list(range(n))


@given(st.integers(1, 10**6), seeds, st.integers(0, 1000), st.integers(0, 50))
def test_a_block_is_the_same_wherever_it_begins(n: int, seed: int, start: int, length: int) -> None:
    order = Permutation(n, seed)
    stop = min(start + length, n)
    assert order.block(min(start, stop), stop).tolist() == [order[i] for i in range(start, stop)]


def test_the_order_is_part_of_saved_states_and_does_not_change() -> None:
    assert Permutation(10, 0).block(0, 10).tolist() == [7, 1, 3, 5, 0, 6, 4, 8, 2, 9]
    assert Permutation(2**24, 1).block(0, 4).tolist() == [9232735, 11566198, 13400595, 6432699]
    assert Permutation(MAX_N, 2**64 - 1).block(0, 3).tolist() == [
        1159840185076956286,
        5592286286548348096,
        8691013302403407072,
    ]


def test_different_seeds_give_different_orders() -> None:
    n = 5000
    orders = [Permutation(n, seed).block(0, n) for seed in (*range(20), *(1 << bit for bit in range(5, 64)))]
    agreements = [int((a == b).sum()) for k, a in enumerate(orders) for b in orders[:k]]
    # Two random orders agree in one place on average, in more than twelve about once in 10^10 pairs.
    assert max(agreements) <= 12
    assert 0.8 < np.mean(agreements) < 1.2


def test_small_n_use_all_their_orders_evenly() -> None:
    """Over many seeds every index is equally likely at every position, also when the halves are a bit or two wide."""
    for n in (2, 3, 5, 12):
        rounds = 2000
        orders = np.array([Permutation(n, seed).block(0, n) for seed in range(rounds)])
        for position in range(n):
            counts = np.bincount(orders[:, position].astype(np.int64), minlength=n)
            # Within six standard deviations of the mean.
            assert np.abs(counts - rounds / n).max() < 6 * (rounds / n) ** 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [2**16, 2**16 + 1, 3 * 2**20, 2**24, 2**40])
def test_neighbours_land_far_apart(n: int, seed: int) -> None:
    """Distances between consecutive targets look like those between random ones, and few share a /24."""
    indices = Permutation(n, seed).block(0, 2**15).astype(np.float64)
    distances = np.abs(np.diff(indices))
    assert abs(distances.mean() / n - 1 / 3) < 0.01  # the mean distance of two random points of a line of length 1
    same_subnet = (indices[1:] // 256 == indices[:-1] // 256).mean()
    assert same_subnet < 256 / n + 0.002
    # Nor do index and position go together.
    assert abs(np.corrcoef(indices, np.arange(len(indices)))[0, 1]) < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_every_stretch_of_the_order_covers_the_whole_network_evenly(seed: int) -> None:
    """Chi-square over 256 buckets for the first 1/256 of a /8: a sweep stopped early has seen every /16 alike."""
    counts = np.bincount((Permutation(2**24, seed).block(0, 2**16) // 2**16).astype(np.int64), minlength=256)
    chi_square = float(((counts - 256.0) ** 2 / 256.0).sum())
    assert 130 < chi_square < 400  # 255 degrees of freedom: mean 255, deviation 23; too even is suspicious as well


@pytest.mark.parametrize("n", [-1, MAX_N + 1])
def test_an_impossible_n_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="n is"):
        Permutation(n, 0)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_an_impossible_seed_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed is"):
        Permutation(10, seed)


def test_positions_and_indices_outside_are_refused() -> None:
    order = Permutation(10, 0)
    for bad in (-1, 10):
        with pytest.raises(IndexError, match="of 10"):
            order[bad]
        with pytest.raises(IndexError, match="of 10"):
            order.inverse(bad)
    with pytest.raises(IndexError, match="10 of 10"):
        order.block(5, 11)
    with pytest.raises(IndexError, match="-1 of 10"):
        order.block(-1, 2)
    with pytest.raises(IndexError, match="0 of 0"):
        Permutation(0, 0)[0]


def test_it_tells_its_size_and_seed() -> None:
    assert len(Permutation(10, 3)) == 10
    assert repr(Permutation(10, 3)) == "Permutation(n=10, seed=3)"
