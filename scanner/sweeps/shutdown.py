"""How a sweep ends: every wait on the way out has a bound, and whoever asks twice does not wait at all.

    nothing more to visit   sinks are told (`last_call`); they wait for nobody longer than their own patience
    first request           visits under way get `grace_s`; `drain_s` later whatever still waits is given up
    second request          everything is given up at once

A sink that does not close after that is left alone and said: what it holds is not acknowledged, so it is repeated when
the sweep is resumed. Not bounded, unless asked: a file whose disk is slow, and a reader of standard output.

The bounds count the time in which this process could run (see `scanner.timeouts`): after a suspension, whoever was
promised half a minute still has it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from scanner.delivery import Patient, Sink
from scanner.errors import SinkError
from scanner.timeouts import rest, wait_for_all

#: At the end, a sink that is to let go at once gets this long, in seconds.
LET_GO_S = 0.9
#: A sink whose closing was cancelled gets this long to notice, in seconds.
NOTICE_S = 0.1


class Shutdown:
    """The bounds of one sweep's end. `give_up` ends the visits under way, `abort` everything."""

    def __init__(
        self, sinks: Iterable[Sink], *, grace_s: float, drain_s: float, give_up: Callable[[], None],
        abort: Callable[[], None], clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Take whom to tell, the bounds in seconds, and what to do when they are reached."""
        self._sinks = tuple(sinks)
        self._grace_s, self._drain_s = grace_s, drain_s
        self._give_up, self._abort = give_up, abort
        self._clock = clock
        self._counting: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._left_alone: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Start to count: the sweep was asked to stop."""
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
        """Tell the sinks that nobody waits any more."""
        self._now.set()
        for sink in self._sinks:
            if isinstance(sink, Patient):
                sink.hurry()

    async def close(self, sink: Sink) -> None:
        """Close a sink; one that does not let go is left alone once nobody waits any more.

        Raises:
            SinkError: when it could not keep what it took, failed otherwise, or did not let go.
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
        """Keep a task that ignores its cancellation, so that it has an owner; nobody needs to hear how it ends."""
        self._left_alone.add(closing)
        closing.add_done_callback(self._left_alone.discard)
        closing.add_done_callback(lambda task: task.cancelled() or task.exception())

    def over(self) -> None:
        """Stop to count: everything is closed."""
        if self._counting is not None:
            self._counting.cancel()
