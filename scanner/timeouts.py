"""Time limits for a process that may be suspended: Ctrl-Z and fg, a paused container or virtual machine, a slow one.

While a process does not run, its clock and its peers go on. When it runs again, the event loop serves expired timers
before the sockets (uvloop) or together with them (asyncio), so data that arrived in time would count as late. A limit
here counts only the time in which the process could run. It waits in steps of at most a second. A step that ends late
counts as one step; a last step that ends late is repeated, so that the sockets are read first. `PatientClock` does the
same for callers with a tick of their own.

CLOCK_MONOTONIC stops while the whole system is suspended (Linux, macOS), and goes on while only a process is stopped.
In the first case there is no gap, and the limits have not come nearer either.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

#: The longest step, in seconds; so a process that was stopped is this much less patient at most.
STEP_S = 1.0
#: A step that ends this many seconds late means that the process hardly ran, if at all.
LATE_S = 0.25
#: How many times the last step may be repeated, so that a limit ends on a machine that is always late, too.
MAX_REPEATS = 10
#: For time limits of libraries inside a limit of ours: a day.
FOREVER_S = 86_400.0


class Limit:
    """A running time limit. Seconds in which the process did not run do not count."""

    def __init__(self, scope: asyncio.Timeout, limit_s: float, clock: Callable[[], float]) -> None:
        self._scope = scope
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._limit_s = self._left_s = limit_s
        self._repeats = MAX_REPEATS
        self._is_over = False
        self._begin()

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._left_s - min(self._clock() - self._begun_at, self._step_s))

    def _begin(self) -> None:
        self._begun_at = self._clock()
        self._step_s = min(STEP_S, max(0.0, self._left_s))
        self._timer = self._loop.call_later(self._step_s, self._on_step)

    def _on_step(self) -> None:
        late_s = self._clock() - self._begun_at - self._step_s
        if late_s >= LATE_S and self._left_s <= self._step_s and self._repeats:
            self._repeats -= 1  # the last step: repeat it, so that the sockets are read first
        else:
            self._left_s -= self._step_s
        if self._left_s > 0:
            self._begin()
        else:
            self._scope.reschedule(self._loop.time())

    def renew(self) -> None:
        """Start the limit again; no effect if it is over."""
        if not self._is_over:
            self._timer.cancel()
            self._left_s, self._repeats = self._limit_s, MAX_REPEATS
            self._begin()

    def cancel(self) -> None:
        """Stop the limit."""
        self._is_over = True
        self._timer.cancel()


@asynccontextmanager
async def patience(limit_s: float, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Limit]:
    """Limit the body like `asyncio.timeout`, in seconds in which this process could run.

    Raises:
        TimeoutError: if it takes longer.
    """
    async with asyncio.timeout(None) as scope:
        limit = Limit(scope, limit_s, clock)
        try:
            yield limit
        finally:
            limit.cancel()


async def wait_for_all(tasks: Iterable[asyncio.Task[Any]], limit_s: float) -> None:
    """Wait until all tasks are done, at most `limit_s` seconds in which this process could run."""
    with suppress(TimeoutError):
        async with patience(limit_s):
            await asyncio.wait(tasks)


async def rest(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Sleep for this many seconds in which this process could run."""
    with suppress(TimeoutError):
        async with patience(seconds, clock):
            await asyncio.Event().wait()


class Lateness(NamedTuple):
    """How late the ticks of a clock were, for people.

    In `elapsed_s` seconds the process did not run at all `pauses` times, for `paused_s` seconds in total, and was
    somewhat late `late` times, for `late_s` seconds in total.
    """

    pauses: int
    paused_s: float
    late: int
    late_s: float
    elapsed_s: float

    @property
    def is_too_slow(self) -> bool:
        """Whether the machine is too slow for its work, rather than suspended now and then."""
        times = self.late + self.pauses
        return times >= 20 and self.late_s + min(self.paused_s, self.pauses * STEP_S) > 0.2 * self.elapsed_s


class PatientClock:
    """A monotonic clock that stops while the process does not run. Call it for the time; call `tick` often.

    A gap of more than `STEP_S` between two ticks counts as `STEP_S`. The length of a gap is known only at the next
    tick, so a reading is at most `STEP_S` after the last tick, and never before an earlier reading.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._skipped_s = 0.0
        self._began_at = self._ticked_at = clock()
        self._pauses = self._late = 0
        self._late_s = 0.0
        self._latest = self._began_at
        self._most = self._began_at + STEP_S

    def __call__(self) -> float:
        """Return seconds."""
        now = min(self._clock() - self._skipped_s, self._most)
        self._latest = max(self._latest, now)
        return self._latest

    def tick(self) -> None:
        """Note that the process runs. Call it first after every wait."""
        now = self._clock()
        gap_s, self._ticked_at = now - self._ticked_at, now
        if gap_s > STEP_S:
            self._skipped_s += gap_s - STEP_S
            self._pauses += 1
        elif gap_s > LATE_S:
            self._late_s += gap_s
            self._late += 1
        self._most = now - self._skipped_s + STEP_S

    @property
    def lateness(self) -> Lateness:
        """How late the ticks were so far."""
        return Lateness(self._pauses, self._skipped_s, self._late, self._late_s, self._ticked_at - self._began_at)
