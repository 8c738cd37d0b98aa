"""Write the state file: which targets are done, so that a sweep can be resumed after Ctrl-C or kill -9.

The first line holds everything (the snapshot), and each further line a batch that has reached the sinks (the journal).
A batch is journaled after the sinks have it, so a kill at any moment loses nothing: at worst the one batch between the
two writes is visited again, with the same `event_id`. Now and then the journal is folded into a new snapshot, which is
written beside the file and renamed over it, after file and folder are synced.

Before each write the file is checked. One that was removed is written anew. One that somebody has put in its place is
never touched, because two sweeps could hold one state then.

Each line carries its checksum (`files.sealed`). `sweeps.saved_state` decides how much of a file is used.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from scanner.errors import SinkError, StateError
from scanner.files.sealed import seal
from scanner.files.whole import FileId, open_beside, open_own, sync_folder
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.saved_state import SCHEMA, Identity, Positions, Refusals
from scanner.targets import Progress

log = logging.getLogger(__name__)

#: Journal bytes after which a new snapshot is written.
COMPACT_BYTES = 1 << 20


class Checkpoint:
    """The state file of one process; a lock on the file keeps a second process out."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        names: KnownNames | None = None,
        refusals: Callable[[], Refusals] = lambda: {"counts": {}, "slowed": [], "closed": []},
    ) -> None:
        """Prepare; `names` are the DNS answers behind the targets, `refusals` returns which networks refuse us."""
        self.path = path
        self.identity = identity
        self._names = names or KnownNames()
        self._refusals = refusals
        self._fd = -1
        self._journal_bytes = self._journal_lines = 0
        self._refusals_bytes = self._bytes_since_refusals = 0

    def open(self) -> None:
        """Open and lock the file, without changing it.

        Raises:
            StateError: when it cannot be written, or another sweep uses it.
        """
        try:
            fd = open_own(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                self._take(fd)
            except BaseException:
                os.close(fd)
                raise
        except BlockingIOError:
            raise StateError(f"{self.path}: another sweep is using it") from None
        except OSError as error:
            raise StateError(f"{self.path}: cannot be written ({error.strerror})") from None
        self._fd = fd

    def _take(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if FileId.of(fd) != FileId.of(self.path):
            raise BlockingIOError  # renamed over since it was opened: our lock is on a file without a name

    def append(
        self, done: Sequence[int], ledger: Ledger, sinks: Positions, progress: Progress, *, refused: bool = False
    ) -> None:
        """Note that these positions are done and the sinks have their records; `refused` if networks have refused us.

        The refusals may be larger than all the rest, so they are written only after as much else was written.

        Raises:
            SinkError: when the file cannot be written, or somebody has put another one in its place.
        """
        entry: dict[str, Any] = {
            "n": self._journal_lines + 1,
            "done": done,
            "counts": ledger.snapshot(),
            "sinks": sinks,
        }
        if refused and self._bytes_since_refusals >= self._refusals_bytes:
            entry["refusals"] = self._refusals()
        line = seal(orjson.dumps(entry)) + b"\n"
        self._journal_bytes += len(line)
        if "refusals" in entry:
            self._refusals_bytes, self._bytes_since_refusals = len(line), 0
        else:
            self._bytes_since_refusals += len(line)
        if self._journal_bytes > COMPACT_BYTES or self._is_gone():
            self.compact(ledger, sinks, progress)
        else:
            self._write(self._fd, line)
            self._journal_lines += 1

    def compact(self, ledger: Ledger, sinks: Positions, progress: Progress) -> None:
        """Write everything as one new snapshot, whole or not at all.

        Raises:
            SinkError: when the file cannot be written, or somebody has put another one in its place; the old snapshot
                is still good then.
        """
        if self._is_gone():
            log.warning("%s: was removed while the sweep ran: it is written anew", self.path)
        head = {
            "schema": SCHEMA,
            "identity": self.identity,
            "names": self._names.plain(),
            "progress": progress.snapshot(),
            "counts": ledger.snapshot(),
            "sinks": sinks,
            "refusals": self._refusals(),
        }
        try:
            fd = self._replaced(seal(orjson.dumps(head)) + b"\n")
            os.close(self._fd)
            self._fd, self._journal_bytes, self._journal_lines = fd, 0, 0
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._not_saved(error) from None

    def _replaced(self, snapshot: bytes) -> int:
        """Write a snapshot beside the file and rename it over the file; return its descriptor, locked."""
        fd, fresh = open_beside(self.path, flags=os.O_APPEND)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(fd, snapshot)
            os.fsync(fd)
            fresh.replace(self.path)
        except BaseException:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise
        return fd

    def _is_gone(self) -> bool:
        """Return whether the file was removed; raise SinkError when it was replaced."""
        there = FileId.of(self.path)
        if there == FileId.of(self._fd):
            return False
        if there is not None or os.path.lexists(self.path):
            raise SinkError(
                f"{self.path}: was replaced by another file while the sweep ran: that file is left as it is: "
                "sweep anew, with a new --state"
            )
        return True

    def close(self) -> None:
        """Close the file; remove it when nothing was written to it."""
        if self._fd >= 0:
            if not os.fstat(self._fd).st_size and FileId.of(self._fd) == FileId.of(self.path):
                self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def _write(self, fd: int, line: bytes) -> None:
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except OSError as error:
            raise self._not_saved(error) from None

    def _not_saved(self, error: OSError) -> SinkError:
        return SinkError(f"{self.path}: the state cannot be saved ({error.strerror})")
