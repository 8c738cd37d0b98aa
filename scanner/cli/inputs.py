"""Read targets from the command line, from files (`@ranges.txt`) and from standard input (`-`).

Texts are UTF-8, with or without a byte order mark, or UTF-16, which some editors and PowerShell write (`text_input`).
Input that is longer than any list of targets is refused, so that a device is not read for ever.
"""

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from scanner.errors import InputError
from scanner.files.text_input import utf_8_lines
from scanner.targets import COMMAND_LINE, TextSource

#: Characters of one list: 2^24 lines with the longest IPv4 address and a line end.
_MAX_LIST = 1 << 28
#: Characters of one line: half a million networks fit.
_MAX_LINE = 1 << 24
#: Comments and empty lines in a row.
_MAX_VOID = 1_000_000


def sources(texts: Iterable[str], files: Iterable[Path] = ()) -> Iterator[TextSource]:
    """Yield what the parser reads: each text from the command line, each file and standard input line by line.

    A file is opened when its first line is read; InputError is raised then if it cannot be read.

    Raises:
        InputError: if there is no standard input, or an @ without a file.
    """
    for text in texts:
        if text == "-":
            yield TextSource("standard input", _standard_input())
        elif text.startswith("@"):
            if text == "@":
                raise InputError("@: no file name follows: is a variable unset?")
            yield _file(Path(text[1:]))
        else:
            yield TextSource(COMMAND_LINE, [text])
    yield from map(_file, files)


def require_one_reader(texts: Iterable[str]) -> None:
    """Refuse a standard input that is named twice: the second reader, perhaps of the exclusions, would get nothing.

    Raises:
        InputError: if it is.
    """
    if list(texts).count("-") > 1:
        raise InputError("standard input: can be read only once: name a file with @ for the other use")


def _file(path: Path) -> TextSource:
    return TextSource(str(path), _lines(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file, _as_text(file) as stream:
            yield from bounded_lines(stream, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _standard_input() -> Iterator[str]:
    if not isinstance(sys.stdin, io.TextIOWrapper):  # None when the process was started without one
        raise InputError("standard input: is closed: redirect it, or name a file with @")
    try:
        yield from bounded_lines(_as_text(sys.stdin.buffer), "standard input")
    except OSError as error:
        raise InputError(f"standard input: cannot be read ({error.strerror})") from None


def _as_text(stream: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(utf_8_lines(stream), encoding="utf-8", errors="surrogateescape")


def bounded_lines(stream: io.TextIOWrapper, where: str) -> Iterator[str]:
    """Yield the lines of a text, read as UTF-8 with `surrogateescape`.

    Raises:
        InputError: if it is not text, or longer than any list of targets.
    """
    left, void = _MAX_LIST, 0
    while line := stream.readline(_MAX_LINE + 1):
        if "\0" in line:
            raise InputError(f"{where}: holds NUL bytes: name a text file")
        left -= len(line)
        if len(line) > _MAX_LINE or left < 0:
            limit = f"a line of more than {_MAX_LINE:,}" if len(line) > _MAX_LINE else f"more than {_MAX_LIST:,}"
            raise InputError(f"{where}: has {limit} characters: is it a list of targets?")
        void = void + 1 if line[0] in "#\n" else 0
        if void > _MAX_VOID:
            raise InputError(
                f"{where}: has more than {_MAX_VOID:,} empty lines or comments in a row: is it a list of targets?"
            )
        yield line
