"""Choose the next visit: new targets, retries, and visits that wait for their network's turn.

Targets are taken from the source when they are wanted and are never queued ahead, apart from two bounded queues: visits
whose network is not due yet (`MAX_DEFERRED`), and visits that wait for their retry (bounded by the connections that
failed within the delay). A visit that is due goes first, then a retry, then a new target.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from scanner.engine.networks import network_of
from scanner.engine.pacing import Gate
from scanner.engine.source import TargetSource
from scanner.model import Target

#: Targets taken from the source together.
TAKE = 64
#: Visits that wait for their network's turn. While there are more, no further target is taken from the source.
MAX_DEFERRED = 10_000


class DueVisit(NamedTuple):
    """A target that may be visited from `due` (seconds of the pool's clock) on, for the `tries`-th time."""

    due: float
    target: Target
    tries: int


class VisitQueue:
    """The visits that are to come. It is true while it holds any; `exhausted` when the source has no more."""

    def __init__(self, source: TargetSource, gate: Gate) -> None:
        self.exhausted = False
        self._source = source
        self._gate = gate
        self._fresh: deque[Target] = deque()
        self._deferred: list[DueVisit] = []  # a heap
        self._retries: deque[DueVisit] = deque()

    def __bool__(self) -> bool:
        return bool(self._fresh or self._deferred or self._retries)

    @property
    def deferred(self) -> int:
        """How many visits wait for their network's turn."""
        return len(self._deferred)

    @property
    def retrying(self) -> int:
        """How many visits wait for their retry."""
        return len(self._retries)

    def clear(self) -> None:
        """Forget all visits."""
        self._fresh.clear()
        self._deferred.clear()
        self._retries.clear()

    def visit_first(self, targets: Iterable[Target]) -> None:
        """Put targets before all new ones."""
        self._fresh.extendleft(targets)

    def defer(self, visit: DueVisit) -> None:
        """Keep a visit until it is due."""
        heapq.heappush(self._deferred, visit)

    def retry(self, visit: DueVisit) -> None:
        """Keep a retry until it is due. Every retry has the same delay, so they come in order."""
        self._retries.append(visit)

    def next_visit(self, now: float) -> DueVisit | None:
        """Return the next visit that is due; those that come too early for their network are put aside on the way."""
        if self._deferred and self._deferred[0].due <= now and (waited := self._confirmed(now)) is not None:
            return waited
        while len(self._deferred) < MAX_DEFERRED:
            visit = self._undeferred(now)
            if visit is None:
                return None
            due = self._gate.reserve(visit.target.ip, now)
            if due <= now:
                return visit
            self.defer(visit._replace(due=due))
        return None

    def renew(self, networks: set[str], now: float) -> None:
        """Reserve new turns in networks that got their pace back. This is rare, so it walks over all visits."""
        self._deferred = [
            visit._replace(due=self._gate.reserve(visit.target.ip, now))
            if network_of(visit.target.ip) in networks
            else visit
            for visit in sorted(self._deferred)
        ]
        heapq.heapify(self._deferred)

    def _confirmed(self, now: float) -> DueVisit | None:
        """Return a deferred visit that is due. Its network may have been slowed since, so the gate is asked again."""
        while self._deferred and self._deferred[0].due <= now:
            visit = heapq.heappop(self._deferred)
            due = self._gate.confirm(visit.target.ip, now)
            if due <= now:
                return visit
            self.defer(visit._replace(due=due))
        return None

    def _undeferred(self, now: float) -> DueVisit | None:
        if self._retries and self._retries[0].due <= now:
            return self._retries.popleft()
        if not self._fresh and not self.exhausted:
            self._fresh.extend(self._source.take(TAKE))
            self.exhausted = not self._fresh
        return DueVisit(now, self._fresh.popleft(), 1) if self._fresh else None
