"""A pool behind one address shows itself by different answers, in a bounded memory."""

from scanner.model import Record, Software
from scanner.sweeps.samples import MAX_ANSWERS, MAX_POOLS, Pools
from tests.support.records import record_of


def seen(ip: str, version: str | None, sample: int = 0, port: int = 25) -> Record:
    return record_of(ip=ip, port=port, sample=sample, software=Software("Postfix", version=version))


def watched(*records: Record, max_targets: int = 1000) -> Pools:
    pools = Pools(max_targets)
    for record in records:
        pools.observe(record)
    return pools


def test_a_target_with_different_versions_is_a_pool_and_its_answers_are_a_set() -> None:
    versions = ["3.7.1", "3.9.0", "3.7.1", None]
    records = [seen("192.0.2.1", version, sample) for sample, version in enumerate(versions)]

    assert watched(*records, seen("192.0.2.2", "3.7.1"), seen("192.0.2.2", "3.7.1", 1)).document() == {
        "compared": 2,
        "left_out": 0,
        "found": 1,
        "pools": [{"ip": "192.0.2.1", "port": 25, "software": ["Postfix", "Postfix 3.7.1", "Postfix 3.9.0"]}],
    }


def test_patch_and_package_are_part_of_an_answer() -> None:
    first, second = (Software("Sendmail", version="8.17.1.9", package=f"Debian-2+deb12u{n}") for n in (1, 2))

    document = watched(*(record_of(software=each) for each in (first, second))).document()

    assert document["pools"][0]["software"] == [
        "Sendmail 8.17.1.9 Debian-2+deb12u1",
        "Sendmail 8.17.1.9 Debian-2+deb12u2",
    ]


def test_ports_of_one_address_are_not_compared_and_silence_is_no_answer() -> None:
    silent = record_of(ip="192.0.2.1", sample=1)

    document = watched(seen("192.0.2.1", "1"), seen("192.0.2.1", "2", port=587), silent).document()

    assert (document["compared"], document["found"]) == (2, 0)


def test_when_there_is_no_room_the_rest_is_counted_once() -> None:
    records = [seen(f"192.0.2.{n}", str(sample), sample) for sample in range(2) for n in range(5)]

    document = watched(*records, max_targets=3).document()

    assert (document["compared"], document["left_out"], document["found"]) == (3, 2, 3)


def test_lists_are_cut() -> None:
    many_answers = [seen("192.0.2.1", str(n), n) for n in range(40)]
    many_pools = [seen(f"10.0.{n >> 8}.{n & 255}", str(sample), sample) for sample in range(2) for n in range(300)]

    document = watched(*many_answers, *many_pools).document()

    assert document["found"] == 301
    assert len(document["pools"]) == MAX_POOLS
    assert len(document["pools"][0]["software"]) == MAX_ANSWERS
