"""Make the records of excluded targets, which `--all` asks for although they are never visited.

There may be millions of them, so they are neither planned nor stored: an excluded target is a function of its number,
as a visited one is a function of its position, and its record is made when the sinks have room for it. They come after
all visits, in ascending order, so that one number (`Ledger.excluded_records`) says how far they are, in the state file,
too. The books count them as `excluded`, never as a status of visits.

On their way to the sinks they have positions below zero: number n is -1 - n. Their `error` is the reason.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scanner.model import Attempt, Status, Target
from scanner.sweeps.plan import Plan
from scanner.targets import share

#: Records made at once, so that visits and signals do not wait.
_BATCH = 256


class ExcludedTargets:
    """The excluded targets of a plan, in order. `put` takes the next one when `room` is not 0."""

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
        """Yield what would have been the visits with the numbers `start` to `stop` - 1."""
        # As in a schedule: in each sample, number n is address n mod A on port n div A, reason after reason.
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
        """Put all targets from number `begin` on, as fast as there is room; return early when stopped."""
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
        """Continue: there is room."""
        self._has_room.set()

    def stop(self) -> None:
        """Put no more targets."""
        self._stopped = True
        self.wake()


def split(done: Sequence[int]) -> tuple[Sequence[int], int]:
    """Return the positions of visits among those that are done, and the number of excluded targets among them."""
    visited = [position for position in done if position >= 0]
    return visited, len(done) - len(visited)
