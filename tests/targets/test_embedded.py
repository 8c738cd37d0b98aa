"""IPv6 addresses that carry an IPv4 address: which one, and which of a set carry one of another set."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.address import V4_MAX, V6_MAX
from scanner.targets.embedded import embedded_v4, leading_to
from scanner.targets.intervals import Intervals

HOST = int(ipaddress.IPv4Address("192.0.2.1"))


def number(text: str) -> int:
    return int(ipaddress.IPv6Address(text))


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:192.0.2.1",
        "::192.0.2.1",
        "64:ff9b::192.0.2.1",
        "64:ff9b:1::192.0.2.1",
        "64:ff9b:1:dead:beef:0:192.0.2.1",
        "2002:c000:201::",
        "2002:c000:201::25",
        "2002:c000:201:ffff:ffff:ffff:ffff:ffff",
        "fe80::5efe:192.0.2.1",
        "2001:db8::5efe:192.0.2.1",
        "2001:db8::200:5efe:192.0.2.1",
        "2001:0:4136:e378:8000:63bf:3fff:fdfe",
    ],
)
def test_an_address_that_carries_an_ipv4_address_leads_to_it(text: str) -> None:
    assert embedded_v4(number(text)) == (HOST,)


@pytest.mark.parametrize(
    "text", ["::", "::1", "2001:db8::1", "2001:db8::192.0.2.1", "64:ff9b:2::192.0.2.1", "2003:c000:201::", "fe80::1"]
)
def test_other_addresses_carry_none(text: str) -> None:
    assert embedded_v4(number(text)) == ()


def test_two_readings_are_two_addresses() -> None:
    assert embedded_v4(number("2002:c000:201::5efe:198.51.100.7")) == (HOST, int(ipaddress.IPv4Address("198.51.100.7")))


BASES = [
    number(text)
    for text in ("::", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:2::", "2001:db8::5efe:0:0", "2001::", "2001:0:1::",
                 "2002::", "2002:c000:200::", "2001:db8::", "::ffff:0:0", "::1:0:0:0")
]  # fmt: skip
STARTS = st.builds(
    lambda base, low, shift: min(base + (low << shift), V6_MAX),
    st.sampled_from(BASES),
    st.integers(0, 2**33),
    st.sampled_from([0, 80]),
)
V6_SETS = st.lists(st.tuples(STARTS, st.integers(0, 300)), min_size=1, max_size=4).map(
    lambda pairs: Intervals.from_pairs([(first, min(first + size, V6_MAX)) for first, size in pairs], V6_MAX)
)
V4_SETS = st.lists(st.tuples(st.integers(0, V4_MAX), st.sampled_from([0, 3, 2**16, 2**30])), max_size=6).map(
    lambda pairs: Intervals.from_pairs([(first, min(first + size, V4_MAX)) for first, size in pairs], V4_MAX)
)


@given(V6_SETS, V4_SETS)
def test_a_set_is_cut_as_each_address_alone_would_be(v6: Intervals, v4: Intervals) -> None:
    wanted = [
        value
        for first, last in v6.pairs()
        for value in range(first, last + 1)
        if any(each in v4 for each in embedded_v4(value)) and value
    ]

    found = [value for first, last in leading_to(v6, v4).pairs() for value in range(first, last + 1)]

    assert found == wanted


def test_a_block_that_is_crossed_is_read_on_both_sides() -> None:
    v6 = Intervals.from_pairs([(number("64:ff9b:1::ffff:fff0"), number("64:ff9b:1::1:0:f"))], V6_MAX)
    v4 = Intervals.from_pairs([(V4_MAX, V4_MAX), (3, 4)], V4_MAX)

    assert list(leading_to(v6, v4).pairs()) == [
        (number("64:ff9b:1::ffff:ffff"), number("64:ff9b:1::ffff:ffff")),
        (number("64:ff9b:1::1:0:3"), number("64:ff9b:1::1:0:4")),
    ]
