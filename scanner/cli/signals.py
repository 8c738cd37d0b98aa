"""Signals: whoever stops a command gets it stopped, in good order if that is quick, and in any case.

Ctrl-C (INT), TERM and HUP are one request each, for every command alike; QUIT keeps its meaning (a core dump).

    first request     the command ends in good order; `bound_s` later the process ends, whatever it waits for
    second request    the command ends at once; `AT_ONCE_S` later the process ends, whatever it waits for
    third request     the process ends

A command that does nothing about signals is interrupted: KeyboardInterrupt is raised where it stands, or its main task
is cancelled (`scanner.cli.running`). `scanner.cli.sweep` says itself what its two requests do. A signal that was
ignored when we were started stays so (`nohup`, a shell's background job).

The last resort is SIGALRM with a handler that ends the process: that needs no thread, and no loop that still turns.
Threads that still wait (a look-up that nobody answers, a terminal that takes nothing) do not keep the process either:
`leave` gives them a moment.
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
#: A command that does nothing of its own about signals: seconds to clean up.
BOUND_S = 5.0
#: After the second request.
AT_ONCE_S = 2.0
#: What threads get at the end, in seconds.
_THREADS_S = 0.5


class Requests:
    """What the next requests to stop do: a signal handler. `first` and `second` are called in the main thread."""

    def __init__(self, first: Callable[[], None], second: Callable[[], None], bound_s: float) -> None:
        """Take what to do, and how long the first may take before the process is ended."""
        self._actions = ((first, bound_s), (second, AT_ONCE_S))
        self._count = 0

    def __call__(self, number: int, frame: object) -> None:
        """Take one request."""
        del number, frame
        self._count += 1
        if self._count > len(self._actions):
            os._exit(INCOMPLETE)
        action, bound_s = self._actions[self._count - 1]
        signal.signal(signal.SIGALRM, lambda *_: os._exit(INCOMPLETE))
        signal.setitimer(signal.ITIMER_REAL, bound_s)
        action()


def install() -> None:
    """Let INT, TERM and HUP interrupt every command alike; for the beginning of the program."""
    _set(Requests(interrupt, interrupt, BOUND_S))


def interrupt() -> None:
    """Raise KeyboardInterrupt: what a request does where nobody says anything else."""
    raise KeyboardInterrupt


@contextmanager
def handled(first: Callable[[], None], second: Callable[[], None], bound_s: float = BOUND_S) -> Iterator[None]:
    """Let the body say what requests do; both are called between two instructions of the main thread."""
    before = _set(Requests(first, second, bound_s))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process; threads that still wait for something are left behind."""
    for number in _REQUESTS:
        signal.signal(number, lambda *_: os._exit(code))
    deadline = time.monotonic() + _THREADS_S
    others = [each for each in threading.enumerate() if each is not threading.current_thread() and not each.daemon]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    if not any(thread.is_alive() for thread in others):
        for number in _REQUESTS:
            signal.signal(number, signal.SIG_IGN)  # the interpreter would give them their default back, with its code
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or not there from the beginning
            stream.flush()
    os._exit(code)


def _set(handler: Requests) -> dict[signal.Signals, Any]:
    """Put a handler in place of those that are not ignored; return what was there."""
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _REQUESTS}
    before = {number: was for number, was in before.items() if was is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    return before
