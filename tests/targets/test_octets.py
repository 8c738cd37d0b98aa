"""Octet patterns: the same addresses as netaddr's reading, in ranges, and nothing that a slip could widen."""

import contextlib
import ipaddress
import itertools

import netaddr  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.octets import MAX_RANGES, parse_octet, parse_octets


def ranges_of(text: str) -> list[tuple[int, int]]:
    firsts, lasts = parse_octets(text)
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def number(text: str) -> int:
    return int(ipaddress.IPv4Address(text))


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("192.0.2.1", [("192.0.2.1", "192.0.2.1")]),
        ("192.0.2.1-20", [("192.0.2.1", "192.0.2.20")]),
        ("192.0.2.*", [("192.0.2.0", "192.0.2.255")]),
        ("192.0.2-3.*", [("192.0.2.0", "192.0.3.255")]),
        ("10.*.*.*", [("10.0.0.0", "10.255.255.255")]),
        ("0-255.*.*.*", [("0.0.0.0", "255.255.255.255")]),  # noqa: S104 - a number to compare with, nothing is bound
        ("10,12.0-255.0-99,100-255.*", [("10.0.0.0", "10.255.255.255"), ("12.0.0.0", "12.255.255.255")]),
        (
            "10.0.2,1.5,4,9",
            [("10.0.1.4", "10.0.1.5"), ("10.0.1.9", "10.0.1.9"), ("10.0.2.4", "10.0.2.5"), ("10.0.2.9",) * 2],
        ),
        ("1-2.0.0.7", [("1.0.0.7", "1.0.0.7"), ("2.0.0.7", "2.0.0.7")]),
    ],
)
def test_a_pattern_stands_for_every_combination(text: str, ranges: list[tuple[str, str]]) -> None:
    assert ranges_of(text) == [(number(first), number(last)) for first, last in ranges]


octet_items = st.one_of(
    st.integers(0, 255).map(str),
    st.tuples(st.integers(0, 255), st.integers(0, 3)).map(lambda low: f"{low[0]}-{min(low[0] + low[1], 255)}"),
)
octet_parts = st.lists(octet_items, min_size=1, max_size=3).map(",".join)


@given(st.lists(octet_parts, min_size=4, max_size=4).map(".".join))
def test_netaddr_reads_the_same_addresses(text: str) -> None:
    ours = itertools.chain.from_iterable(range(first, last + 1) for first, last in ranges_of(text))
    assert sorted(ours) == sorted(int(ip) for ip in netaddr.iter_nmap_range(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has 1"),
        ("192.0.2", "has 3"),
        ("192.0.2.1.5", "has 5"),
        ("192.0.2.1,192.0.2.2", "white space separates targets"),
        ("192.0.2.", "a number is missing"),
        ("192.0.2.5-", "needs both its ends"),
        ("192.0.2.-5", "needs both its ends"),
        ("192.0.2.-", "needs both its ends"),
        ("192.0.2.1,", "something between its commas"),
        ("192.0.2.,1", "something between its commas"),
        ("192.0.2.1-2-3", "each of the four parts"),
        ("192.0.2.5*", "each of the four parts"),
        ("192.0.2.*-5", "each of the four parts"),
        ("192.0.2.20-10", "the range 20-10 runs backwards"),
        ("192.0.2.256", "256 is more than 255"),
        ("192.0.2.1-999", "999 is more than 255"),
        ("192.0.2.99999999999999", "99999999 is more than 255"),
        ("010.0.0.1", "the leading zero of 010 is ambiguous"),
        ("10.0.0.1-020", "the leading zero of 020 is ambiguous"),
        ("10.0.0.00", "the leading zero of 00 is ambiguous"),
        ("192.0.2.\u0663", "each of the four parts"),  # an Arabic digit, which int() would take
        ("192.0.2.+1", "each of the four parts"),
        ("192.0.2.1_0", "each of the four parts"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_octets(text)


def test_a_pattern_that_falls_into_millions_of_ranges_is_refused_without_building_them() -> None:
    with pytest.raises(ValueError, match="more than 1,048,576 separate ranges: name whole networks"):
        parse_octets("*.*.*.1,3,5,7,9")
    with pytest.raises(ValueError, match="separate ranges"):
        parse_octets("0-16.*.*.7")
    assert len(ranges_of("0-15.*.*.7")) == MAX_RANGES


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= parse_octet(text) <= 255
