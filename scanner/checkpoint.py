"""The state file: which targets are done, so that a sweep goes on where it was, after Ctrl-C or after kill -9.

A first line with everything (the snapshot), then one line for each batch that has reached the sinks (the journal). A
batch is journaled after the sinks have it, so a kill at any moment loses nothing: at worst the one batch between the
two writes is visited again, with the same `event_id`. Now and then the journal is folded into a new snapshot, written
beside and renamed over, with the data of the file and the folder synced before.

The journal carries each sink's position. A file that ends before the position of a journal line (a power failure, a
file cut by hand) takes that line and all after it out of belief: their targets are visited again.
"""

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from scanner.errors import SinkError, StateError
from scanner.files import FileId, open_beside, open_own, sync_folder
from scanner.ledger import Ledger
from scanner.targets import Progress
from scanner.targets.progress import MAX_SPREAD

SCHEMA = "smtpsweep.state/1"
#: Journal bytes after which a new snapshot is written.
COMPACT_BYTES = 1 << 20

#: Where each sink stands, by the name it has in the run; None for one that has no position (a pipe).
Positions = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a sweep this sweep and no other. `options` is for people; the digest decides."""

    scan_id: str
    seed: int
    digest: str
    shard: str
    started_at: str
    version: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int):
            raise TypeError("its seed is no number")


def difference(saved: Identity, now: Identity) -> str:
    """Say what makes a saved sweep another one than this, and what to do about it."""
    for what, theirs, ours in (("seed", saved.seed, now.seed), ("shard", saved.shard, now.shard)):
        if theirs != ours:
            return f"belongs to a sweep with --{what} {theirs}, not {ours}; use that, or another --state file"
    return "belongs to a sweep of other targets, exclusions or ports; repeat those, or use another --state file"


@dataclass(slots=True)
class _Entry:
    """One journal line."""

    done: list[int]
    counts: Mapping[str, Any]
    sinks: Positions

    def __post_init__(self) -> None:
        self.sinks = _positions(self.sinks)
        if not all(type(position) is int and position >= 0 for position in self.done):
            raise TypeError("its journal holds something other than positions")


def _positions(value: Any) -> Positions:
    """Return saved positions of sinks when that is what they are."""
    if not all(position is None or isinstance(position, dict) for position in value.values()):
        raise TypeError("a sink's position is no object")
    return dict(value)


@dataclass(frozen=True, slots=True)
class Saved:
    """A state file as read: the snapshot, and the journal after it."""

    identity: Identity
    progress: Mapping[str, Any]
    counts: Mapping[str, Any]
    sinks: Positions
    journal: Sequence[_Entry]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a state file; None when there is none yet.

        Raises:
            StateError: when it is not a state file or its snapshot is damaged. A torn last line is expected.
        """
        try:
            with os.fdopen(open_own(path, os.O_RDONLY), "rb") as saved:
                lines = saved.read().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: cannot be read ({error.strerror})") from None
        if lines == [b""]:
            return None
        try:
            head = orjson.loads(lines[0])
            if head["schema"] != SCHEMA:
                raise StateError(f"{path}: not a state file of this version ({SCHEMA})")
            journal = [_Entry(**orjson.loads(line)) for line in lines[1:-1]]  # what follows the last newline is torn
            progress, counts, sinks = dict(head["progress"]), dict(head["counts"]), _positions(head["sinks"])
            return cls(Identity(**head["identity"]), progress, counts, sinks, journal)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # ValueError: no JSON is one
            raise StateError(f"{path}: damaged, or not a state file ({error}); choose another --state file") from None

    def last_positions(self) -> Positions:
        """Return where the sinks stood at the last line."""
        return self.journal[-1].sinks if self.journal else self.sinks

    def restore(self, ledger: Ledger, reached: Positions) -> Progress:
        """Return what is done, believing the journal as far as the sinks really are, and set the ledger to it.

        Raises:
            StateError: when a file is shorter than the snapshot says, or a value makes no sense.
        """
        if not _holds(self.sinks, reached):
            raise StateError(
                "an output file is shorter than the state says: it was cut or replaced; use a new --state file"
            )
        progress, counts = Progress.restore(dict(self.progress)), self.counts
        for entry in self.journal:
            if not _holds(entry.sinks, reached):
                break
            _mark(progress, entry.done)
            counts = entry.counts
        ledger.restore(counts)
        return progress


def _mark(progress: Progress, done: Sequence[int]) -> None:
    """Book a journal line; a position that is too far away must not make us allocate the way to it."""
    if max(done, default=0) >= progress.low_water + MAX_SPREAD:
        raise StateError(f"its journal is damaged: position {max(done)} is out of place")
    progress.mark_many(done)


def _holds(expected: Positions, reached: Positions) -> bool:
    """Whether every sink that can tell has got at least as far as expected."""
    return all(
        position is None or name not in reached or _offset(reached[name]) >= _offset(position)
        for name, position in expected.items()
    )


def _offset(position: Any) -> tuple[int, int]:
    """Order the positions of a sink: part of a rotated output, then bytes. What is damaged there counts as 0."""
    part, size = ((position or {}).get(key, 0) for key in ("part", "bytes"))
    return (part if isinstance(part, int) else 0, size if isinstance(size, int) else 0)


class Checkpoint:
    """The state file being written. One process at a time: a lock on the file keeps a second one out."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self.identity = identity
        self._fd = -1
        self._journal_bytes = 0

    def open(self) -> None:
        """Take hold of the file, without changing it.

        Raises:
            StateError: when it cannot be written, or another sweep has it.
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
            raise BlockingIOError  # renamed over since it was opened: our lock is on a file that nobody can see

    def append(self, done: Sequence[int], ledger: Ledger, sinks: Positions, progress: Progress) -> None:
        """Note that these positions are done and the sinks have their records.

        Raises:
            SinkError: when the file cannot be written.
        """
        line = orjson.dumps({"done": done, "counts": ledger.snapshot(), "sinks": sinks}) + b"\n"
        self._journal_bytes += len(line)
        if self._journal_bytes > COMPACT_BYTES:
            self.compact(ledger, sinks, progress)
        else:
            self._write(self._fd, line)

    def compact(self, ledger: Ledger, sinks: Positions, progress: Progress) -> None:
        """Write everything anew as one snapshot, whole or not at all.

        Raises:
            SinkError: when the file cannot be written; the old one is then still good.
        """
        head = {
            "schema": SCHEMA,
            "identity": self.identity,
            "progress": progress.snapshot(),
            "counts": ledger.snapshot(),
            "sinks": sinks,
        }
        try:
            fd = self._replaced(orjson.dumps(head) + b"\n")
            os.close(self._fd)
            self._fd, self._journal_bytes = fd, 0
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._not_saved(error) from None

    def _replaced(self, snapshot: bytes) -> int:
        """Write a snapshot beside the file and rename it over it; return its descriptor, locked."""
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

    def close(self) -> None:
        """Let go of the file; one that nothing was written to disappears."""
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
