"""Records of targets that are never visited: with `--all` an excluded target has its record, too.

There may be millions of them, so they are neither planned nor kept: a target that is left out is a function of its
number, as a visited one is of its position, and its record is made when the sinks have room for it. They come when all
visits are over, in ascending order, so that one number (`Ledger.excluded_records`) says how far they are, in the state
file, too. They are part of `excluded` in the books, never of the statuses of visits.

On their way to the sinks they travel as positions below zero: number n is -1 - n. Their `error` is the reason.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scanner.model import Attempt, Status, Target
from scanner.sweeps.plan import Plan
from scanner.targets import share

#: Records made in one go, so that visits and signals are not kept waiting.
_BATCH = 256


class LeftOut:
    """The excluded targets of a plan, in order; `put` takes those that are to be recorded next."""

    def __init__(self, plan: Plan, put: Callable[[Attempt], None], room: Callable[[], int]) -> None:
        settings = plan.settings
        taken = plan.excluded.taken_from(plan.asked)
        reasons = {reason: share(addresses, settings.shard, settings.shards) for reason, addresses in taken.items()}
        self._reasons = {reason: addresses for reason, addresses in reasons.items() if addresses}
        self._counts = np.array([addresses.count for addresses in self._reasons.values()], np.int64)
        self._settings, self._hosts = settings, plan.hosts
        self._put, self._room = put, room
        self._has_room = asyncio.Event()
        self._stopped = False

    @property
    def count(self) -> int:
        """How many records there are."""
        return int(self._counts.sum()) * len(self._settings.ports) * self._settings.samples

    def sample(self, position: int) -> int:
        """Return which of several visits to its target would have been at a position below zero."""
        return (-1 - position) // (self.count // self._settings.samples)

    def attempts(self, start: int, stop: int) -> Iterator[Attempt]:
        """Yield what would have been the visits numbered `start` up to, not with, `stop`."""
        # As in a schedule: number n is, in each sample, address n mod A on port n div A. Reason after reason.
        addresses = int(self._counts.sum())
        numbers = np.arange(start, min(stop, self.count))
        ports, within = np.divmod(numbers % (addresses * len(self._settings.ports)), addresses)
        ends = np.cumsum(self._counts)
        which = np.searchsorted(ends, within, side="right")
        ranges = list(self._reasons.items())
        for number, port, at, reason in zip(
            numbers.tolist(), ports.tolist(), within.tolist(), which.tolist(), strict=True
        ):
            name, members = ranges[reason]
            ip = members.pick(at - int(ends[reason] - self._counts[reason]))
            target = Target(-1 - number, ip, self._settings.ports[port], self._hosts.get(ip))
            yield Attempt(target, Status.EXCLUDED, b"", time.time(), None, None, 0.0, 0, f"excluded: {name}")

    async def record(self, begin: int) -> None:
        """Put all from number `begin` on, as fast as there is room; return early when stopped."""
        number, count = begin, self.count
        while number < count and not self._stopped:
            room = min(self._room(), _BATCH)
            if room <= 0:
                self._has_room.clear()
                await self._has_room.wait()
                continue
            for attempt in self.attempts(number, number + room):
                self._put(attempt)
            number += room
            await asyncio.sleep(0)

    def wake(self) -> None:
        """Look again: there is room."""
        self._has_room.set()

    def stop(self) -> None:
        """Put no more."""
        self._stopped = True
        self.wake()


def split(done: Sequence[int]) -> tuple[Sequence[int], int]:
    """Return the positions of visits among those that are done, and how many of the others there are."""
    visited = [position for position in done if position >= 0]
    return visited, len(done) - len(visited)
