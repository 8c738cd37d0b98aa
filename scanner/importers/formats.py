"""The formats of imported banners, and one way to read them all: as a stream, with bounds on what it may hold."""

from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import BinaryIO, Final

from scanner.errors import InputError
from scanner.files.text_input import utf_8_lines, with_opening
from scanner.importers.imported import BadLine, Kept
from scanner.importers.json_entries import JsonEntry, read_entries
from scanner.importers.kinds import EMPTY, START_BYTES, decides, kind_of
from scanner.importers.masscan import read_masscan, whole_lists
from scanner.importers.text import read_line
from scanner.importers.zgrab2 import read_zgrab2

#: A line with more bytes is not read: no greeting is as long, and a file without line ends would fill the memory.
MAX_LINE_BYTES: Final = 1 << 20
#: A line that goes on for so long has no end (a device).
_ENDLESS_BYTES: Final = 1 << 26
_CHUNK_BYTES: Final = 1 << 16

Reader = Callable[[BufferedReader, str], Iterator[Kept | BadLine]]


def read_kept(kind: str, stream: BinaryIO, name: str) -> Iterator[Kept | BadLine]:
    """Yield each greeting of an open file, and each place that could not be read, in their order.

    A file in which nothing is found is such a place as a whole: nobody shall take it for a network without servers.

    Args:
        kind: one of `FORMATS`.
        stream: an open file in UTF-8 or UTF-16; who opened it closes it.
        name: how messages call it.

    Raises:
        InputError: when the file is certainly of another kind, or has a line without end.
    """
    start, text = with_opening(utf_8_lines(stream), START_BYTES, decides)
    found = kind_of(start)
    if found is not None and kind not in found.formats:
        raise InputError(f"{name}: is {found.what}: {found.advice}")
    read = _xml if kind == "masscan" and start.lstrip().startswith(b"<") else FORMATS[kind]
    if found is EMPTY:
        yield BadLine(name, f"is empty: {EMPTY.advice}")
        return
    is_found = False
    for each in read(text, name):
        is_found = True
        yield each
    if not is_found:
        yield BadLine(name, f"has no greeting of a mail server: {_WHY_NOT[kind]}")


def _lines(stream: BufferedReader, name: str) -> Iterator[Kept | BadLine]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            left = _ENDLESS_BYTES
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
                left -= len(line)
                if left < 0:
                    raise InputError(f"{name}: line {number} has no end: is it a list of greetings?")
            yield BadLine(f"{name}: line {number}", f"more than {MAX_LINE_BYTES:,} bytes")
            continue
        yield from read_line(line.removesuffix(b"\n").removesuffix(b"\r"))


def _zgrab2(entry: JsonEntry) -> Iterator[Kept]:
    if entry.value is None:
        raise ValueError(entry.problem or "not valid JSON: not an object")
    return read_zgrab2(entry.value)


def _json(read: Callable[[JsonEntry], Iterator[Kept]]) -> Reader:
    def entries(stream: BufferedReader, name: str) -> Iterator[Kept | BadLine]:
        for entry in whole_lists(read_entries(stream, name)):
            try:
                yield from read(entry)
            except ValueError as error:
                yield BadLine(f"{name}: line {entry.line}", str(error))

    return entries


def _xml(stream: BufferedReader, name: str) -> Iterator[Kept | BadLine]:
    from scanner.importers.nmap import read_nmap  # noqa: PLC0415  with it comes a reader of XML

    return read_nmap(iter(lambda: stream.read1(_CHUNK_BYTES), b""), name)


#: Format -> what reads it.
FORMATS: Final[dict[str, Reader]] = {
    "text": _lines,
    "zgrab2": _json(_zgrab2),
    "masscan": _json(read_masscan),
    "nmap-xml": _xml,
}
#: What to look at when a file of a format has no greeting.
_WHY_NOT: Final = {
    "text": "it has comments and empty lines only",
    "zgrab2": "are there results of its modules smtp or banner?",
    "masscan": "was masscan run with --banners?",
    "nmap-xml": "was nmap run with --script banner?",
}
