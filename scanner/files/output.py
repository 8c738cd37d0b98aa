"""An output that appears whole or not at all: a file, or standard output.

`scanner.files.places` writes a file. What goes to standard output waits in a temporary file, so that nothing is printed
if the work fails.
"""

import shutil
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from scanner.errors import InputError, LocalError
from scanner.files.places import FilePlace, always, never


class OutputFile:
    """Write to `stream` in a `with` block; its end without an error puts the file in its place.

    `path` is where the contents are until then.
    """

    def __init__(self, name: str, *, overwrite: bool = False) -> None:
        """Name the file, `-` for standard output; nothing is opened before the block begins."""
        self._name, self._overwrite = name, overwrite
        self._is_stdout = name == "-"
        self._open = ExitStack()
        self.stream: IO[bytes]
        self.path: Path

    def __enter__(self) -> Self:
        """Open a temporary file.

        Raises:
            InputError: when the file exists and may not be overwritten, is not a regular file, or cannot be made.
        """
        if self._is_stdout:
            try:
                self.stream = tempfile.NamedTemporaryFile(prefix=".smtpsweep-", suffix=".part", delete=False)
            except OSError as error:
                raise InputError(self._failure(error)) from None
            self.path = Path(self.stream.name)
        else:
            place = FilePlace(self._name, may_replace=always if self._overwrite else never)
            try:
                self.stream, self.path = self._open.enter_context(place.opened())
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
            if self._is_stdout:
                self._print(is_good=kind is None)
            else:
                self._open.__exit__(kind, error, trace)
        except FileExistsError as failure:
            raise InputError(self._failure(failure)) from None
        except OSError as failure:
            if self._is_stdout and kind is None:
                raise  # of standard output: the command line says what became of it
            raise LocalError(self._failure(failure)) from None
        if isinstance(error, OSError) and error.filename in (None, self.stream.name, str(self.path)):
            raise LocalError(self._failure(error)) from None

    def _print(self, *, is_good: bool) -> None:
        try:
            self.stream.close()
            if is_good:
                with self.path.open("rb") as contents:
                    shutil.copyfileobj(contents, sys.stdout.buffer, 1 << 20)
                sys.stdout.buffer.flush()
        finally:
            with suppress(OSError):
                self.path.unlink()

    def _failure(self, error: OSError) -> str:
        return f"{self._name}: cannot be written ({error.strerror or error})"
