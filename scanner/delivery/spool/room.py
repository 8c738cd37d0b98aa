"""Backpressure of the spool: its writer waits for room, and gives up when waiting has become useless.

The writer waits while the disk quota is used up, or while a required receiver is too far behind. That slows the sweep
down. When waiting cannot help any more, because a receiver has given up or the sweep ends, `Quota.hopeless` or
`Quota.stuck` turns the wait into a failure from which the sweep can be resumed. A writer that has room ignores both.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from scanner.errors import SinkError
from scanner.settings import DEFAULT_QUOTA_BYTES


@dataclass(slots=True)
class Quota:
    """How much of the disk the spool may use, and up to which record number it may be removed (`done`).

    `held` makes writing wait even when there is room: a required receiver is too far behind. `hopeless` and `stuck`
    are None while waiting may help. `hopeless` is why no waiting helps; `stuck` is why nothing more can be removed, so
    that waiting for the disk quota does not help.
    """

    limit_bytes: int = DEFAULT_QUOTA_BYTES
    done: int = 0
    held: bool = False
    hopeless: str | None = None
    stuck: str | None = None


class Room:
    """Room in the spool, for its writer to wait for. One call of `wait` at a time; call `again` at any moment."""

    def __init__(self, name: str, quota: Quota, on_full: Callable[[bool], None]) -> None:
        """Take the spool's name, its quota, and a callback: waiting begins (True), or there is room again (False)."""
        self._name, self._quota, self._on_full = name, quota, on_full
        self._changed = asyncio.Event()

    def again(self) -> None:
        """Check the quota again: it has changed."""
        self._changed.set()

    async def wait(self, make_room: Callable[[], bool]) -> None:
        """Return when there is room. `make_room` is called in a thread, and again after each change.

        Raises:
            SinkError: when there is none and waiting for it is useless.
        """
        waiting = False
        while True:
            self._changed.clear()  # before the check, so that a change during it is not missed
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
