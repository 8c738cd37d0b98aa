"""Time limits for a process that may be suspended: Ctrl-Z and fg, a paused container or virtual machine, slow ones.

While a process does not run, its clock goes on and its peers do, too. When it runs again, timers that have come due are
served first (uvloop), or together with what has arrived (asyncio): what waits in the sockets is called late although it
came in time. So a limit here counts only the time in which the process could have looked: it is waited for in steps of
a second at most, a step that ended late counts as the step, and a last step that ended late is made once more, since
then the sockets are looked at in between. `PatientClock` is the same for who has a tick of his own.

CLOCK_MONOTONIC stands still while the whole system is suspended (Linux, macOS) and goes on while a process is stopped.
In the first case there is no gap to be seen, and the limits have not come nearer either.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

#: The longest step, in seconds; so a process that was stopped is this much less patient at most.
STEP_S = 1.0
#: A step that ends so many seconds late means that the process did not run, or hardly.
LATE_S = 0.25
#: How often the last step is made once more. A machine that is always late must come to an end, too.
MAX_REPEATS = 10
#: For time limits of libraries that a limit of ours stands around: a day.
FOREVER_S = 86_400.0


class Limit:
    """A time limit that is running. `left_s` are the seconds left of it, those in which the process slept left out."""

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
            self._repeats -= 1  # the last one: it would be over without a look at the sockets
        else:
            self._left_s -= self._step_s
        if self._left_s > 0:
            self._begin()
        else:
            self._scope.reschedule(self._loop.time())

    def renew(self) -> None:
        """Begin anew; harmless when it is over."""
        if not self._is_over:
            self._timer.cancel()
            self._left_s, self._repeats = self._limit_s, MAX_REPEATS
            self._begin()

    def cancel(self) -> None:
        """End the waiting."""
        self._is_over = True
        self._timer.cancel()


@asynccontextmanager
async def patience(limit_s: float, clock: Callable[[], float] = time.monotonic) -> AsyncIterator[Limit]:
    """Bound what the body waits for, as `asyncio.timeout` does, in time in which this process could run.

    Raises:
        TimeoutError: when it takes longer.
    """
    async with asyncio.timeout(None) as scope:
        limit = Limit(scope, limit_s, clock)
        try:
            yield limit
        finally:
            limit.cancel()


async def wait_for_all(tasks: Iterable[asyncio.Task[Any]], limit_s: float) -> None:
    """Wait until all tasks are done, and at most so many seconds in which this process could run."""
    with suppress(TimeoutError):
        async with patience(limit_s):
            await asyncio.wait(tasks)


async def rest(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Do nothing for so many seconds in which this process could run."""
    with suppress(TimeoutError):
        async with patience(seconds, clock):
            await asyncio.Event().wait()


class Lateness(NamedTuple):
    """How late a tick was in the life of a clock, for people.

    The process did not run at all `pauses` times, `paused_s` seconds together; it came `late` times somewhat late,
    `late_s` seconds together; all of it in `elapsed_s` seconds.
    """

    pauses: int
    paused_s: float
    late: int
    late_s: float
    elapsed_s: float

    @property
    def is_too_slow(self) -> bool:
        """Whether the machine is too slow for what it does, rather than suspended now and then."""
        times = self.late + self.pauses
        return times >= 20 and self.late_s + min(self.paused_s, self.pauses * STEP_S) > 0.2 * self.elapsed_s


class PatientClock:
    """A monotonic clock that stands still while the process does not run. Call it for the time; `tick` it often.

    A gap of more than `STEP_S` between two ticks counts as `STEP_S`. Until the next tick nobody knows how long the gap
    will be, so a reading is never more than `STEP_S` after the last tick, and none is before an earlier one.
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
        """Note that the process runs. To be called before anything else is done after a wait."""
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
