"""A set of positions holds what a set holds, in memory that follows the chunks touched."""

from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.positions import PositionSet

#: Positions around the borders of chunks, and far away.
POSITION = st.sampled_from([0, 1, 7, 8, 65_535, 65_536, 65_537, 131_072, 2**40, 2**62])


@given(st.lists(st.tuples(st.booleans(), POSITION)))
def test_it_holds_what_a_set_holds(steps: list[tuple[bool, int]]) -> None:
    tested, expected = PositionSet(), set[int]()
    for is_added, position in steps:
        if is_added:
            tested.add(position)
            expected.add(position)
        else:
            tested.discard(position)
            expected.discard(position)

    assert len(tested) == len(expected)
    assert {position for position in (0, 1, 7, 8, 65_535, 65_536, 65_537, 2**40) if position in tested} == {
        position for position in expected if position not in {131_072, 2**62}
    }
    assert walked(tested) == sorted(expected)


def walked(tested: PositionSet, most: int = 2) -> list[int]:
    """Return all of them as who walks through them sees them."""
    found, last = list[int](), -1
    while len(some := tested.next_after(last, most)):
        assert len(some) <= most
        found += some.tolist()
        last = found[-1]
    return found


def test_eight_million_positions_take_a_megabyte() -> None:
    tested = PositionSet()
    for position in range(0, 1 << 20, 7):
        tested.add(position)

    assert len(tested._chunks) == 16
    assert sum(map(len, tested._chunks.values())) == 1 << 17


def test_a_chunk_that_is_empty_is_given_back() -> None:
    tested = PositionSet()
    tested.add(5)
    tested.add(70_000)
    tested.discard(5)

    assert list(tested._chunks) == [1]
    assert tested.next_after(70_000, 9).tolist() == []
