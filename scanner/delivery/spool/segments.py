"""Write the spool: whole lines appended to numbered segments, on the disk before they are acknowledged.

The sweep's checkpoint follows the writer: a target is done when its record is in the spool. There is one `fdatasync` a
batch; 88,000 records of 1.6 kB a second were measured that way on a busy machine, so a sweep does not wait for it.

After a crash, a torn end is cut off. Whole records behind the checkpoint stay, since receivers may have them already.
They are repeated when the sweep is resumed, with new numbers and the same `event_id`. A number is never used twice:
when the spool holds less than the index, the checkpoint or a cursor knows of, the next record gets the number after
that, and readers find the hole.

The disk space is bounded (`Quota`). Before the spool would exceed the quota, segments that every receiver has are
removed, oldest first. When none can be removed, `write` waits, and the sweep slows down. A batch is written in parts
that fit. A single record that is larger than the whole quota is written all the same, alone. After a disk error
nothing more is written.
"""

import asyncio
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from scanner.delivery.sink import Position
from scanner.delivery.spool.folder import RunFolder
from scanner.delivery.spool.index import Known, SpoolIndex
from scanner.delivery.spool.line import FRAME_BYTES, framed, is_note, run_key
from scanner.delivery.spool.reader import number_of, own_segments
from scanner.delivery.spool.room import Quota, Room
from scanner.errors import SinkError
from scanner.files.whole import open_own, sync_folder

log = logging.getLogger(__name__)

#: A segment is closed at this size or age. It is the unit of removal, and the unit that object stores get.
SEGMENT_BYTES = 16 << 20
SEGMENT_S = 300.0


