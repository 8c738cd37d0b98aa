"""The reader: records of the log from any number on, in order, as far as they are on the disk.

Any number of readers; each keeps one segment open and remembers its place. Memory is one read-ahead block.
"""

import os
from typing import NamedTuple, Self

from scanner.errors import InputError, StateError
from scanner.files import open_own
from scanner.runlog.folder import RunFolder

_BLOCK_BYTES = 1 << 20


class Entry(NamedTuple):
    """One record of the log: its number, and its line without the line end."""

    sequence: int
    line: bytes


def last_record(folder: RunFolder) -> int:
    """Return the number of the last whole record of a log that nobody writes any more, and bring it to the disk.

    Raises:
        InputError: when the log cannot be read.
    """
    try:
        firsts = folder.segments()
        if not firsts:
            return 0
        with os.fdopen(open_own(folder.segment(firsts[-1]), os.O_RDONLY), "rb") as segment:
            os.fsync(segment.fileno())
            return firsts[-1] - 1 + sum(line.endswith(b"\n") for line in segment)
    except OSError as error:
        raise InputError(f"{folder.path}: cannot be read ({error.strerror})") from None


class LogReader:
    """Reads the log after a record number."""

    def __init__(self, folder: RunFolder, after: int) -> None:
        """Begin after the record with this number (0: at the beginning)."""
        self._folder = folder
        self._next = after + 1
        self._fd = -1
        self._first = 0  # of the open segment
        self._offset = 0  # in the open segment, of what is not read yet
        self._lines: list[bytes] = []  # read ahead, the next one last
        self._number = 0  # of the next one of them
        self._rest = b""  # what follows them: the beginning of a line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def next(self) -> int:
        """The number of the record that comes next."""
        return self._next

    def close(self) -> None:
        """Let go of the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def skip_to(self, sequence: int) -> None:
        """Go on with another record."""
        self.close()
        self._next = sequence

    def read(self, last: int, *, max_records: int, max_bytes: int) -> list[Entry]:
        """Return the next records, none after number `last`; an empty list when there is none.

        At least one is returned when there is one, however long it is.

        Raises:
            StateError: when the log does not hold what it should: it was changed by somebody else.
            OSError: when it cannot be read.
        """
        entries: list[Entry] = []
        size = 0
        while self._next <= last and len(entries) < max_records and size < max_bytes:
            line = self._line()
            if self._number > self._next:
                entries.append(Entry(self._next, line))
                size += len(line)
                self._next += 1
        return entries

    def _line(self) -> bytes:
        """Return the next line of the segment, and count it."""
        if self._fd < 0:
            self._open()
        while not self._lines:
            block = os.pread(self._fd, _BLOCK_BYTES, self._offset)
            self._offset += len(block)
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._lines = whole[::-1]
            if not block and not self._open_following():
                raise StateError(f"{self._folder.path}: record {self._next:,} is missing: the log was changed")
        self._number += 1
        return self._lines.pop()

    def _open(self) -> None:
        firsts = [first for first in self._folder.segments() if first <= self._next]
        if not firsts:
            raise StateError(f"{self._folder.path}: record {self._next:,} is not in the log any more")
        self._open_segment(firsts[-1])

    def _open_following(self) -> bool:
        if self._rest or self._number != self._next or self._first == self._next:
            return False
        if not self._folder.segment(self._next).exists():
            return False
        self.close()
        self._open_segment(self._next)
        return True

    def _open_segment(self, first: int) -> None:
        self._fd = open_own(self._folder.segment(first), os.O_RDONLY)
        self._first = self._number = first
        self._offset, self._rest, self._lines = 0, b"", []
