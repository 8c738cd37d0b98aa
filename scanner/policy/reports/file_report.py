"""A report in a file, written verdict by verdict, that appears complete or not at all.

A pipeline never reads half a report, and a failed check leaves no file: see `scanner.files.places`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from scanner.errors import SinkError
from scanner.files.names import Content, require_fitting_name
from scanner.files.places import FilePlace, always, never
from scanner.policy.check import Verdict


class FileReport(ABC):
    """A report that takes verdicts. Use it in a `with` block: the file appears when the block ends without an error."""

    #: What the file holds, for the check of its name.
    content: ClassVar[Content]

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Name the file; nothing is opened before the block begins."""
        self._named = Path(path)
        self._overwrite = overwrite
        self._stream: IO[bytes]

    @abstractmethod
    def add(self, verdict: Verdict) -> None:
        """Write one verdict. Raises SinkError when the disk does not take it."""

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
            InputError: when it exists and may not be overwritten, is not a regular file, or cannot be made.
            SinkError: when the disk takes nothing.
        """
        require_fitting_name(str(self._named), self._named, self.content)
        place = FilePlace(self._named, may_replace=always if self._overwrite else never)
        with self._said(), ExitStack() as stack:
            self._stream, _ = stack.enter_context(place.opened())
            self._begin()
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or remove what was written when the block failed.

        Raises:
            SinkError: when the disk does not take it, or somebody else made the file meanwhile.
        """
        if kind is not None:
            with suppress(OSError):  # the failure was reported already
                self._open.__exit__(kind, error, trace)
            return
        with self._said(), self._open:
            self._end()

    def _write(self, text: bytes) -> None:
        with self._said():
            self._stream.write(text)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(f"{self._named}: cannot be written ({error.strerror or error})") from None
