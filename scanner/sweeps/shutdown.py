"""End a sweep in bounded time: every wait on the way out has a limit, and a second request ends all waits.

    nothing more to visit   sinks are told (`last_call`); they wait for a receiver no longer than their own limit
    first request           visits in progress get `grace_s`; `drain_s` later everything that still waits is given up
    second request          everything is given up at once

A sink that does not close after that is abandoned and reported. What it holds is not acknowledged, so it is repeated
when the sweep is resumed. Not bounded unless asked: a file on a slow disk, and a reader of standard output.

The limits count the time in which this process could run (see `scanner.timeouts`): a suspension does not use them up.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from scanner.delivery import Patient, Sink
from scanner.errors import SinkError
from scanner.timeouts import rest, wait_for_all

#: Seconds for a sink to close when it must close at once.
LET_GO_S = 0.9
#: Seconds for a sink whose closing was cancelled to notice.
NOTICE_S = 0.1


class Shutdown:
    """The bounds of one sweep's end. `give_up` ends the visits under way, `abort` everything."""

    def __init__(
        self, sinks: Iterable[Sink], *, grace_s: float, drain_s: float, give_up: Callable[[], None],
        abort: Callable[[], None], clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take the sinks to tell, the limits in seconds, and what to call when they are reached."""
        self._sinks = tuple(sinks)
        self._grace_s, self._drain_s = grace_s, drain_s
        self._give_up, self._abort = give_up, abort
        self._clock = clock
        self._counting: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._left_alone: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Start counting: the sweep was asked to stop."""
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())

    async def _count(self) -> None:
        await rest(self._grace_s, self._clock)
        self._give_up()
        await rest(self._drain_s, self._clock)
        self._abort()

    def last_call(self) -> None:
        """Tell the sinks that nothing more is visited."""
        for sink in self._sinks:
            if isinstance(sink, Patient):
                sink.last_call()

    def hurry(self) -> None:
        """Tell the sinks to close at once."""
        self._now.set()
        for sink in self._sinks:
            if isinstance(sink, Patient):
                sink.hurry()

    async def close(self, sink: Sink) -> None:
        """Close a sink; after `hurry`, abandon one that does not close.

        Raises:
            SinkError: when it could not store what it took, failed otherwise, or did not close.
        """
        closing, now = asyncio.create_task(sink.close()), asyncio.create_task(self._now.wait())
        try:
            await asyncio.wait([closing, now], return_when=asyncio.FIRST_COMPLETED)
            await wait_for_all([closing], LET_GO_S)
        finally:
            now.cancel()
            if not closing.done():
                closing.cancel()
                await wait_for_all([closing], NOTICE_S)
            self._look_after(closing)
        if closing.cancelled() or not closing.done():
            raise SinkError(f"{sink.name}: did not close in time: what it holds is not acknowledged")
        error = closing.exception()
        if error is not None and not isinstance(error, SinkError):
            raise SinkError(
                f"{sink.name}: closing it failed with {type(error).__name__}, a bug in this sink"
            ) from error
        if error is not None:
            raise error

    def _look_after(self, closing: asyncio.Task[None]) -> None:
        """Keep a task that ignores its cancellation, so that it has an owner; how it ends does not matter."""
        self._left_alone.add(closing)
        closing.add_done_callback(self._left_alone.discard)
        closing.add_done_callback(lambda task: task.cancelled() or task.exception())

    def over(self) -> None:
        """Stop counting: everything is closed."""
        if self._counting is not None:
            self._counting.cancel()
