"""Target texts from the command line, from files (`@ranges.txt`) and from standard input (`-`)."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from scanner.errors import InputError
from scanner.targets import COMMAND_LINE, Source


def sources(texts: Iterable[str], files: Iterable[Path] = ()) -> Iterator[Source]:
    """Yield what the parser reads: each text from the command line, each file and standard input line by line.

    Raises:
        InputError: when a file cannot be read.
    """
    for text in texts:
        if text == "-":
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")  # type: ignore[union-attr]  # a text file
            yield Source("standard input", sys.stdin)
        elif text.startswith("@"):
            yield from _file(Path(text[1:]))
        else:
            yield Source(COMMAND_LINE, [text])
    for path in files:
        yield from _file(path)


def _file(path: Path) -> Iterator[Source]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            yield Source(str(path), lines)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
