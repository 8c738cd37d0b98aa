"""The circuit breaker of a receiver: pauses that grow with every failure, and one attempt at a time while it is down.

Full jitter (each pause is random between 0 and a bound, and each failure makes the bound twice as large) keeps many
sweeps from retrying at the same moment. A pause that the receiver asks for (`Retry-After`) is honoured, up to
`MAX_ASKED_S`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
#: A receiver may ask for a longer pause than ours, but not for a day.
MAX_ASKED_S = 300.0


class BreakerState(StrEnum):
    """Closed: all is well. Open: waiting. Half open: one attempt is in progress, the others wait for it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Shared by all attempts at one receiver."""

    def __init__(self, draw: Callable[[float, float], float] = random.uniform) -> None:
        """Take the source of random numbers: `(low, high) -> value`."""
        self._draw = draw
        self._failures = self._pausing = 0
        self._trial = asyncio.Lock()
        self.state = BreakerState.CLOSED

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Wait for permission to try: at once while all is well, one after another from a failure to a success."""
        if not self._is_closed():
            async with self._trial:
                if not self._is_closed():  # no other attempt succeeded while we waited
                    self.state = BreakerState.HALF_OPEN
                    yield
                    return
        yield

    def succeeded(self) -> None:
        """Note that the receiver answers as it should."""
        self._failures = 0
        self.state = BreakerState.CLOSED

    async def failed(self, asked_s: float | None = None) -> None:
        """Note a failure, and return after the pause that follows it; `asked_s` is the pause the receiver asked for."""
        # Attempts that were in progress together fail together. That counts as one failure.
        self._failures += self.state is not BreakerState.OPEN or not self._pausing
        self.state = BreakerState.OPEN
        bound = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 16))
        pause = self._draw(0.0, bound)
        if asked_s is not None:
            pause = max(pause, min(asked_s, MAX_ASKED_S))
        self._pausing += 1
        try:
            await asyncio.sleep(pause)
        finally:
            self._pausing -= 1

    def _is_closed(self) -> bool:
        return self.state is BreakerState.CLOSED
