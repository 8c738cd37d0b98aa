"""Wait until something is true that another process, thread or task brings about and that has no event of its own.

Waiting ends with the condition. The deadline only bounds a failure, so it may be long.
"""

from asyncio import sleep as turn
from collections.abc import Callable
from time import monotonic, sleep  # by name: a test may give the modules a clock of its own

#: Seconds after which a condition that is still false is a failure, on a loaded machine too.
_PATIENCE_S = 40.0
_POLL_S = 0.005
#: Turns of the event loop in which a condition of the same loop usually becomes true.
_TURNS = 200


async def eventually(condition: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
    """Let the other tasks run until the condition is true.

    Raises:
        AssertionError: when it is still false at the deadline.
    """
    deadline = monotonic() + patience_s
    turns = 0
    while not condition():
        assert monotonic() < deadline, f"not true after {patience_s:g} s"
        turns += 1
        await turn(0 if turns < _TURNS else _POLL_S)


def wait_until(condition: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
    """Return when the condition is true.

    Raises:
        AssertionError: when it is still false at the deadline.
    """
    deadline = monotonic() + patience_s
    while not condition():
        assert monotonic() < deadline, f"not true after {patience_s:g} s"
        sleep(_POLL_S)
