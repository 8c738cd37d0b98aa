"""A report in a file that is there whole or not at all, written verdict by verdict.

It is written beside its place under another name and renamed at the end, so a pipeline never reads half of one, and a
check that fails on its way leaves nothing. A file that exists is refused unless it may be overwritten, and what is no
regular file always: renaming over /dev/stdout would replace the device.
"""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from scanner.assess.policy import Verdict
from scanner.errors import InputError


class FileReport(ABC):
    """A report that takes verdicts; use it in a `with` block, whose clean end puts the file in its place."""

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Name the file; nothing is opened before the block begins."""
        self._named = Path(path)
        self._overwrite = overwrite
        self._stream: IO[bytes]

    @abstractmethod
    def add(self, verdict: Verdict) -> None:
        """Write one verdict. Raises InputError when the disk does not take it."""

    @abstractmethod
    def _begin(self) -> None:
        """Write what comes before the verdicts."""

    @abstractmethod
    def _end(self) -> None:
        """Write what comes after the verdicts."""

    def add_all(self, verdicts: Iterable[Verdict]) -> None:
        """Write every verdict."""
        for verdict in verdicts:
            self.add(verdict)

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            InputError: when it exists and may not be overwritten, is no regular file, or cannot be made.
        """
        self._place = Path(os.path.realpath(self._named))  # a link keeps leading to the report
        self._refuse_existing()
        try:
            # Mode 0600: a report names weak servers.
            self._stream = tempfile.NamedTemporaryFile(
                dir=self._place.parent, prefix=".report-", suffix=".part", delete=False
            )
        except OSError as error:
            raise self._error(error) from None
        try:
            self._begin()
        except InputError:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or remove what was written when the block failed.

        Raises:
            InputError: when the disk does not take it, or somebody else made the file meanwhile.
        """
        if kind is not None:
            self._discard()
            return
        try:
            self._end()
            self._stream.close()
            self._refuse_existing()
            Path(self._stream.name).replace(self._place)
        except OSError as failure:
            self._discard()
            raise self._error(failure) from None
        except InputError:
            self._discard()
            raise

    def _write(self, text: bytes) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            raise self._error(error) from None

    def _refuse_existing(self) -> None:
        if os.path.lexists(self._place) and not (self._overwrite and self._place.is_file()):
            how = "use --overwrite, or another name" if self._place.is_file() else "it is no regular file"
            raise InputError(f"{self._named}: exists: {how}")

    def _discard(self) -> None:
        with suppress(OSError):  # what failed was said already
            self._stream.close()
        Path(self._stream.name).unlink(missing_ok=True)

    def _error(self, error: OSError) -> InputError:
        return InputError(f"{self._named}: cannot be written ({error.strerror or error})")
