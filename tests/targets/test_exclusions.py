"""Who is never visited: by which reason, by which way, and that the numbers add up."""

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine import Gate
from scanner.errors import InputError
from scanner.settings import Settings
from scanner.sweeps.plan import Plan, make_plan, reasons_text
from scanner.targets import COMMAND_LINE, Exclusions, Ranges, TextSource, parse_exclusions, parse_spec


def exclusions(*texts: str) -> Exclusions:
    return Exclusions(parse_exclusions([TextSource(COMMAND_LINE, texts)]).ranges)


def planned(targets: Iterable[str], never: Iterable[str] = (), **settings: Any) -> Plan:
    asked = parse_spec([TextSource(COMMAND_LINE, targets)])
    return asyncio.run(make_plan(asked, parse_exclusions([TextSource(COMMAND_LINE, never)]), Settings(**settings)))


WAYS = [
    "192.0.2.1",
    "::192.0.2.1",
    "64:ff9b::192.0.2.1",
    "64:ff9b:1::192.0.2.1",
    "2002:c000:201::25",
    "2001:db8::5efe:192.0.2.1",
    "2001:0:4136:e378:8000:63bf:3fff:fdfe",
]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_an_excluded_host_is_left_out_of_the_plan_and_refused_at_the_gate(way: str) -> None:
    plan = planned([way, "2001:db8::25"], ["192.0.2.0/28"])

    assert [plan.visited.pick(i) for i in range(plan.visited.count)] == ["2001:db8::25"]
    assert plan.excluded_why == {"yours": 1}
    assert Gate(plan.excluded, rate=0, subnet_rate=0).is_excluded(way)
    assert Gate(exclusions("192.0.2.1"), rate=0, subnet_rate=0).is_excluded(way)  # without the plan's help


def test_a_mapped_address_is_refused_at_the_gate_whoever_brings_it() -> None:
    assert "::ffff:192.0.2.1" in exclusions("none")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "unspecified"),  # noqa: S104 - nothing is bound
        ("0.1.2.3", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("ff02::1", "multicast"),
        ("64:ff9b::224.0.0.1", "multicast"),
        ("::255.255.255.255", "broadcast"),
        ("2002:e000:1::1", "multicast"),
        ("64:ff9b::127.0.0.1", "embedded_loopback"),
        ("2002:7f00:1::1", "embedded_loopback"),
    ],
)
def test_what_nobody_may_visit_is_said_by_its_reason(address: str, reason: str) -> None:
    plan = planned([address, "127.0.0.1", "::1"])

    assert plan.excluded_why == {reason: 1}
    assert plan.excluded_count == 1
    assert address in plan.excluded
    with pytest.raises(InputError) as caught:
        planned([address])
    assert str(caught.value) == f"the only address is excluded: nothing to do ({reason.replace('_', ' ')})"


def test_loopback_itself_may_be_visited() -> None:
    assert "127.0.0.1" not in exclusions("none")
    assert "::1" not in exclusions("none")


ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda value: str(ipaddress.IPv4Address(value))),
    st.integers(0, 2**32 - 1).map(lambda value: f"::{ipaddress.IPv4Address(value)}"),
    st.integers(0, 2**32 - 1).map(lambda value: f"64:ff9b::{ipaddress.IPv4Address(value)}"),
    st.integers(0, 2**32 - 1).map(lambda value: f"2002:{value >> 16:x}:{value & 0xFFFF:x}::1"),
    st.sampled_from(["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "127.0.0.1", "::1"]),  # noqa: S104
)
NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: f"{ipaddress.IPv4Address(pair[0])}/{pair[1]}"
)


def ranges_of(texts: list[str]) -> Ranges:
    return parse_spec([TextSource("fuzz", texts or ["none"])]).ranges


@given(st.lists(ADDRESSES, min_size=1, max_size=12), st.lists(NETWORKS, max_size=4), st.integers(1, 5))
def test_the_plan_takes_out_exactly_what_the_gate_refuses_and_the_reasons_add_up(
    asked: list[str], never: list[str], shards: int
) -> None:
    targets, excluded = ranges_of(asked), Exclusions(ranges_of(never))
    visited = targets
    for addresses in excluded.taken_from(targets).values():
        visited = visited.minus(addresses)

    assert [ip for i in range(targets.count) if (ip := targets.pick(i)) not in excluded] == [
        visited.pick(i) for i in range(visited.count)
    ]
    for shard in range(shards):
        plan = Plan(targets, visited, excluded, {}, Settings(ports=(25, 587), samples=3, shard=shard, shards=shards))
        assert sum(plan.excluded_why.values()) == plan.excluded_count
        assert 0 not in plan.excluded_why.values()


def test_exclusions_that_take_out_nothing_are_a_notice() -> None:
    notice = "the exclusions take out none of the targets: check that they are the right ones"

    assert planned(["127.0.0.1"], ["192.0.2.0/24"]).notices == (notice,)
    assert planned(["127.0.0.1"], []).notices == planned(["127.0.0.1"], ["none"]).notices == ()
    assert planned(["127.0.0.1-2"], ["127.0.0.1", "192.0.2.0/24"]).notices == ()


def test_reasons_are_said_with_their_numbers_or_alone() -> None:
    assert reasons_text({"yours": 1_200, "embedded_loopback": 1}) == "1,200 by you, 1 embedded loopback"
    assert reasons_text({"multicast": 1}) == "multicast"
    assert reasons_text({}) == ""


def test_exclusions_show_what_they_hold() -> None:
    assert repr(exclusions("192.0.2.1")) == "<Exclusions: <Ranges: 1 addresses in 1 ranges: 192.0.2.1>>"


def test_what_is_no_address_is_not_taken_for_one_that_may_be_visited() -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        _ = "mail.example.com" in exclusions("192.0.2.1")
