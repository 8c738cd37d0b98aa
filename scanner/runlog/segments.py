"""The writer: whole lines appended to numbered segments, on the disk before they count.

It is a sink like any other, so the sweep's checkpoint follows it: a target is done when its record is in the log. One
`fdatasync` a batch; 470,000 records a second were measured that way, so the log is never what a sweep waits for.

After a crash, what is torn at the end is cut off and everything before it is trusted, since it was written in order.
Records that the checkpoint had not heard of stay: receivers may have them already. They are repeated when the sweep is
resumed, with new numbers and the same `event_id`.

The disk is bounded (`Quota`): what every receiver has is removed, oldest first, when the log grows over it; when
nothing can be removed, `write` waits, and so the sweep slows down. After an error of the disk nothing more is written.
"""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from scanner.errors import SinkError
from scanner.files import open_own, sync_folder
from scanner.runlog.folder import RunFolder
from scanner.runlog.room import Quota, Room
from scanner.sinks.sink import Position

#: A segment is closed at this size or age: the unit in which the disk is given back and objects are stored.
SEGMENT_BYTES = 16 << 20
SEGMENT_S = 300.0
_TAIL_BYTES = 1 << 16


class RunLog:
    """The log of one run, open for writing by one process."""

    def __init__(
        self,
        folder: RunFolder,
        quota: Quota,
        *,
        on_durable: Callable[[int], None] = lambda _: None,
        on_full: Callable[[bool], None] = lambda _: None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Prepare.

        Args:
            folder: where; made when it is not there.
            quota: the bound, and how far the receivers are; `room_again` tells when that has changed.
            on_durable: called with the number of the last record that is on the disk.
            on_full: called with True when writing begins to wait for room, with False when it goes on.
            segment_bytes: size at which a segment ends.
        """
        self.name = f"log {folder.path}"
        self.folder = folder
        self._quota = quota
        self._on_durable = on_durable
        self._segment_bytes = min(segment_bytes, max(1, quota.limit_bytes // 4))
        self._segments: dict[int, int] = {}  # first record number -> bytes
        self._fd = -1
        self._last = 0
        self._begun_at = 0.0
        self._room = Room(self.name, quota, on_full)
        self._lock = ExitStack()
        # An append that was cancelled goes on in its thread: the next one, and closing, wait for it.
        self._appending = threading.Lock()
        self._failed: str | None = None

    @property
    def last(self) -> int:
        """The number of the last record in the log, 0 when it is empty."""
        return self._last

    async def open(self, resume: Position | None) -> None:
        """Open the log; an earlier one is continued, whatever the checkpoint knew of it.

        Raises:
            InputError: when the folder cannot be used, or another process writes there.
            SinkError: when the log holds less than the checkpoint was told.
        """
        await asyncio.to_thread(self._open)
        known = int(resume["sequence"]) if resume is not None else 0
        if self._last < known:
            last = self._last
            await self.close()
            raise SinkError(f"{self.name}: holds {last:,} records, but {known:,} were acknowledged: it was changed")
        self._on_durable(self._last)

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the disk has the lines; wait first while the quota is used up.

        Raises:
            SinkError: when the disk fails, the log takes nothing more then; or when waiting is of no use.
        """
        if self._failed is not None:
            raise SinkError(self._failed)
        if not lines:
            return  # no room is needed
        size = sum(map(len, lines))
        await self._room.wait(lambda: self._make_room(size))
        await self._keep(lines)

    async def note(self, line: bytes) -> None:
        """Return when the disk has a line about the run itself. It needs no room, so it never waits for a receiver.

        Raises:
            SinkError: when the disk fails.
        """
        if self._failed is not None:
            raise SinkError(self._failed)
        await self._keep((line,))

    async def _keep(self, lines: Sequence[bytes]) -> None:
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            self._failed = f"{self.name}: cannot be written ({error.strerror}); resume with --state when that is mended"
            raise SinkError(self._failed) from error
        self._on_durable(self._last)

    def position(self) -> Position | None:
        """Return the number of the last record."""
        return {"sequence": self._last}

    async def close(self) -> None:
        """Close the log. Harmless when not open."""
        if self._fd >= 0:
            await asyncio.to_thread(self._close)
        self._lock.close()

    def room_again(self) -> None:
        """Look at the quota again: receivers have got on, or waiting has become of no use."""
        self._room.again()

    def _close(self) -> None:
        with self._appending:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _make_room(self, size: int) -> bool:
        """Remove what every receiver has, oldest first, until so many bytes fit; False when they do not yet."""
        segments = list(self._segments)
        while sum(self._segments.values()) + size > self._quota.limit_bytes and len(segments) > 1:
            oldest, following = segments[0], segments[1]
            if following - 1 > self._quota.done:
                return False
            self.folder.segment(oldest).unlink(missing_ok=True)
            del self._segments[segments.pop(0)]
        # A single segment that is done with may be over the limit: the next batch begins a new one.
        return sum(self._segments.values()) + size <= self._quota.limit_bytes or self._quota.done >= self._last

    def _open(self) -> None:
        self.folder.create()
        self._lock.enter_context(self.folder.locked("log"))
        try:
            self._segments = {first: self.folder.segment(first).stat().st_size for first in self.folder.segments()}
            if self._segments:
                self._repair(max(self._segments))
            if self._fd < 0:
                self._begin_segment()
        except OSError as error:
            self._lock.close()
            raise SinkError(f"{self.name}: cannot be opened ({error.strerror})") from error

    def _repair(self, first: int) -> None:
        """Cut what is torn off the last segment, and count what is whole; go on in a new one unless it is empty.

        So a segment never grows once a reader may have taken it for whole.
        """
        self._fd = open_own(self.folder.segment(first), os.O_RDWR | os.O_APPEND)
        lines = end = 0
        offset = 0
        while block := os.pread(self._fd, 1 << 20, offset):
            lines += block.count(b"\n")
            if (found := block.rfind(b"\n")) >= 0:
                end = offset + found + 1
            offset += len(block)
        os.ftruncate(self._fd, end)
        os.fsync(self._fd)  # what another process wrote before it was killed may not be on the disk yet
        self._segments[first] = end
        self._last = first + lines - 1
        if lines:
            os.close(self._fd)
            self._fd = -1

    def _begin_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        first = self._last + 1
        self._fd = open_own(self.folder.segment(first), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        sync_folder(self.folder.path)
        self._segments[first] = 0
        self._begun_at = time.monotonic()

    def _append(self, lines: Sequence[bytes]) -> None:
        with self._appending:
            if self._fd < 0:
                raise OSError(errno.EBADF, "it is closed")
            size, age = self._segments[max(self._segments)], time.monotonic() - self._begun_at
            if size >= self._segment_bytes or (size and age >= SEGMENT_S):
                self._begin_segment()
            block = memoryview(b"".join(lines))
            size = len(block)
            while block:
                block = block[os.write(self._fd, block) :]
            os.fdatasync(self._fd)
            self._segments[max(self._segments)] += size
            self._last += len(lines)
