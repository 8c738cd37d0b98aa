"""Read records of the spool from any number on, in order, as far as they are on the disk.

There may be any number of readers. Each keeps one segment open and remembers its place; its memory is one read-ahead
block.

A missing record is never passed over silently. Every line has a number and a checksum, so a line that is damaged,
missing or of another run leaves a hole. The hole is returned as `Lost`, with its numbers and what stands in its place.
The caller tells how far the spool must reach (`last`); the names of the segments and the numbers inside them tell the
rest. Additional lines (foreign ones, or repetitions) are ignored.
"""

import os
import sys
from collections import deque
from typing import BinaryIO, NamedTuple, Self

from scanner.delivery.spool.folder import RunFolder
from scanner.delivery.spool.line import Framed, run_key, unframed
from scanner.errors import InputError
from scanner.files.whole import open_own

_BLOCK_BYTES = 1 << 20
#: We write no longer line. The beginning of one is enough to see that its checksum is wrong.
_MAX_LINE_BYTES = 64 << 20
#: How many bytes are kept of a damaged line, and of how many such lines in a row.
_KEPT_BYTES, _KEPT_LINES = 4096, 1000


class SpoolRecord(NamedTuple):
    """One record of the spool: its number, and its line as it was written, without the line end."""

    sequence: int
    line: bytes


class Lost(NamedTuple):
    """Numbers, from `first` to `sequence`, whose records the spool does not hold any more.

    `reason` is "missing", or "damaged"; then `text` is the beginning of what stands there instead.
    """

    first: int
    sequence: int
    reason: str
    text: bytes = b""


