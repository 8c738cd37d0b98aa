"""Claims about `scanner.sweeps.plan`: what is visited, what is not, in which order, and for how long."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError, SettingsError
from scanner.settings import Settings
from scanner.sweeps import resolve as resolve_module
from scanner.sweeps.plan import Plan, make_plan, seconds_text
from scanner.targets import Exclusions, Progress, Ranges, parse_exclusions, parse_spec

Pairs = list[tuple[int, int]]

FIRST = 0x7F000000  # 127.0.0.0
#: Small ranges, overlapping or not, over 3 networks.
RANGES = st.lists(
    st.tuples(st.integers(230, 530), st.integers(0, 63)).map(lambda pair: (FIRST + pair[0], FIRST + sum(pair))),
    max_size=4,
)

#: Connections a second: no limit, or one that somebody may want.
RATES = st.just(0.0) | st.floats(0.01, 1e6)


TOO_LARGE = (
    "16,777,217 addresses are more than a /8 (16,777,216): if you are allowed to sweep them all, add --confirm-large"
)


def planned(*targets: str, exclude: tuple[str, ...] = (), **settings: Any) -> Plan:
    asked, never = ([("command line", list(texts))] for texts in (targets, exclude))
    return asyncio.run(make_plan(parse_spec(asked), parse_exclusions(never), Settings(**settings)))


def plan_of(asked: Pairs, excluded: Pairs, settings: Settings) -> Plan:
    given, never = Ranges.from_pairs(v4=asked), Ranges.from_pairs(v4=excluded)
    return Plan(given, given.minus(never), Exclusions(never), {}, settings)


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, tuple[str, ...]]], None]:
    """Return a way to say which names have which addresses."""

    def use(known: Mapping[str, tuple[str, ...]]) -> None:
        async def mail_hosts(domain: str) -> list[str]:
            return [domain]

        async def addresses(name: str) -> tuple[str, ...]:
            return known[name]

        monkeypatch.setattr(resolve_module, "_mail_hosts", mail_hosts)
        monkeypatch.setattr(resolve_module, "_addresses", addresses)

    return use


@given(RANGES, RANGES, st.integers(1, 7), st.sampled_from([(25,), (25, 587), (25, 465, 587)]))
def test_counts_of_all_shards_add_up(asked: Pairs, excluded: Pairs, shards: int, ports: tuple[int, ...]) -> None:
    whole = plan_of(asked, excluded, Settings(ports=ports))
    parts = [plan_of(asked, excluded, Settings(ports=ports, shard=k, shards=shards)) for k in range(shards)]

    for plan in (whole, *parts):
        assert plan.planned == plan.to_visit + plan.excluded_count
    for count in ("planned", "to_visit", "excluded_count"):
        assert sum(getattr(part, count) for part in parts) == getattr(whole, count)
    assert whole.planned == whole.asked.count * len(ports)


@given(RANGES.filter(bool), RANGES, st.integers(1, 5), st.integers(0, 2**53 - 1))
def test_the_schedules_of_all_shards_visit_each_target_once_and_no_excluded_one(
    asked: Pairs, excluded: Pairs, shards: int, seed: int
) -> None:
    visited: list[tuple[str, int]] = []
    for shard in range(shards):
        plan = plan_of(asked, excluded, Settings(ports=(25, 587), shard=shard, shards=shards, seed=seed))
        if plan.visited:
            targets = plan.schedule().take(10_000)
            assert [target.position for target in targets] == list(range(plan.to_visit))
            visited += [(target.ip, target.port) for target in targets]

    wanted = Ranges.from_pairs(v4=asked).minus(Ranges.from_pairs(v4=excluded))
    assert sorted(visited) == sorted((wanted.pick(i), port) for i in range(wanted.count) for port in (25, 587))


def test_what_is_done_is_not_scheduled_again() -> None:
    plan, progress = planned("127.0.0.0/28", seed=3), Progress()
    everything = plan.schedule().take(100)
    progress.mark_many([0, 1, 2, 7])

    assert plan.schedule(progress).take(100) == [target for target in everything if target.position not in {0, 1, 2, 7}]


SAME = ("127.0.0.0/24", "127.0.2.1")
OTHER_PLANS: dict[str, Callable[[], Plan]] = {
    "one address more": lambda: planned(*SAME, "127.0.3.1"),
    "one address less": lambda: planned("127.0.0.0/24"),
    "an exclusion": lambda: planned(*SAME, exclude=("127.0.0.9",)),
    "another port": lambda: planned(*SAME, ports=(26,)),
    "one port more": lambda: planned(*SAME, ports=(25, 26)),
    "another shard": lambda: planned(*SAME, shard=1, shards=2),
    "other shards": lambda: planned(*SAME, shard=0, shards=2),
    "another seed": lambda: planned(*SAME, seed=1),
}


@pytest.mark.parametrize("other", OTHER_PLANS.values(), ids=OTHER_PLANS.keys())
def test_the_digest_changes_with_what_decides_who_is_at_which_position(other: Callable[[], Plan]) -> None:
    assert other().digest != planned(*SAME).digest


def test_all_digests_differ() -> None:
    plans = [planned(*SAME), *(make() for make in OTHER_PLANS.values())]
    plans += [planned(*SAME, ports=(26, 25)), planned(*SAME, shard=1, shards=3), planned(*SAME, seed=11)]

    assert len({plan.digest for plan in plans}) == len(plans)


@pytest.mark.parametrize(
    "same",
    [
        lambda: planned("127.0.2.1", "127.0.0.0/24"),
        lambda: planned("127.0.0.0/25", "127.0.0.128-127.0.0.255", "127.0.0.7", "127.0.2.1"),
        lambda: planned(*SAME, exclude=("10.0.0.0/8", "2001:db8::/32")),
        lambda: replace(planned(*SAME), hosts={"127.0.2.1": "mail.example.com"}),
    ],
    ids=["order", "other words", "exclusions elsewhere", "names"],
)
def test_the_digest_does_not_depend_on_how_the_same_targets_were_named(same: Callable[[], Plan]) -> None:
    assert same().digest == planned(*SAME).digest


def test_the_digest_does_not_depend_on_pace_patience_or_output() -> None:
    other: dict[str, Any] = {
        "rate": 1.0,
        "subnet_rate": 0.0,
        "concurrency": 2,
        "connect_timeout_s": 1.0,
        "greeting_timeout_s": 1.0,
        "total_timeout_s": 1.0,
        "retries": 0,
        "passive": True,
        "source_address": "127.0.0.1",
        "all_statuses": True,
        "max_greeting_bytes": 100,
        "confirm_large": True,
    }

    assert planned(*SAME, exclude=(), **other).digest == planned(*SAME).digest


def test_the_digest_of_the_targets_alone_does_not_depend_on_order_share_or_samples() -> None:
    same = planned(*SAME)

    for other in (planned(*SAME, seed=99), planned(*SAME, shard=1, shards=4), planned(*SAME, samples=3)):
        assert other.targets_digest == same.targets_digest
    for other in (planned("192.0.2.0/25"), planned(*SAME, ports=(25, 26)), planned(*SAME, exclude=("127.0.2.1",))):
        assert other.targets_digest != same.targets_digest


def test_the_digest_is_the_same_on_every_machine() -> None:
    """A state file that was written by an older version must still be known."""
    assert (
        planned("192.0.2.0/24", ports=(25, 587), seed=7, shard=2, shards=16).digest
        == "461b8c4ff9cefbf21b91e8e2a618584b"
    )


@pytest.mark.parametrize(
    ("targets", "changes", "fast", "slow"),
    [
        # 256 at 50 a second; dark ones twice, then two time-outs and the delay between them.
        (["127.0.0.0/24"], {}, 5.12, 2 * 5.12 + 20),
        # 65,536 at 500 a second; 5 s in one of 1,000 slots each costs more.
        (["127.0.0.0/16"], {}, 131.072, 2 * 65536 * 5 / 1000 + 20),
        (["127.0.0.0/16"], {"retries": 0}, 131.072, 65536 * 5 / 1000 + 5),
        (["127.0.0.0/16"], {"rate": 0, "subnet_rate": 0, "concurrency": 65536}, 0, 2 * 5 + 20),
        (["127.0.0.0/16"], {"rate": 0, "subnet_rate": 1}, 256, 2 * 65536 * 5 / 1000 + 20),
        (["127.0.0.0/16"], {"shard": 1, "shards": 16, "retries": 0}, 8.192, 4096 * 5 / 1000 + 5),
        (["127.0.0.0/24"], {"ports": (25, 26)}, 10.24, 2 * 10.24 + 20),
        (["127.0.0.1"], {}, 0.02, 20.04),
    ],
)
def test_the_duration_is_estimated_for_hosts_that_answer_and_for_hosts_that_do_not(
    targets: list[str], changes: dict[str, Any], fast: float, slow: float
) -> None:
    assert planned(*targets, **changes).duration_s() == pytest.approx((fast, slow))


@given(RANGES.filter(bool), RATES, RATES, st.integers(1, 1 << 20), st.integers(0, 3))
def test_silence_never_takes_less_time_than_answers(
    asked: Pairs, rate: float, subnet_rate: float, concurrency: int, retries: int
) -> None:
    settings = Settings(rate=rate, subnet_rate=subnet_rate, concurrency=concurrency, retries=retries)
    fast, slow = plan_of(asked, [], settings).duration_s()

    assert 0 <= fast < slow


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (0.2, "1 s"),
        (45, "45 s"),
        (59.1, "1 min 0 s"),
        (131, "2 min 11 s"),
        (3599.5, "1 h 0 min"),
        (12_059, "3 h 20 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 d 0 h"),
        (10_000_000, "115 d 17 h"),
        (1e300, "more than a century"),
        (math.inf, "more than a century"),
    ],
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_the_name_that_was_given_stays_with_each_of_its_addresses(
    resolving: Callable[[Mapping[str, tuple[str, ...]]], None],
) -> None:
    resolving({"a.example.com": ("127.0.0.1", "2001:db8::1"), "b.example.com": ("127.0.0.2", "127.0.0.1")})

    plan = planned("b.example.com", "a.example.com", "127.0.0.3")

    assert plan.hosts == {
        "127.0.0.1": "b.example.com",  # both names lead there: the first one given counts
        "127.0.0.2": "b.example.com",
        "2001:db8::1": "a.example.com",
    }
    assert {(target.ip, target.host) for target in plan.schedule().take(10)} == {
        *plan.hosts.items(),
        ("127.0.0.3", None),
    }


def test_an_address_named_and_resolved_is_visited_once_under_its_name(
    resolving: Callable[[Mapping[str, tuple[str, ...]]], None],
) -> None:
    resolving({"a.example.com": ("127.0.0.1",)})

    assert planned("a.example.com", "127.0.0.0/31").schedule().take(10) == planned(
        "127.0.0.0/31", "a.example.com"
    ).schedule().take(10)
    assert {(t.ip, t.host) for t in planned("a.example.com", "127.0.0.0/31").schedule().take(10)} == {
        ("127.0.0.0", None),
        ("127.0.0.1", "a.example.com"),
    }


def test_exclusions_may_be_names_too(resolving: Callable[[Mapping[str, tuple[str, ...]]], None]) -> None:
    resolving({"never.example.com": ("127.0.0.2", "10.0.0.1"), "mx.example.com": ("127.0.0.3",)})

    plan = planned("127.0.0.0/29", exclude=("never.example.com", "mx:mx.example.com"))

    assert (plan.excluded_count, plan.to_visit) == (2, 6)
    assert "127.0.0.2" in plan.excluded
    assert "10.0.0.1" in plan.excluded
    assert "127.0.0.3" not in plan.visited


def test_a_name_cannot_lead_to_what_is_never_visited(
    resolving: Callable[[Mapping[str, tuple[str, ...]]], None],
) -> None:
    resolving({"odd.example.com": ("0.0.0.0", "224.0.0.1", "ff02::1", "127.0.0.1")})  # noqa: S104  DNS said so

    plan = planned("odd.example.com")

    assert [target.ip for target in plan.schedule().take(10)] == ["127.0.0.1"]
    assert plan.excluded_count == 3


@pytest.mark.parametrize(
    ("targets", "exclude", "settings", "message"),
    [
        ((), (), {}, "no targets: name addresses, ranges, host names, mx:DOMAIN, @FILE or - for standard input"),
        (("127.0.0.0/30",), ("127.0.0.0/8",), {}, "all 4 addresses are excluded: nothing to do (4 by you)"),
        (("127.0.0.1",), ("127.0.0.1",), {}, "the only address is excluded: nothing to do (by you)"),
        (
            ("224.0.0.0/4",),
            (),
            {"confirm_large": True},
            "all 268,435,456 addresses are excluded: nothing to do (268,435,456 multicast)",
        ),
        (
            ("10.0.0.0/8", "11.0.0.0"),
            (),
            {},
            TOO_LARGE,
        ),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_line(
    targets: tuple[str, ...], exclude: tuple[str, ...], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        planned(*targets, exclude=exclude, **settings)

    assert str(caught.value) == message


def test_a_large_sweep_can_be_confirmed() -> None:
    assert planned("10.0.0.0/7", confirm_large=True).to_visit == 2**25


def test_settings_that_make_no_sense_are_no_plan() -> None:
    with pytest.raises(SettingsError, match="--port 0"):
        planned("127.0.0.1", ports=(0,))
