"""Visits that wait for their network's turn, the next one first."""

import heapq
from typing import NamedTuple

from scanner.engine.pacing import Gate, network_of
from scanner.model import Target


class DueVisit(NamedTuple):
    """A target that may be visited from `due` (seconds of the pool's clock) on, for the `tries`-th time."""

    due: float
    target: Target
    tries: int


class Turns:
    """Visits by the time at which they are due. `len` counts them."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._waiting: list[DueVisit] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, visit: DueVisit) -> None:
        """Let a visit wait until it is due."""
        heapq.heappush(self._waiting, visit)

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()

    def maybe_due(self, now: float) -> DueVisit | None:
        """Return a visit that is due; its network may have been slowed down since, so the gate is asked once more."""
        while self._waiting and self._waiting[0].due <= now:
            visit = heapq.heappop(self._waiting)
            due = self._gate.confirm(visit.target.ip, now)
            if due <= now:
                return visit
            heapq.heappush(self._waiting, visit._replace(due=due))
        return None

    def renew(self, networks: set[str], now: float) -> None:
        """Give those in networks that got their pace back new turns. Rare, so a walk over all will do."""
        self._waiting = [
            visit._replace(due=self._gate.reserve(visit.target.ip, now))
            if network_of(visit.target.ip) in networks
            else visit
            for visit in sorted(self._waiting)
        ]
        heapq.heapify(self._waiting)
