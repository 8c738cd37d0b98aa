"""Recognise that this machine has run out of descriptors or memory, and say what helps.

Either can run out anywhere: while a module is loaded, an event loop is made or a thread is started. Each of these
reports it in its own way, sometimes inside an exception group or as the cause of another error.
"""

import errno
import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from scanner.errors import LocalError

#: An event loop, its signals and one connection need this many more than are open already.
FEWEST_DESCRIPTORS: Final = 24
_ADVICE: Mapping[int, str] = {
    errno.EMFILE: "raise the limit of this process (ulimit -n), then run again",
    errno.ENFILE: "raise the limit of the machine (fs.file-max), or stop programs that hold many, then run again",
    errno.ENOMEM: "free some memory, then run again",
}


def require_descriptors() -> None:
    """Check before the command begins that there are enough descriptors, so that it does not fail halfway.

    Raises:
        LocalError: if there are too few.
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
    """Return in one line what this machine has run out of; None if the error has another reason."""
    for each in _causes(error):
        if isinstance(each, MemoryError):
            return _line(errno.ENOMEM)
        if isinstance(each, OSError) and each.errno is not None and each.errno in _ADVICE:
            return _line(each.errno)
        if isinstance(each, ImportError) and os.strerror(errno.EMFILE) in str(each):
            return _line(errno.EMFILE)  # from the dynamic linker, which sets no errno
    return None


def _line(number: int) -> str:
    return f"this machine: {os.strerror(number)}: {_ADVICE[number]}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, the members of a group, and the causes of each."""
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
