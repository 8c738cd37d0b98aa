"""Waiting for room in the log, and the end of waiting.

A log whose quota is used up, or that is held back for a required receiver, makes its writer wait: that slows the sweep
down. Somebody must be able to say that waiting has become useless (a receiver that has given up, a sweep that ends):
`Quota.hopeless` and `stuck` turn the wait into a failure from which a sweep can be resumed. Who need not wait does not
look at them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from scanner.errors import SinkError
from scanner.settings import DEFAULT_QUOTA_BYTES


@dataclass(slots=True)
class Quota:
    """How much of the disk the log may use, and how far the slowest receiver is (`done`: a record number).

    `held` makes writing wait whatever the disk has: a receiver that is required is too far behind. Both of the others
    are None while waiting is of use: `hopeless` says why any waiting is of none, `stuck` why the log cannot be
    shortened any more, so that only waiting for the disk's quota is of none.
    """

    limit_bytes: int = DEFAULT_QUOTA_BYTES
    done: int = 0
    held: bool = False
    hopeless: str | None = None
    stuck: str | None = None


class Room:
    """What the writer of a log waits for. One waits at a time; `again` may be called at any moment."""

    def __init__(self, name: str, quota: Quota, on_full: Callable[[bool], None]) -> None:
        """Take the log's name, its quota, and whom to tell that waiting begins (True) or was of use (False)."""
        self._name, self._quota, self._on_full = name, quota, on_full
        self._changed = asyncio.Event()

    def again(self) -> None:
        """Look at the quota again: something about it has changed."""
        self._changed.set()

    async def wait(self, make_room: Callable[[], bool]) -> None:
        """Return when there is room. `make_room` is called in a thread, and again after each change.

        Raises:
            SinkError: when there is none and waiting for it is of no use.
        """
        waiting = False
        while True:
            self._changed.clear()  # before looking: a change that comes while we look must not be forgotten
            if not self._quota.held and await asyncio.to_thread(make_room):
                break
            useless = self._quota.hopeless or (None if self._quota.held else self._quota.stuck)
            if useless is not None:
                raise SinkError(f"{self._name}: takes no more records: {useless}")
            if not waiting:
                waiting = True
                self._on_full(True)  # noqa: FBT003  the callback's only argument
            await self._changed.wait()
        if waiting:
            self._on_full(False)  # noqa: FBT003  the callback's only argument
