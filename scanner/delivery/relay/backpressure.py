"""What the reports of receivers mean for the spool: what may be removed, and whether its writer has to wait.

The writer of the spool only sees a `Quota`. This module sets it from the reports of the relay process: up to which
record every receiver is done (`done`), whether a required receiver is too far behind (`held`), and whether waiting is
useless, because the receiver to wait for has given up (`stuck`, `hopeless`). A best-effort receiver never makes the
writer wait.
"""

from collections.abc import Sequence
from typing import Any

from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.statistics import OverflowPolicy
from scanner.delivery.spool import Quota


class Backpressure:
    """Sets the quota of a spool by its last record and the latest reports of its receivers."""

    def __init__(self, destinations: Sequence[Destination], quota: Quota) -> None:
        """Take the sinks that are served, and the quota to set."""
        self._destinations, self._quota = tuple(destinations), quota
        self._limits = {one.name: one.max_lag for one in destinations}
        #: The number of the last record that is on the disk.
        self.last = 0
        #: The latest report: `RelayStatistics` of each receiver as a dictionary.
        self.reports: list[dict[str, Any]] = []

    @property
    def progress(self) -> list[tuple[int, int]]:
        """A value that changes while any receiver makes progress."""
        return [(one["sequence"], one["answers"]) for one in self.reports]

    def durable(self, last: int) -> None:
        """Take how far the spool is on the disk."""
        self.last = last
        if self.reports:
            self._give_back()
        self._hold()

    def take(self, reports: list[dict[str, Any]]) -> None:
        """Take a new report of all receivers."""
        self.reports = reports
        self._give_back()
        self._hold()
        self._judge_failed()

    def despair(self, why: str) -> None:
        """End every wait for room: there will be none. Records for which there is room are still taken."""
        if self._quota.hopeless is None:
            self._quota.hopeless = why

    def holding(self) -> str:
        """Return what a writer waits for, in words."""
        for one in self.reports:
            if self._is_too_far_behind(one["name"]):
                why = f" ({one['trouble']})" if one["trouble"] else ""
                return f"sink {one['name']} (required) is {self.last - one['sequence']} records behind{why}"
        return "it is full"

    def _is_too_far_behind(self, name: str) -> bool:
        sequence = next((one["sequence"] for one in self.reports if one["name"] == name), 0)
        return any(
            one.name == name and one.policy is OverflowPolicy.REQUIRED and self.last - sequence > one.max_lag
            for one in self._destinations
        )

    def _waited_for(self) -> list[dict[str, Any]]:
        """Return the reports of all receivers but best-effort ones that have given up."""
        return [one for one in self.reports if one["failure"] is None or one["policy"] != OverflowPolicy.BEST_EFFORT]

    def _give_back(self) -> None:
        """Set up to which record the spool may be removed; best effort keeps at most its lag, and none in trouble."""
        needs = [
            one["needs_after"]
            if one["policy"] != OverflowPolicy.BEST_EFFORT
            else max(one["needs_after"], self.last - (0 if one["trouble"] else self._limits[one["name"]]))
            for one in self._waited_for()
        ]
        self._quota.done = min(needs, default=self.last)

    def _hold(self) -> None:
        """Hold the writer while a required receiver is too far behind."""
        self._quota.held = any(self._is_too_far_behind(one.name) for one in self._destinations)

    def _judge_failed(self) -> None:
        """Mark the quota as stuck when the spool could only wait for a receiver that has given up."""
        self._quota.stuck = None
        for one in self._waited_for():
            if one["failure"] is None:
                continue
            why = f"sink {one['name']} has given up ({one['failure']})"
            if one["needs_after"] <= self._quota.done:
                self._quota.stuck = why
            if one["policy"] == OverflowPolicy.REQUIRED and self.last - one["sequence"] > self._limits[one["name"]]:
                self.despair(why)