class SpoolReader:
    """Reads the spool of a run after a record number."""

    def __init__(self, folder: RunFolder, after: int, run: str = "") -> None:
        """Begin after the record with this number (0: at the beginning)."""
        self._folder, self._run_key = folder, run_key(run)
        self._next = after + 1
        self._fd = -1
        self._first = 0  # of the open segment
        self._offset = 0  # in the open segment, of what is not read yet
        self._lines: list[bytes] = []  # read ahead, the next one last
        self._rest = b""  # what follows them: the beginning of a line
        self._damaged: list[bytes] = []  # lines without a readable number since the last line that had one
        self._ready: deque[SpoolRecord | Lost] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next(self) -> int:
        """The number of the record that comes next."""
        return self._ready[0][0] if self._ready else self._next  # the first member of both: the (first) number

    def close(self) -> None:
        """Close the segment. Harmless when none is open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def skip_to(self, sequence: int) -> None:
        """Continue with another record."""
        self.close()
        self._ready.clear()
        self._damaged.clear()
        self._next = sequence

    def read(self, last: int, *, max_records: int, max_bytes: int) -> list[SpoolRecord | Lost]:
        """Return the next records, none after number `last`; an empty list when there is none.

        At least one is returned when there is one, however long it is. Over all calls, every number up to `last` comes
        once: as a `SpoolRecord`, or within a `Lost`.

        Raises:
            OSError: when the spool cannot be read.
        """
        entries: list[SpoolRecord | Lost] = []
        size = 0
        while len(entries) < max_records and size < max_bytes:
            if not self._ready and self._next <= last:
                self._look(last)
            if not self._ready or self._ready[0].sequence > last:
                break
            entries.append(self._ready.popleft())
            size += len(entries[-1][-1])
        return entries

    def read_segment(self, last: int, *, ended: bool) -> list[SpoolRecord | Lost]:
        """Return all of the segment that holds the next record; an empty list while it may still grow.

        It begins before the next record when the reader began inside the segment.

        Args:
            last: the number of the last record of the spool.
            ended: whether the spool has ended, so that its last segment does not grow any more.

        Raises:
            OSError: when the spool cannot be read.
        """
        firsts = own_segments(self._folder, self._run_key)
        first = max((number for number in firsts if number <= self.next), default=self.next)
        following = [number for number in firsts if number > first]
        if not following and not ended:
            return []
        self.skip_to(first)
        end = following[0] - 1 if following else last
        return self.read(end, max_records=end - first + 1, max_bytes=sys.maxsize)

    def _look(self, last: int) -> None:
        """Read until something is ready: the next record, or a hole in its place."""
        while not self._ready:
            text = self._line()
            if text is None:  # the segment ends: the next record is in the following one, or missing
                following = self._following()
                self._hole(last + 1 if following is None else min(following, last + 1))
                if following is None or self._next > last:
                    return
                self._open_segment(following)
            elif (found := self._framed(text)) is None:
                if len(self._damaged) < _KEPT_LINES:
                    self._damaged.append(text[:_KEPT_BYTES])
            elif found.number >= self._next:  # else a repetition
                self._hole(found.number)
                self._ready.append(SpoolRecord(found.number, found.line))
                self._next = found.number + 1

    def _framed(self, text: bytes) -> Framed | None:
        try:
            found = unframed(text)
        except ValueError:
            return None
        return found if found.key == self._run_key else None

    def _hole(self, before: int) -> None:
        """Report the numbers before one as lost: damaged lines take the first of them, the rest is missing."""
        for text in self._damaged[: max(0, before - self._next)]:
            self._ready.append(Lost(self._next, self._next, "damaged", text))
            self._next += 1
        self._damaged.clear()
        if self._next < before:
            self._ready.append(Lost(self._next, before - 1, "missing"))
            self._next = before

    def _line(self) -> bytes | None:
        """Return the next line of the segment, None when it has no more."""
        if self._fd < 0:
            own = own_segments(self._folder, self._run_key)
            if not own:
                return None
            self._open_segment(max((first for first in own if first <= self._next), default=own[0]))
        while not self._lines:
            block = os.pread(self._fd, _BLOCK_BYTES, self._offset)
            if not block:
                return None
            self._offset += len(block)
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._rest = self._rest[:_MAX_LINE_BYTES]
            self._lines = whole[::-1]
        return self._lines.pop()

    def _following(self) -> int | None:
        """Return the segment behind the open one, None when there is none."""
        if self._fd < 0:
            return None
        return min((first for first in own_segments(self._folder, self._run_key) if first > self._first), default=None)

    def _open_segment(self, first: int) -> None:
        self.close()
        self._fd = open_own(self._folder.segment(first), os.O_RDONLY)
        self._first = first
        self._offset, self._rest, self._lines = 0, b"", []


def own_segments(folder: RunFolder, key: bytes) -> list[int]:
    """Return the first number of every segment that is not another run's, in order. Raises OSError."""
    return [first for first in folder.segments() if _is_own(folder, first, key)]


def _is_own(folder: RunFolder, first: int, key: bytes) -> bool:
    """Return whether a segment exists and does not begin with a whole line of another run."""
    try:
        with _opened(folder, first) as segment:
            return unframed(segment.readline(_MAX_LINE_BYTES).removesuffix(b"\n")).key == key
    except FileNotFoundError:  # removed a moment ago
        return False
    except ValueError:  # empty or damaged
        return True


def last_record(folder: RunFolder, run: str = "") -> int:
    """Bring a spool without a writer to the disk; return the number of its last record.

    Raises:
        InputError: when the spool cannot be read.
    """
    key = run_key(run)
    try:
        firsts = own_segments(folder, key)
        if not firsts:
            return 0
        with _opened(folder, firsts[-1]) as segment:
            os.fsync(segment.fileno())
            return max([firsts[-1] - 1, *(number_of(line, key) for line in segment)])
    except OSError as error:
        raise InputError(f"{folder.path}: cannot be read ({error.strerror})") from None


def number_of(line: bytes, key: bytes) -> int:
    """Return the number of a whole line of this run's spool, 0 for anything else."""
    try:
        found = unframed(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
    except ValueError:
        return 0
    return found.number if found is not None and found.key == key else 0


def _opened(folder: RunFolder, first: int) -> BinaryIO:
    return os.fdopen(open_own(folder.segment(first), os.O_RDONLY), "rb")
