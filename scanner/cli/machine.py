"""What this machine has run out of, in words: the one place that tells it from everything else that can fail.

Descriptors and memory can run out anywhere: while a module is loaded, a loop is made, a thread is started.
Each of those says it in its own way, sometimes inside a group or as the cause of another error.
"""

import errno
import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from scanner.errors import LocalError

#: An event loop, its signals and one connection need so many beside those that are open already.
FEWEST_DESCRIPTORS: Final = 24
_ADVICE: Mapping[int, str] = {
    errno.EMFILE: "raise the limit of this process (ulimit -n), then run again",
    errno.ENFILE: "raise the limit of the machine (fs.file-max), or end what holds so many, then run again",
    errno.ENOMEM: "free some memory, then run again",
}


def require_descriptors() -> None:
    """Find out before anything begins whether there are descriptors for it: the middle of it is not a place for that.

    Raises:
        LocalError: when there are too few, saying how many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 2 * FEWEST_DESCRIPTORS
    if 0 <= soft < enough:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough if hard < 0 else min(hard, enough), hard))
    taken: list[int] = []
    try:
        taken.append(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        taken.extend(os.dup(taken[0]) for _ in range(FEWEST_DESCRIPTORS - 1))
    except OSError as error:
        raise LocalError(machine_trouble(error) or str(error)) from None
    finally:
        for each in taken:
            os.close(each)


def machine_trouble(error: BaseException) -> str | None:
    """Say in one line what this machine is short of; None when the error says nothing of that kind."""
    for each in _causes(error):
        if isinstance(each, MemoryError):
            return _line(errno.ENOMEM)
        if isinstance(each, OSError) and each.errno is not None and each.errno in _ADVICE:
            return _line(each.errno)
        if isinstance(each, ImportError) and os.strerror(errno.EMFILE) in str(each):
            return _line(errno.EMFILE)  # of the dynamic linker, which gives no number
    return None


def _line(number: int) -> str:
    return f"this machine: {os.strerror(number)}: {_ADVICE[number]}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what is in it when it is a group, and what it came from."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend(cause for cause in (each.__cause__, each.__context__) if cause is not None)