class SpoolWriter:
    """The spool of one run, open for writing by one process."""

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
            quota: the bound, and how far the receivers are; call `room_again` when it has changed.
            on_durable: called with the number of the last record on the disk.
            on_full: called with True when writing begins to wait for room, with False when it continues.
            segment_bytes: the size at which a segment is closed.
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
        # A cancelled append goes on in its thread: the next one, and closing, wait for it.
        self._appending = threading.Lock()
        self._failed: str | None = None
        self._run_key = run_key("")
        self._index: SpoolIndex | None = None

    @property
    def last(self) -> int:
        """The number of the last record in the spool, 0 when it is empty."""
        return self._last

    @property
    def known(self) -> Known:
        """What must be in the spool, according to its index."""
        return self._index.known if self._index is not None else Known()

    async def open(self, resume: Position | None, run: str = "", *, at_least: int = 0) -> None:
        """Open the spool of a run; an earlier one is continued, even where the checkpoint knows less.

        Args:
            resume: the position in the checkpoint.
            run: the run's id, which every line carries.
            at_least: a number that was used already, according to the cursors.

        Raises:
            InputError: when the folder cannot be used, or another process writes there.
            SinkError: when the spool cannot be opened.
        """
        known = int(resume["sequence"]) if resume is not None else 0
        await asyncio.to_thread(self._open, run, max(known, at_least))
        self._on_durable(self._last)

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the disk has the lines; wait first while the quota is used up.

        Raises:
            SinkError: when the disk fails, and then for every later call; or when waiting is useless.
        """
        if self._failed is not None:
            raise SinkError(self._failed)
        for part in _parts(lines, self._segment_bytes):
            with self._failing_once():  # removing segments needs the disk, too
                await self._room.wait(partial(self._make_room, _size(part)))
                await asyncio.to_thread(self._append, part)
            self._on_durable(self._last)

    async def note(self, line: bytes) -> None:
        """Return when the disk has a line about the run itself. It ignores the quota, so it never waits for a receiver.

        Raises:
            SinkError: when the disk fails.
        """
        if self._failed is not None:
            raise SinkError(self._failed)
        with self._failing_once():
            await asyncio.to_thread(self._append, (line,))
        self._on_durable(self._last)

    @contextmanager
    def _failing_once(self) -> Iterator[None]:
        """Turn a disk error into the reason why nothing more is taken."""
        try:
            yield
        except OSError as error:
            self._failed = f"{self.name}: cannot be written ({error.strerror}); resume with --state when that is mended"
            raise SinkError(self._failed) from error

    def position(self) -> Position | None:
        """Return the number of the last record."""
        return {"sequence": self._last}

    async def close(self) -> None:
        """Close the spool. Harmless when not open."""
        if self._index is not None:
            await asyncio.to_thread(self._close, self._index)
        self._lock.close()

    def room_again(self) -> None:
        """Check the quota again: receivers have made progress, or waiting has become useless."""
        self._room.again()

    def _close(self, index: SpoolIndex) -> None:
        with self._appending:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)
            with suppress(OSError):  # `log.last` has the number, too
                index.ended(self._last)
            index.close()

    def _make_room(self, size: int) -> bool:
        """Remove what every receiver has, oldest first, until `size` bytes fit; False when they do not yet.

        A writer that waited while the spool was closed must not touch it: it may belong to another process by now.
        """
        with self._appending:
            if self._fd < 0 or self._index is None:
                raise OSError(errno.EBADF, "it is closed")
            return self._removed_enough(self._index, size, self._quota.limit_bytes)

    def _removed_enough(self, index: SpoolIndex, size: int, limit: int) -> bool:
        if self._used + size > limit and self._quota.done >= self._last and self._segments[max(self._segments)]:
            self._begin_segment()  # every receiver has all of the open one: it can be removed, too
        while self._used + size > limit and len(self._segments) > 1:
            oldest, following = sorted(self._segments)[:2]
            if following - 1 > self._quota.done:
                return False
            index.removed(following - 1)
            self.folder.segment(oldest).unlink(missing_ok=True)
            del self._segments[oldest]
        if self._used + size <= limit:
            return True
        if self._used:
            return False
        log.warning("%s: a record of %d bytes is larger than --spool-limit: it is kept all the same", self.name, size)
        return True

    @property
    def _used(self) -> int:
        return sum(self._segments.values())

    def _open(self, run: str, at_least: int) -> None:
        self.folder.create()
        self._run_key = run_key(run)
        self._lock.enter_context(self.folder.locked("log"))
        try:
            self._index = SpoolIndex.open(self.folder, run)
            own = own_segments(self.folder, self._run_key)
            self._segments = {first: self.folder.segment(first).stat().st_size for first in own}
            self._last = max(at_least, self._index.known.last)
            if self._segments:
                self._repair(max(self._segments))
            if self._fd < 0:
                self._begin_segment()
            self._index.reached(self._last)
        except OSError as error:
            self._lock.close()
            raise SinkError(f"{self.name}: cannot be opened ({error.strerror})") from error

    def _repair(self, first: int) -> None:
        """Cut a torn end off the last segment, and find its last number; continue in a new one unless it is empty.

        So a segment never grows once a reader may have taken it for complete.
        """
        assert self._index is not None  # noqa: S101  open
        end = 0
        with os.fdopen(open_own(self.folder.segment(first), os.O_RDWR), "r+b") as segment:
            for line in segment:
                end += len(line) if line.endswith(b"\n") else 0
                number = number_of(line, self._run_key)
                self._last = max(self._last, number)
                if number and is_note(line):
                    self._index.note(number)
            segment.truncate(end)
            os.fsync(segment.fileno())  # what another process wrote before it was killed may not be on the disk yet
        self._segments[first] = end
        self._last = max(self._last, first if end else first - 1)
        if not end and first == self._last + 1:
            self._fd = open_own(self.folder.segment(first), os.O_WRONLY | os.O_APPEND)

    def _begin_segment(self) -> None:
        assert self._index is not None  # noqa: S101  open
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._index.ended(self._last)
        first = self._last + 1
        self._fd = open_own(self.folder.segment(first), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        sync_folder(self.folder.path)
        self._segments[first] = 0
        self._begun_at = time.monotonic()

    def _append(self, lines: Sequence[bytes]) -> None:
        with self._appending:
            if self._fd < 0 or self._index is None:
                raise OSError(errno.EBADF, "it is closed")
            size, age = self._segments[max(self._segments)], time.monotonic() - self._begun_at
            if size >= self._segment_bytes or (size and age >= SEGMENT_S):
                self._begin_segment()
            key, first = self._run_key, self._last + 1
            framed_lines = [framed(line.removesuffix(b"\n"), key, number) for number, line in enumerate(lines, first)]
            text = b"\n".join([*framed_lines, b""])
            block = memoryview(text)
            while block:
                block = block[os.write(self._fd, block) :]
            os.fdatasync(self._fd)
            self._segments[max(self._segments)] += len(text)
            self._last += len(lines)
            self._index.reached(self._last)
            for number, line in enumerate(lines, first):
                if is_note(line):
                    self._index.note(number)


def _size(lines: Sequence[bytes]) -> int:
    """Return how many bytes lines need in the spool, at most."""
    return sum(map(len, lines)) + len(lines) * FRAME_BYTES


def _parts(lines: Sequence[bytes], limit: int) -> Iterator[Sequence[bytes]]:
    """Cut a batch into parts within the limit; a line that is larger alone is a part of its own."""
    start = size = 0
    for place, line in enumerate(lines):
        length = len(line) + FRAME_BYTES
        if place > start and size + length > limit:
            yield lines[start:place]
            start, size = place, 0
        size += length
    if start < len(lines):
        yield lines[start:]
