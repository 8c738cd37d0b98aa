"""The index of a spool: which records it must hold, kept beside it, so that missing ones are noticed.

    log.index   sealed lines, on the disk before they count: {"run":..}, {"note":1}, {"last":9830}, {"removed":4711}
    log.last    one sealed line of a fixed length, overwritten after each batch: {"last":"000000009831"}

Problem: a spool whose last segment was cut, emptied or removed looks like a shorter one, and a receiver that has all of
a shorter spool seems to have everything. The numbers in the lines show a hole only when something follows it.

Approach: the index tells how far the spool reached when a segment or a sweep ended, which numbers are notes about the
run and not records, and up to which number records were removed because every receiver had them. `log.last` tells how
far the spool reached a moment ago. It is not synced, so that a batch costs one sync only. It survives a kill; after a
power failure the index, the cursors and the state of the sweep are the evidence that is left.

Both files exist, with a line each, before anything else says that there is a run. So when one of them is missing or
empty, the spool was changed from outside. That is `trouble`, and nothing is removed then.

Left out: checksums of whole segments, since every line has one and a number.
"""

import contextlib
import os
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from scanner.delivery.spool.folder import RunFolder, read_own
from scanner.files.sealed import seal, unseal
from scanner.files.whole import open_own, sync_folder, write_whole

INDEX, LAST = "log.index", "log.last"
_LAST_DIGITS = 12


@dataclass(slots=True)
class Known:
    """What a spool must hold: records up to `last`, without those up to `removed` and the run's own `notes`.

    `trouble` lists what is wrong with the index itself; then it cannot be verified that the spool is complete.
    """

    last: int = 0
    removed: int = 0
    notes: list[int] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def records(self, after: int, last: int) -> int:
        """Return how many records have a number above `after` and up to `last`."""
        return max(0, last - after) - (bisect_right(self.notes, last) - bisect_right(self.notes, after))

    def take(self, entry: dict[str, Any]) -> None:
        """Add a line of the index."""
        self.last = max(self.last, entry.get("last", 0))
        self.removed = max(self.removed, entry.get("removed", 0))
        if "note" in entry and entry["note"] not in self.notes:
            self.notes.append(entry["note"])
            self.notes.sort()
        if "trouble" in entry and entry["trouble"] not in self.trouble:
            self.trouble.append(entry["trouble"])


def read_known(folder: RunFolder, run: str) -> Known:
    """Read the index of a run. Raises OSError; damage is reported in `trouble`."""
    known = Known()
    lines = (_maybe_read(folder.path / INDEX) or b"").split(b"\n")
    if len(lines) == 1:  # not even the line that a run begins with
        known.trouble.append(f"{INDEX} is {_lacking(folder.path / INDEX)}: the log was changed")
    for number, text in enumerate(lines[:-1], 1):  # what follows the last line end was torn by a crash
        entry = _entry(text, run if number == 1 else None)
        if entry is None:
            known.trouble.append(f"{INDEX}: line {number} is damaged: the log was changed")
        else:
            known.take(entry)
    last = _read_last(folder)
    if last is None:
        known.take({"trouble": f"{LAST} is {_lacking(folder.path / LAST)}: the log was changed"})
    known.last = max(known.last, last or 0, known.removed)
    return known


def begin_index(folder: RunFolder, run: str) -> None:
    """Make the index of a new run; call it before anything else says that there is a run. Raises OSError."""
    write_whole(folder.path / LAST, _sealed_last(0))
    write_whole(folder.path / INDEX, seal(orjson.dumps({"run": run})) + b"\n")


def _entry(text: bytes, run: str | None) -> dict[str, Any] | None:
    """Return a line of the index; None when it is damaged, or is the first one and belongs to another run."""
    try:
        entry: dict[str, Any] = orjson.loads(unseal(text))
    except ValueError:
        return None
    return None if run is not None and entry.get("run") != run else entry


def _read_last(folder: RunFolder) -> int | None:
    """Return the number in `log.last`; None when it is missing or damaged."""
    try:
        entry: dict[str, str] = orjson.loads(unseal((_maybe_read(folder.path / LAST) or b"").rstrip(b"\n")))
        return int(entry["last"])
    except (ValueError, KeyError):
        return None


def _sealed_last(last: int) -> bytes:
    return seal(b'{"last":"%0*d"}' % (_LAST_DIGITS, last)) + b"\n"


def _lacking(file: Path) -> str:
    """Return in a word what is wrong with a file that could not be used."""
    read = _maybe_read(file)
    return "missing" if read is None else "damaged" if read else "empty"


def _maybe_read(file: Path) -> bytes | None:
    try:
        return read_own(file)
    except FileNotFoundError:
        return None


class SpoolIndex:
    """The index, open for writing by the one process that writes the spool."""

    def __init__(self, known: Known, index: int, last: int) -> None:
        """Take the content and two file descriptors; `open` makes them."""
        self.known = known
        self._index, self._last = index, last

    @classmethod
    def open(cls, folder: RunFolder, run: str) -> Self:
        """Open the index of a run, or make it; cut a torn end. Raises OSError."""
        if not folder.segments() and not any((folder.path / name).exists() for name in (INDEX, LAST)):
            begin_index(folder, run)
        known = read_known(folder, run)
        index = open_own(folder.path / INDEX, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        last = open_own(folder.path / LAST, os.O_RDWR | os.O_CREAT)
        self = cls(known, index, last)
        whole = os.pread(index, os.fstat(index).st_size, 0).rfind(b"\n") + 1
        os.ftruncate(index, whole)
        if not whole:
            self._append({"run": run, **({"trouble": known.trouble[0]} if known.trouble else {})})
            sync_folder(folder.path)
        elif known.trouble:  # `log.last` is overwritten soon: keep the evidence of its damage for later readers
            self._append({"trouble": known.trouble[-1]})
        return self

    def reached(self, last: int) -> None:
        """Write to `log.last` how far the spool is on the disk, without a sync. Raises OSError."""
        self.known.last = last
        os.pwrite(self._last, _sealed_last(last), 0)

    def note(self, number: int) -> None:
        """Record that a line on the disk is a note about the run. Raises OSError."""
        if number not in self.known.notes:
            self._append({"note": number})

    def ended(self, last: int) -> None:
        """Record how far the spool reached at the end of a segment, or of the sweep. Raises OSError."""
        self._append({"last": last})

    def removed(self, last: int) -> None:
        """Record that records up to this number are removed; call it before they are. Raises OSError."""
        self._append({"removed": last})

    def close(self) -> None:
        """Close both files. Harmless when they are closed."""
        for fd in (self._index, self._last):
            if fd >= 0:
                os.close(fd)
        self._index = self._last = -1

    def _append(self, entry: dict[str, Any]) -> None:
        end, line = os.fstat(self._index).st_size, memoryview(seal(orjson.dumps(entry)) + b"\n")
        try:
            while line:
                line = line[os.write(self._index, line) :]
            os.fsync(self._index)
        except OSError:  # a full disk may have taken a part of it, which would damage the next line
            with contextlib.suppress(OSError):
                os.ftruncate(self._index, end)
            raise
        if "run" not in entry:
            self.known.take(entry)
