"""Run one coroutine for a command: on uvloop, interrupted by signals, without waiting for threads.

A thread that waits for a lookup, a terminal or a disk cannot be stopped. Closing the loop would wait for it, perhaps
for ever. Here `signals.leave` gives it half a second and then ends the process.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

import uvloop

from scanner.cli import signals, streams

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end; a request to stop cancels it.

    Raises:
        KeyboardInterrupt: if it was interrupted.
    """
    # Visits and deliveries have deadlines: a slow reader of standard error must not hold up the loop.
    with streams.hurried(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        loop.set_default_executor(_Threads())
        task = loop.create_task(main)
        with _handled_in(loop, task.cancel, task.cancel):
            try:
                return runner.run(_result(task))
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None


def requests(first: Callable[[], None], second: Callable[[], None], bound_s: float) -> AbstractContextManager[None]:
    """Set what requests to stop do during the body, inside `run`; the loop calls both (see `signals.handled`)."""
    return _handled_in(asyncio.get_running_loop(), first, second, bound_s)


def _handled_in(
    loop: asyncio.AbstractEventLoop,
    first: Callable[[], object],
    second: Callable[[], object],
    bound_s: float = signals.BOUND_S,
) -> AbstractContextManager[None]:
    def in_loop(action: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            with suppress(RuntimeError):  # the loop is closed: all is over
                loop.call_soon_threadsafe(action)

        return call

    return signals.handled(in_loop(first), in_loop(second), bound_s)


async def _result(task: "asyncio.Task[_T]") -> _T:
    return await task


class _Threads(ThreadPoolExecutor):
    """The loop's threads: closing the loop does not wait for them."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  as in the base
        super().shutdown(wait=False, cancel_futures=cancel_futures)
