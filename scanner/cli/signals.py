"""Requests to stop by signal: every command ends, in good order if that is quick.

Ctrl-C (INT), TERM and HUP are one request each, for every command; QUIT keeps its meaning (a core dump).

    first request     the command ends in good order; after `bound_s` seconds the process is ended
    second request    the command ends at once; after `AT_ONCE_S` seconds the process is ended
    third request     the process is ended

A command that does not handle requests is interrupted: KeyboardInterrupt is raised in its main thread, or its main task
is cancelled (`scanner.cli.running`). `scanner.cli.sweep` sets what its two requests do. A signal that was ignored when
we were started stays ignored (`nohup`, a shell's background job).

The last resort is SIGALRM, whose handler ends the process: it needs no thread and no running event loop. Threads that
still wait (a lookup without an answer, a terminal that is stopped) do not keep the process alive either: `leave` gives
them half a second.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from scanner.cli.codes import INCOMPLETE

_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds to clean up, for a command that does not handle requests itself.
BOUND_S = 5.0
#: Seconds after the second request.
AT_ONCE_S = 2.0
#: Seconds that threads get at the end.
_THREADS_S = 0.5


class Requests:
    """A signal handler for requests to stop. It calls `first` and `second` in the main thread."""

    def __init__(self, first: Callable[[], None], second: Callable[[], None], bound_s: float) -> None:
        """Take the actions, and how many seconds the first may take before the process is ended."""
        self._actions = ((first, bound_s), (second, AT_ONCE_S))
        self._count = 0

    def __call__(self, number: int, frame: object) -> None:
        """Handle one request."""
        del number, frame
        self._count += 1
        if self._count > len(self._actions):
            os._exit(INCOMPLETE)
        action, bound_s = self._actions[self._count - 1]
        signal.signal(signal.SIGALRM, lambda *_: os._exit(INCOMPLETE))
        signal.setitimer(signal.ITIMER_REAL, bound_s)
        action()


def install() -> None:
    """Let INT, TERM and HUP interrupt the command; called at the start of the program."""
    _set(Requests(interrupt, interrupt, BOUND_S))


def interrupt() -> None:
    """Raise KeyboardInterrupt: what a request does by default."""
    raise KeyboardInterrupt


@contextmanager
def handled(first: Callable[[], None], second: Callable[[], None], bound_s: float = BOUND_S) -> Iterator[None]:
    """Set what requests do during the body; both are called between two instructions of the main thread."""
    before = _set(Requests(first, second, bound_s))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process; threads that still wait are abandoned."""
    for number in _REQUESTS:
        signal.signal(number, lambda *_: os._exit(code))
    deadline = time.monotonic() + _THREADS_S
    others = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    if not any(thread.is_alive() for thread in others):
        for number in _REQUESTS:
            signal.signal(number, signal.SIG_IGN)  # at exit Python restores the defaults, which end with another code
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or never open
            stream.flush()
    os._exit(code)


def _set(handler: Requests) -> dict[signal.Signals, Any]:
    """Replace the handlers of all requests that are not ignored; return the previous ones."""
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _REQUESTS}
    before = {number: was for number, was in before.items() if was is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    return before
