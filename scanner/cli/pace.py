"""The pace of a sweep, and the time that is left at it, for progress lines and the live display."""

from collections import deque

from scanner.sweeps.pipeline import SweepStatistics
from scanner.sweeps.plan import seconds_text

#: Seconds over which the pace is measured.
_WINDOW_S = 30.0


class Pace:
    """Targets finished per second over the last half minute, and the time left at that pace."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def update(self, counts: SweepStatistics) -> tuple[float, float | None]:
        """Return (targets per second, seconds left); None if nothing has happened yet."""
        points = self._points
        points.append((counts.elapsed_s, counts.finished))
        while len(points) > 2 and points[-1][0] - points[0][0] > _WINDOW_S:
            points.popleft()
        passed = points[-1][0] - points[0][0]
        rate = (points[-1][1] - points[0][1]) / passed if passed > 0 else 0.0  # clocks may be set back
        left = counts.planned - counts.excluded - counts.finished
        return rate, left / rate if rate else None


def time_left(seconds: float | None) -> str:
    """Return the estimate for people."""
    return seconds_text(seconds) if seconds is not None else "unknown time"
