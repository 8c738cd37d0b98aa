"""Claims about `delivery.relay.gaps` and `delivery.relay.alarms`: what was skipped is known, and said now and then."""

from pathlib import Path

import pytest

from scanner.delivery.relay import gaps
from scanner.delivery.relay.alarms import EVERY_S, Alarms, records


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fake.gaps.jsonl"


def test_the_lowest_number_that_was_skipped_is_known(file: Path) -> None:
    assert gaps.first_number(file) == 1
    gaps.keep(file, 30, 39, 8)
    gaps.keep(file, 11, 20, 10)

    assert gaps.first_number(file) == 11


def test_gaps_from_a_number_on_are_forgotten_and_one_across_it_is_cut(file: Path) -> None:
    for first in (1, 11, 21):
        gaps.keep(file, first, first + 9, 9)

    assert gaps.records_before(file, 14) == 9 + 3
    for _ in range(2):
        gaps.cut(file, 14)
        assert gaps.records_before(file, 100) == 9 + 3
    for _ in range(2):
        gaps.cut(file, 1)
        assert not file.exists()


def test_what_is_damaged_is_left_out(file: Path) -> None:
    gaps.keep(file, 11, 20, 10)
    with file.open("ab") as out:
        out.write(b'{\n[]\n{"first":1}\n{"first":"x","last":1,"records":1,"at":1}\n')
    gaps.keep(file, 5, 6, 2)

    assert gaps.first_number(file) == 5


def test_a_sink_that_loses_records_is_said_at_once_and_then_now_and_then() -> None:
    said: list[str] = []
    alarms = Alarms(said.append)

    def look(dead: int, skipped: int, now_s: float, name: str = "siem") -> None:
        alarms.check({"name": name, "dead": dead, "skipped": skipped, "reason": "400 bad"}, now_s)

    look(0, 0, 100.0)
    look(1, 0, 100.0)
    look(2, 0, 101.0)  # too soon
    look(0, 3, 101.0, "other")
    look(2, 0, 100.0 + EVERY_S)
    look(2, 0, 1000.0)  # nothing new
    look(2, 1234, 2000.0)

    assert said == [
        "sink siem: 1 record not delivered (dead letters), the first: 400 bad",
        "sink other: 3 records skipped (best effort)",
        "sink siem: 2 records not delivered (dead letters), the first: 400 bad",
        "sink siem: 2 records not delivered (dead letters), the first: 400 bad, 1,234 records skipped (best effort)",
    ]
    assert [records(1), records(1000)] == ["1 record", "1,000 records"]
