"""Target texts from the command line, from files (`@ranges.txt`) and from standard input (`-`).

Texts are UTF-8, with or without a byte order mark. UTF-16, which some editors and PowerShell write, is refused by name:
read as anything else it would name nothing. Every input has an end: what is longer than any list of targets is refused.
"""

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from scanner.errors import InputError
from scanner.targets import COMMAND_LINE, Source

#: Characters of one list: 2^24 lines with the longest IPv4 address and a line end.
_MAX_LIST = 1 << 28
#: Characters of one line: half a million networks fit.
_MAX_LINE = 1 << 24
#: Lines in a row that name nothing, comments and empty ones.
_MAX_VOID = 1_000_000
#: What the byte order marks of UTF-16 become when they are read as UTF-8 (those of UTF-32 begin or end so, too).
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff", "\0\0\udcfe\udcff")


def sources(texts: Iterable[str], files: Iterable[Path] = ()) -> Iterator[Source]:
    """Yield what the parser reads: each text from the command line, each file and standard input line by line.

    A file is opened when its first line is asked for; that and reading it raise InputError when it cannot be read.

    Raises:
        InputError: when there is no standard input, or an @ without a file.
    """
    for text in texts:
        if text == "-":
            yield Source("standard input", _standard_input())
        elif text.startswith("@"):
            if text == "@":
                raise InputError("@: names no file: is a variable unset?")
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
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
            yield from bounded_lines(stream, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _standard_input() -> Iterator[str]:
    if not isinstance(sys.stdin, io.TextIOWrapper):  # None when the process was started without one
        raise InputError("standard input: is closed: redirect it, or name a file with @")
    try:
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")
        yield from bounded_lines(sys.stdin, "standard input")
    except OSError as error:
        raise InputError(f"standard input: cannot be read ({error.strerror})") from None


def bounded_lines(stream: io.TextIOWrapper, where: str) -> Iterator[str]:
    """Yield the lines of a text, read as UTF-8 with `surrogateescape`.

    Raises:
        InputError: when it is not text in UTF-8, or longer than any list.
    """
    left, void = _MAX_LIST, 0
    first = True
    while line := stream.readline(_MAX_LINE + 1):
        if first and line.startswith(_UTF_16):
            raise InputError(f"{where}: is UTF-16: save it as UTF-8")
        if "\0" in line:
            raise InputError(f"{where}: holds NUL bytes: it must be text in UTF-8 (is it UTF-16 or a device?)")
        first, left = False, left - len(line)
        if len(line) > _MAX_LINE or left < 0:
            limit = f"a line of more than {_MAX_LINE:,}" if len(line) > _MAX_LINE else f"more than {_MAX_LIST:,}"
            raise InputError(f"{where}: has {limit} characters: is it a list of targets?")
        void = void + 1 if line[0] in "#\n" else 0
        if void > _MAX_VOID:
            raise InputError(f"{where}: has more than {_MAX_VOID:,} lines in a row that name nothing: is it a list?")
        yield line
