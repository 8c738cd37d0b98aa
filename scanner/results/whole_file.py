"""A file that is there whole or not at all; standard output, too.

It is written beside its place under another name and renamed at the end, so nobody reads half of one, and what fails
on its way leaves nothing. What is meant for standard output waits in a temporary file. A file that exists is refused
unless it may be overwritten, and what is no regular file always: renaming over /dev/stdout would replace the device.
"""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from scanner.errors import InputError, LocalError


class WholeFile:
    """Use it in a `with` block, whose clean end puts the file in its place; until then `stream` is where to write."""

    def __init__(self, name: str, *, overwrite: bool = False) -> None:
        """Name the file, `-` for standard output; nothing is opened before the block begins."""
        self._name, self._overwrite = name, overwrite
        self._is_stdout = name == "-"
        self.stream: IO[bytes]

    @property
    def path(self) -> Path:
        """Return where the contents are before the end."""
        return Path(self.stream.name)

    def __enter__(self) -> Self:
        """Open a temporary file.

        Raises:
            InputError: when the file exists and may not be overwritten, is no regular file, or cannot be made.
        """
        self._place = Path(os.path.realpath(self._name))  # a link keeps leading to the file
        self._refuse_existing()
        folder = None if self._is_stdout else self._place.parent
        try:
            # Mode 0600: what is in it names weak servers.
            self.stream = tempfile.NamedTemporaryFile(dir=folder, prefix=".smtpsweep-", suffix=".part", delete=False)
        except OSError as error:
            raise InputError(self._failure(error)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or remove what was written when the block failed.

        Raises:
            InputError: when somebody else made the file meanwhile.
            LocalError: when the disk does not take it.
        """
        try:
            self.stream.close()
            if kind is None:
                self._refuse_existing()
                self._finish()
            elif isinstance(error, OSError) and error.filename in (None, self.stream.name):
                raise LocalError(self._failure(error)) from None
        except OSError as failure:
            if self._is_stdout and kind is None:
                raise  # of standard output: the command line says what became of it
            raise LocalError(self._failure(failure)) from None
        finally:
            with suppress(OSError):  # gone already, when it is in its place
                self.path.unlink()

    def _finish(self) -> None:
        if not self._is_stdout:
            self.path.replace(self._place)
            return
        with self.path.open("rb") as contents:
            shutil.copyfileobj(contents, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()

    def _refuse_existing(self) -> None:
        if self._is_stdout or not os.path.lexists(self._place):
            return
        if not self._place.is_file():
            raise InputError(f"{self._name}: exists: it is no regular file")
        if not self._overwrite:
            raise InputError(f"{self._name}: exists: use --overwrite, or another name")

    def _failure(self, error: OSError) -> str:
        return f"{self._name}: cannot be written ({error.strerror or error})"
