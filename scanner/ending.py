"""How a sweep ends: every wait on the way out has a bound, and whoever asks twice does not wait at all.

    nothing more to visit   sinks are told (`last_call`); they wait for nobody longer than their own patience
    first request           visits under way get `grace_s`; `drain_s` later whatever still waits is given up
    second request          everything is given up at once

A sink that does not let go after that is left alone and said: what it holds is not acknowledged, so it is repeated when
the sweep is resumed. Not bounded, unless asked: a file whose disk is slow, and a reader of standard output.
"""

import asyncio
from collections.abc import Callable, Iterable

from scanner.errors import SinkError
from scanner.sinks import Patient, Sink

#: After a request to stop, when the visits are over: so long for what the sinks have not got, in seconds.
DEFAULT_DRAIN_S = 30.0
#: At the end, a sink that is to let go at once gets this long, in seconds.
LET_GO_S = 0.9


class Ending:
    """The bounds of one sweep's end. `give_up` ends the visits under way, `abort` everything."""

    def __init__(
        self, sinks: Iterable[Sink], *, grace_s: float, drain_s: float, give_up: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:  # fmt: skip
        """Take whom to tell, the bounds in seconds, and what to do when they are reached."""
        self._sinks = tuple(sinks)
        self._grace_s, self._drain_s = grace_s, drain_s
        self._give_up, self._abort = give_up, abort
        self._timers: list[asyncio.TimerHandle] = []
        self._now = asyncio.Event()

    def begin(self) -> None:
        """Start both clocks: the sweep was asked to stop."""
        if not self._timers:
            loop = asyncio.get_running_loop()
            self._timers = [
                loop.call_later(self._grace_s, self._give_up),
                loop.call_later(self._grace_s + self._drain_s, self._abort),
            ]

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
            SinkError: when it could not keep what it took, or did not let go.
        """
        closing, now = asyncio.create_task(sink.close()), asyncio.create_task(self._now.wait())
        try:
            await asyncio.wait([closing, now], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([closing], timeout=LET_GO_S)
            if not closing.done():
                raise SinkError(f"{sink.name}: did not let go in time: what it holds is not acknowledged")
            await closing
        finally:
            now.cancel()
            closing.cancel()

    def over(self) -> None:
        """Stop the clocks: everything is closed."""
        for timer in self._timers:
            timer.cancel()
