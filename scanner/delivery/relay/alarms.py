"""What is said while it happens: that records are not delivered. The first time at once, then now and then."""

from collections.abc import Callable, Mapping
from typing import Any, Final

#: Seconds between two lines about one sink.
EVERY_S: Final = 30.0


class Alarms:
    """Watches the counts of sinks; one line when a record is refused or skipped, and at most one in `EVERY_S`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take where to say it."""
        self._say = say
        self._said: dict[str, tuple[int, float]] = {}  # name -> records that were said, when

    def look(self, report: Mapping[str, Any], now_s: float) -> None:
        """Look at the statistics of one sink (`RelayStatistics` as a dictionary), at a time in monotonic seconds."""
        name, dead, skipped = report["name"], report["dead"], report["skipped"]
        said, at = self._said.get(name, (0, -EVERY_S))
        if dead + skipped > said and now_s - at >= EVERY_S:
            self._said[name] = (dead + skipped, now_s)
            parts = [f"{records(dead)} not delivered (dead letters), the first: {report['reason']}"] if dead else []
            parts += [f"{records(skipped)} skipped (best effort)"] if skipped else []
            self._say(f"sink {name}: {', '.join(parts)}")


def records(count: int) -> str:
    """Write a number of records for people."""
    return "1 record" if count == 1 else f"{count:,} records"
