"""Target texts from the command line, from files (`@ranges.txt`) and from standard input (`-`)."""

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from scanner.errors import InputError
from scanner.targets import COMMAND_LINE, Source


def sources(texts: Iterable[str], files: Iterable[Path] = ()) -> Iterator[Source]:
    """Yield what the parser reads: each text from the command line, each file and standard input line by line.

    A file is opened when its first line is asked for; that and reading it raise InputError when it cannot be read.

    Raises:
        InputError: when there is no standard input.
    """
    for text in texts:
        if text == "-":
            yield Source("standard input", _standard_input())
        elif text.startswith("@"):
            yield _file(Path(text[1:]))
        else:
            yield Source(COMMAND_LINE, [text])
    yield from map(_file, files)


def require_one_reader(texts: Iterable[str]) -> None:
    """Refuse a standard input that is named twice: the second one, perhaps the exclusions, would find it empty.

    Raises:
        InputError: saying so.
    """
    if list(texts).count("-") > 1:
        raise InputError("standard input: can be read once only: name a file with @ for the other use")


def _file(path: Path) -> Source:
    return Source(str(path), _lines(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            yield from lines
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _standard_input() -> Iterator[str]:
    if not isinstance(sys.stdin, io.TextIOWrapper):  # None when the process was started without one
        raise InputError("standard input: is closed: redirect it, or name a file with @")
    try:
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")
        yield from sys.stdin
    except OSError as error:
        raise InputError(f"standard input: cannot be read ({error.strerror})") from None
