"""How far a server's clock is ahead of ours."""

from datetime import UTC, datetime

import pytest

from scanner.smtp import maybe_clock_skew

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("server_time", "skew"),
    [
        ("2026-11-22T12:00:00Z", 0),
        ("2026-11-22T12:00:05Z", 5),
        ("2026-11-22T11:59:00Z", -60),
        ("2026-11-22T13:00:00+01:00", 0),
        ("2026-11-22T04:00:00-08:00", 0),
        ("2026-11-22T13:00:00+00:30", 1800),
        ("1999-11-22T12:00:00Z", -27 * 365 * 86400 - 7 * 86400),
    ],
)
def test_the_skew_is_the_difference_in_whole_seconds(server_time: str, skew: int) -> None:
    assert maybe_clock_skew(server_time, NOON) == skew


def test_within_the_same_second_there_is_none() -> None:
    assert [maybe_clock_skew("2026-11-22T12:00:00Z", NOON + part) for part in (0.0, 0.3, 0.999, 1.0)] == [0, 0, 0, -1]


@pytest.mark.parametrize("server_time", [None, "2026-11-22T12:00:00"])
def test_no_time_or_no_zone_tells_nothing(server_time: str | None) -> None:
    assert maybe_clock_skew(server_time, NOON) is None
