"""Tell people that records are not delivered: the first time at once, then at most once in `EVERY_S`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

#: Seconds between two lines about one sink.
EVERY_S: Final = 30.0


class Alarms:
    """Watches the counts of sinks, and warns when a record is refused or skipped."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Take the function that gets a line of text."""
        self._warn = warn
        self._reported: dict[str, tuple[int, float]] = {}  # name -> records reported so far, when

    def check(self, report: Mapping[str, Any], now_s: float) -> None:
        """Check the statistics of one sink (`RelayStatistics` as a dictionary), at a time in monotonic seconds."""
        name, dead, skipped = report["name"], report["dead"], report["skipped"]
        reported, at = self._reported.get(name, (0, -EVERY_S))
        if dead + skipped > reported and now_s - at >= EVERY_S:
            self._reported[name] = (dead + skipped, now_s)
            parts = [f"{records(dead)} not delivered (dead letters), the first: {report['reason']}"] if dead else []
            parts += [f"{records(skipped)} skipped (best effort)"] if skipped else []
            self._warn(f"sink {name}: {', '.join(parts)}")


def records(count: int) -> str:
    """Write a number of records for people."""
    return "1 record" if count == 1 else f"{count:,} records"
