"""The quick readers of the usual forms of addresses say what netaddr and the pattern reader say."""

import ipaddress

import netaddr  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.forms import parse_network, parse_octet_form, range_hint
from scanner.targets.intervals import Intervals
from scanner.targets.octets import parse_octets

V4 = st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
V6 = st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number)))
NETWORKS = st.one_of(
    st.tuples(V4, st.integers(0, 32).map(str)),
    st.tuples(V4, st.integers(0, 32).map(lambda length: f"{length:03}")),
    st.tuples(V4, st.integers(1, 32).map(lambda length: str(ipaddress.IPv4Network((0, length)).netmask))),
    st.tuples(V6, st.integers(0, 128).map(str)),
)


@given(NETWORKS)
def test_a_network_has_the_ends_that_netaddr_gives_it(network: tuple[str, str]) -> None:
    address, prefix = network
    expected = netaddr.IPNetwork(f"{address}/{prefix}")

    assert parse_network(f"{address}/{prefix}") == (128 if ":" in address else 32, expected.first, expected.last)


@given(V4, st.integers(0, 300))
def test_a_range_in_the_last_octet_is_what_the_pattern_reader_makes_of_it(address: str, last: int) -> None:
    text = f"{address}-{last}"

    def read(reader: object) -> list[tuple[int, int]] | str:
        try:
            firsts, lasts = parse_octet_form(text) if reader is parse_octet_form else parse_octets(text)
        except ValueError as problem:
            return str(problem)
        return list(Intervals.from_pairs(zip(map(int, firsts), map(int, lasts), strict=True), 2**32 - 1).pairs())

    assert read(parse_octet_form) == read(parse_octets)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1-192.0.2.20", [("192.0.2.1", "192.0.2.20")]),
        ("192.0.2.1-20", [("192.0.2.1", "192.0.2.20")]),
        ("192.0.2.1-1", [("192.0.2.1", "192.0.2.1")]),
        ("192.0.2.1,9", [("192.0.2.1", "192.0.2.1"), ("192.0.2.9", "192.0.2.9")]),
        ("192.0.2.*", [("192.0.2.0", "192.0.2.255")]),
    ],
)
def test_octet_forms_are_lists_of_ranges(text: str, expected: list[tuple[str, str]]) -> None:
    firsts, lasts = parse_octet_form(text)

    found = [(str(ipaddress.ip_address(a)), str(ipaddress.ip_address(b))) for a, b in zip(firsts, lasts, strict=True)]
    assert found == expected


@pytest.mark.parametrize("text", ["192.0.2.1-01", "192.0.2.9-1", "192.0.2.1-256", "192.0.2.01-9", "192.0.2.1-"])
def test_an_odd_last_octet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"leading zero|runs backwards|more than 255|a number is missing"):
        parse_octet_form(text)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("192.0.2.0", "192.0.2.255", "did you mean a range (192.0.2.0-192.0.2.255)?"),
        ("192.0.2.0", "255.255.255.0", "did you mean a network (192.0.2.0/255.255.255.0)?"),
        ("192.0.2.0", "0.0.0.255", "write each on a line of its own"),
        ("2001:db8::", "2001:db8::ff", "did you mean a range (2001:db8::-2001:db8::ff)?"),
        ("192.0.2.0", "2001:db8::ff", "write each on a line of its own"),
    ],
)
def test_two_addresses_side_by_side_are_guessed_at(low: str, high: str, expected: str) -> None:
    assert range_hint(low, high) == expected
