"""The layout of the folder of a run, and its locks.

    run.json                    the description of the run: version, scan, destinations (never a secret); a sealed line
    log.index, log.last         what must be in the spool (`scanner.delivery.spool.index`)
    records-000000000001.jsonl  segments of the spool, named by the number of their first record
    sinks/NAME.cursor           how far a receiver has acknowledged
    sinks/NAME.dead.jsonl       dead letters: records that it will never get as they are, each with its reason
    sinks/NAME.gaps.jsonl       what was skipped for it (best effort only)
    log.lock, relay.lock        one process writes the spool, one serves the receivers

Records are numbered from 1.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from scanner.delivery.spool.description import EarlierVersionError, packed, unpacked
from scanner.errors import InputError
from scanner.files.whole import open_own, open_private_append, own_folder, require_own, write_whole

_SEGMENT = re.compile(r"records-(\d{12})\.jsonl")


def read_own(file: Path) -> bytes:
    """Return the content of a file of ours; a FIFO, which would hang, is refused. Raises OSError."""
    with os.fdopen(open_own(file, os.O_RDONLY), "rb") as stream:
        return stream.read()


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run; `path` need not exist yet."""

    path: Path

    def create(self) -> None:
        """Make the folder and its subfolder, readable by their owner only: they hold the results of a sweep.

        Raises:
            InputError: when that cannot be done.
        """
        try:
            own_folder(self.path)
            own_folder(self.sinks)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be made ({error.strerror})") from None

    @property
    def sinks(self) -> Path:
        """The folder of cursors and dead letters."""
        return self.path / "sinks"

    def cursor(self, sink: str) -> Path:
        """The file of a sink's cursor."""
        return self.sinks / f"{sink}.cursor"

    def dead_letters(self, sink: str) -> Path:
        """The file of a sink's dead letters."""
        return self.sinks / f"{sink}.dead.jsonl"

    def gaps(self, sink: str) -> Path:
        """The file of a sink's gaps."""
        return self.sinks / f"{sink}.gaps.jsonl"

    def segment(self, first: int) -> Path:
        """The segment whose first record has this number."""
        return self.path / f"records-{first:012d}.jsonl"

    def segments(self) -> list[int]:
        """Return the first record number of every segment, in order. Raises OSError."""
        found = (_SEGMENT.fullmatch(name) for name in os.listdir(self.path))  # noqa: PTH208  names are all we need
        return sorted(int(match[1]) for match in found if match)

    def write_description(self, document: dict[str, Any]) -> None:
        """Write the description of the run. Raises OSError."""
        write_whole(self.path / "run.json", packed(document))

    def description(self) -> dict[str, Any]:
        """Return the description of the run.

        Raises:
            InputError: when the folder is not a run's, or its description cannot be read or is damaged.
        """
        file = self.path / "run.json"
        try:
            require_own(self.path.stat(), self.path)
            raw = read_own(file)
        except FileNotFoundError:
            raise InputError(f"{self.path}: is not a folder of a run: it has no run.json") from None
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({str(error)!a})") from None
        try:
            return unpacked(raw)
        except EarlierVersionError as error:
            raise InputError(
                f"{self.path}: is the run of an earlier version ({error}): replay it with that version"
            ) from None
        except JSONDecodeError as error:
            raise InputError(f"{file}: cannot be read ({str(error)!a})") from None
        except ValueError as error:
            raise InputError(f"{file}: {error}") from None

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Hold a lock of this run: "log" to write it, "relay" to serve it.

        Raises:
            InputError: when another process holds it.
        """
        try:
            lock = open_private_append(self.path / f"{what}.lock")
        except OSError as error:
            raise InputError(f"{self.path}: {what}.lock cannot be used ({error.strerror})") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"{self.path}: another process is at work on it ({what}.lock)") from None
            yield
