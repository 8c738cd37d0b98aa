"""The summary says what only the whole sweep shows."""

from scanner.model import Record, Software
from scanner.settings import Settings
from scanner.smtp import parse_banner
from scanner.sweeps.interception import describe
from scanner.sweeps.overview import Overview, remarks
from tests.support.records import record_of

GREETING = parse_banner(b"220 proxy.example.com ESMTP\r\n")


def record(network: int, version: str) -> Record:
    return record_of(GREETING, ip=f"10.0.{network}.1", software=Software("Postfix", version=version))


def test_a_quiet_sweep_has_nothing_to_say() -> None:
    document = Overview(Settings()).document()

    assert document == {"interception": [], "samples": None}
    assert remarks(document) == remarks({}) == []
    assert remarks(Overview(Settings(samples=2)).document()) == []


def test_both_parts_see_every_record() -> None:
    overview = Overview(Settings(samples=2))
    for version in ("1", "2"):
        for network in range(20):
            overview.observe(record(network, version))

    document = overview.document()

    assert (document["interception"][0]["visits"], document["samples"]["found"]) == (40, 20)
    assert remarks(document) == [
        describe(document["interception"][0]),
        "targets that gave different answers, so that more than one server is behind each: 20",
    ]


def test_without_samples_answers_are_not_compared() -> None:
    overview = Overview(Settings())
    for version in ("1", "2"):
        overview.observe(record(1, version))

    assert overview.document()["samples"] is None
