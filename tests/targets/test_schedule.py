"""Targets in order: each is visited once, positions are random access, what is done is left out."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError, StateError
from scanner.model import Target
from scanner.targets.permutation import Permutation
from scanner.targets.progress import Progress
from scanner.targets.ranges import Ranges
from scanner.targets.schedule import BLOCK, Schedule

BASE = 0x0A000000  # 10.0.0.0


def network(size: int) -> Ranges:
    return Ranges.from_pairs(v4=[(BASE, BASE + size - 1)] if size else [])


def schedule(  # one place for the arguments that most tests do not care about
    ranges: Ranges,
    *,
    ports: tuple[int, ...] = (25,),
    seed: int = 1,
    samples: int = 1,
    hosts: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Schedule:
    return Schedule(ranges, ports=ports, seed=seed, samples=samples, hosts=hosts, progress=progress)


def drained(plan: Schedule, batch: int = 1000) -> list[Target]:
    targets: list[Target] = []
    while chunk := plan.take(batch):
        assert len(chunk) <= batch
        targets += chunk
    return targets


@given(st.integers(0, 60), st.integers(1, 3), st.integers(0, 2**53 - 1), st.integers(1, 9))
def test_every_address_and_port_is_visited_once(size: int, ports: int, seed: int, batch: int) -> None:
    chosen = (25, 587, 2525)[:ports]
    plan = schedule(network(size), ports=chosen, seed=seed)
    pairs = [(target.ip, target.port) for target in drained(plan, batch)]
    assert len(pairs) == len(set(pairs)) == plan.planned == size * ports
    assert set(pairs) == {(f"10.0.0.{n}", port) for n in range(size) for port in chosen}


@given(st.integers(1, 60), st.integers(0, 2**53 - 1))
def test_any_position_is_random_access(size: int, seed: int) -> None:
    hosts = {"10.0.0.3": "mail.example.com"}
    plan = schedule(network(size), ports=(25, 587), seed=seed, hosts=hosts)
    targets = drained(plan)
    assert [target.position for target in targets] == list(range(plan.planned))
    assert plan.targets_at(range(plan.planned)) == targets
    assert all(target.host == hosts.get(target.ip) for target in targets)


def test_a_target_follows_from_its_position_by_the_published_formula() -> None:
    ranges, ports = network(100), (25, 587)
    plan = schedule(ranges, ports=ports, seed=9)
    order = Permutation(200, 9)
    for target in plan.take(10):
        index = order[target.position]
        assert (target.ip, target.port) == (ranges.pick(index % 100), ports[index // 100])
        assert type(target) is Target
        assert [type(field) for field in target] == [int, str, int, type(None)]


@given(st.sets(st.integers(0, 59)), st.integers(1, 9))
def test_what_is_done_is_left_out(done: set[int], batch: int) -> None:
    progress = Progress()
    progress.mark_many(done)
    plan = schedule(network(60), progress=progress)
    remaining = [target for target in drained(schedule(network(60))) if target.position not in done]
    assert plan.exhausted == (not remaining)
    assert drained(plan, batch) == remaining


def test_a_run_that_stops_and_resumes_visits_the_same_targets_as_one_that_does_not() -> None:
    whole = drained(schedule(network(3 * BLOCK)))
    progress = Progress()
    first = schedule(network(3 * BLOCK), progress=progress).take(BLOCK + 5)
    progress.mark_many(target.position for target in first if target.position % 10)  # every tenth is still in flight
    resumed = drained(schedule(network(3 * BLOCK), progress=Progress.restore(progress.snapshot())))
    assert sorted({*first, *resumed}) == whole
    assert {target.position for target in first} & {target.position for target in resumed} == set(
        range(0, BLOCK + 5, 10)
    )


def test_results_that_come_in_while_targets_are_taken_change_nothing_ahead() -> None:
    progress = Progress()
    plan = schedule(network(2 * BLOCK + 3), progress=progress)
    taken: list[Target] = []
    while batch := plan.take(700):
        taken += batch
        progress.mark_many(target.position for target in batch)
    assert [target.position for target in taken] == list(range(2 * BLOCK + 3))
    assert progress.low_water == 2 * BLOCK + 3


def test_whole_blocks_that_are_done_are_passed_over() -> None:
    progress = Progress()
    progress.mark_many(range(1, 3 * BLOCK))
    plan = schedule(network(3 * BLOCK + 1), progress=progress)
    assert [target.position for target in plan.take(10)] == [0, 3 * BLOCK]
    assert plan.exhausted


@pytest.mark.parametrize("batch", [1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK])
def test_batches_of_any_size_cross_block_boundaries(batch: int) -> None:
    plan = schedule(network(2 * BLOCK + 1))
    sizes = []
    while chunk := plan.take(batch):
        sizes.append(len(chunk))
        assert repr(plan) == f"<Schedule: at {sum(sizes):,} of {2 * BLOCK + 1:,}>"
    assert sizes[:-1] == [batch] * (len(sizes) - 1)
    assert sum(sizes) == 2 * BLOCK + 1


def test_taking_nothing_or_less_takes_nothing() -> None:
    plan = schedule(network(5))
    assert plan.take(0) == plan.take(-3) == []
    assert [target.position for target in plan.take(1)] == [0]


def test_an_empty_plan_is_exhausted_from_the_start() -> None:
    plan = schedule(network(0))
    assert (plan.planned, plan.exhausted, plan.take(5)) == (0, True, [])


def test_addresses_of_both_families_are_visited() -> None:
    mixed = Ranges.from_pairs(v4=[(BASE, BASE + 2)], v6=[(0x20010DB8 << 96, (0x20010DB8 << 96) + 1)])
    assert {target.ip for target in drained(schedule(mixed))} == {
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.2",
        "2001:db8::",
        "2001:db8::1",
    }


def test_memory_does_not_depend_on_the_size_of_the_sweep() -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        try:
            assert len(schedule(network(size)).take(100)) == 100
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(BLOCK)  # what is loaded or cached at the first use
    assert peak(2**27) < 1.5 * peak(BLOCK)


def test_a_position_outside_is_refused() -> None:
    with pytest.raises(IndexError, match="of 5"):
        schedule(network(5)).targets_at([4, 5])


def test_no_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one port"):
        schedule(network(5), ports=())


def test_more_targets_than_the_order_can_number_are_refused() -> None:
    too_many = Ranges.from_pairs(v6=[(0, 2**62)])
    with pytest.raises(InputError, match="visit less at once"):
        schedule(too_many, ports=(25, 587))
    assert schedule(too_many).planned == 2**62 + 1


def test_progress_of_another_sweep_is_refused() -> None:
    progress = Progress()
    progress.mark_many([5])
    with pytest.raises(StateError, match="belongs to another sweep"):
        schedule(network(5), progress=progress)
    assert schedule(network(6), progress=progress).planned == 6


def test_the_repr_says_how_far_it_is() -> None:
    plan = schedule(network(5000))
    plan.take(7)
    assert repr(plan) == "<Schedule: at 7 of 5,000>"


@given(st.integers(1, 40), st.integers(1, 2), st.integers(1, 4), st.integers(1, 30))
def test_every_target_is_visited_as_often_as_there_are_samples_each_pass_in_the_same_order(
    size: int, ports: int, samples: int, batch: int
) -> None:
    chosen = (25, 587)[:ports]
    plan = schedule(network(size), ports=chosen, samples=samples)
    targets = drained(plan, batch)
    assert len(targets) == plan.planned
    assert plan.targets_at([target.position for target in targets]) == targets
    visits = [(plan.sample(target.position), target.ip, target.port) for target in targets]
    single = [(target.ip, target.port) for target in drained(schedule(network(size), ports=chosen))]
    assert visits == [(sample, *target) for sample in range(samples) for target in single]


def test_the_positions_of_a_single_sample_are_those_of_a_sweep_without_samples() -> None:
    plan = schedule(network(50), ports=(25, 587))

    assert {plan.sample(position) for position in range(plan.planned)} == {0}


def test_samples_count_towards_the_size_of_a_sweep() -> None:
    with pytest.raises(InputError, match="more than 2\\*\\*63"):
        schedule(Ranges.from_pairs(v6=[(0, 2**62 - 1)]), samples=4)


def test_targets_come_again_by_their_positions_done_or_not() -> None:
    progress = Progress()
    progress.mark_many(range(30))
    plan = schedule(network(100), progress=progress)
    again = plan.targets_at([70, 3, 3])
    whole = drained(schedule(network(100)))
    assert [target.position for target in again] == [70, 3, 3]
    assert again == [whole[70], whole[3], whole[3]]
    assert plan.targets_at([]) == []


def test_it_ends_where_a_state_could_not_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One target that stays open holds the low-water mark: from there on only so many positions can be kept apart."""
    monkeypatch.setattr("scanner.targets.schedule.MAX_SPREAD", 50)
    progress = Progress()
    plan = schedule(network(200), progress=progress)
    assert [target.position for target in plan.take(200)] == list(range(50))
    assert (plan.exhausted, plan.planned) == (True, 200)
    progress.mark_many(range(40))
    assert [target.position for target in plan.take(200)] == list(range(50, 90))
