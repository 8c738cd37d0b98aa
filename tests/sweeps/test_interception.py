"""One name on many networks is noticed, whatever else the sweep saw, in a bounded memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Certificate, Dialogue, Record, Tls
from scanner.smtp import parse_banner
from scanner.sweeps.interception import (
    CAPACITY,
    MAX_NETWORKS,
    MAX_SUSPECTS,
    SUSPICIOUS_NETWORKS,
    Interception,
    describe,
    site_of,
)
from tests.support.records import record_of


def greeted(text: str, ip: str | None, sha256: str | None = None) -> Record:
    certificates = () if sha256 is None else (Certificate(sha256), Certificate("ff" * 32))
    dialogue = Dialogue(tls=Tls(certificates=certificates))
    return record_of(parse_banner(f"220 {text}\r\n".encode()), ip=ip, dialogue=dialogue)


def address(network: int, host: int = 1) -> str:
    return f"10.{network >> 8}.{network & 255}.{host}"


def watched(*records: Record, capacity: int = CAPACITY) -> Interception:
    interception = Interception(capacity)
    for record in records:
        interception.observe(record)
    return interception


def test_one_host_name_on_many_networks_is_a_suspect() -> None:
    names = (greeted(f"proxy.example.com ESMTP {n}", address(n)) for n in range(SUSPICIOUS_NETWORKS))
    others = (greeted(f"mx{n}.example.com ESMTP", address(n, 2)) for n in range(100))

    (suspect,) = watched(*names, *others).suspects()

    assert suspect == {
        "kind": "greeting",
        "value": "proxy.example.com",
        "visits": SUSPICIOUS_NETWORKS,
        "networks": SUSPICIOUS_NETWORKS,
        "addresses": sorted(address(n) for n in range(SUSPICIOUS_NETWORKS)),
    }
    assert describe(suspect) == (
        "one greeting of proxy.example.com on 16 networks or more (16 visits): "
        "something in between may answer for all of them"
    )


def test_one_network_less_is_none_and_neither_are_many_addresses_of_one_network() -> None:
    few = (greeted("a.example.com ESMTP", address(n)) for n in range(SUSPICIOUS_NETWORKS - 1))
    dense = (greeted("b.example.com ESMTP", address(1, host)) for host in range(256))

    assert watched(*few, *dense).suspects() == []


def test_one_certificate_behind_different_greetings_is_a_suspect() -> None:
    records = (greeted(f"mx{n}.example.com ESMTP", address(n), "ab" * 32) for n in range(20))

    (suspect,) = watched(*records).suspects()

    assert (suspect["kind"], suspect["value"], suspect["visits"]) == ("certificate", "ab" * 32, 20)
    assert describe(suspect).startswith(f"one certificate {'ab' * 32} on 20 networks")


def test_without_a_host_name_the_whole_greeting_stands_for_it() -> None:
    records = [greeted("(hello)", address(n)) for n in range(20)]

    assert [suspect["value"] for suspect in watched(*records).suspects()] == ["220 (hello)"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.localdomain"])
def test_default_names_are_no_sign(name: str) -> None:
    assert watched(*(greeted(f"{name} ESMTP", address(n)) for n in range(40))).suspects() == []


def test_records_without_address_or_greeting_are_passed_over() -> None:
    silent = (record_of(None, ip=address(n)) for n in range(40))
    kept = (greeted("mx.example.com ESMTP", None) for _ in range(40))
    without_tls = (greeted("", address(n))._replace(dialogue=Dialogue()) for n in range(2))

    assert watched(*silent, *kept, *without_tls).suspects() == []


def test_the_most_visited_come_first_and_not_too_many_of_them() -> None:
    records = [
        greeted(f"p{number}.example.com ESMTP", address(network, 1))
        for number in range(MAX_SUSPECTS + 5)
        for network in range(SUSPICIOUS_NETWORKS + number)
    ]

    suspects = watched(*records).suspects()

    assert len(suspects) == MAX_SUSPECTS
    assert [suspect["visits"] for suspect in suspects[:2]] == [SUSPICIOUS_NETWORKS + 24, SUSPICIOUS_NETWORKS + 23]
    assert suspects[0]["networks"] == len(suspects[0]["addresses"]) == MAX_NETWORKS


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(2, 6))
def test_a_value_more_frequent_than_one_in_capacity_is_never_lost(values: list[int], capacity: int) -> None:
    interception = Interception(capacity)
    for place, value in enumerate(values):
        interception.observe(greeted(f"n{value}.example.com", address(place)))
    counted = interception._greetings

    assert len(counted.once) + len(counted.again) <= capacity
    for value in set(values):
        if values.count(value) > len(values) // capacity:
            name = f"n{value}.example.com"
            assert name in counted.once or name in counted.again


def test_values_that_are_seen_no_more_leave_room_for_one_that_is_seen_often() -> None:
    old = [greeted(f"old{n}.example.com", address(n, host)) for n in range(4) for host in (1, 2, 3)]
    new = [greeted("new.example.com", address(n)) for n in range(30)]

    (suspect,) = watched(*old, *new, capacity=4).suspects()

    assert suspect["value"] == "new.example.com"
    assert 24 <= suspect["visits"] < 30


def test_memory_does_not_grow_with_the_sweep() -> None:
    interception = Interception(200)
    tracemalloc.start()
    try:
        for n in range(2_000):
            interception.observe(greeted(f"mx{n}.example.com", address(n & 0xFFFF)))
        before = tracemalloc.get_traced_memory()[0]
        for n in range(2_000, 10_000):
            interception.observe(greeted(f"mx{n}.example.com", address(n & 0xFFFF)))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 200_000


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2"),
        ("2001:db8:1:2::3", "2001:db8:1"),
        ("2001:db8::3", "2001:db8:0"),
        ("2001:db8:5::", "2001:db8:5"),
        ("2001:db8:0:4:5:6:7:8", "2001:db8:0"),
        ("::1", ":0:0"),
    ],
)
def test_the_site_of_an_address(ip: str, network: str) -> None:
    assert site_of(ip) == network
