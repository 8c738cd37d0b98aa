"""Read a file of imported banners in any of the supported formats.

`read_banners` checks that a file is of the format that the user named, and yields its banners as a stream. Memory is
bounded: overlong lines are skipped and reported, and a line without an end is refused.
"""

from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import BinaryIO, Final

from scanner.errors import InputError
from scanner.files.text_input import utf_8_lines, with_opening
from scanner.importers.imported import BadLine, ImportedBanner
from scanner.importers.json_entries import JsonEntry, read_entries
from scanner.importers.kinds import EMPTY, START_BYTES, decides, kind_of
from scanner.importers.masscan import read_masscan, whole_lists
from scanner.importers.text import read_line
from scanner.importers.zgrab2 import read_zgrab2

#: A longer line is skipped: no greeting is that long, and a file without line ends would fill the memory.
MAX_LINE_BYTES: Final = 1 << 20
#: A line of this length is taken to have no end (a device).
_ENDLESS_BYTES: Final = 1 << 26
_CHUNK_BYTES: Final = 1 << 16

Reader = Callable[[BufferedReader, str], Iterator[ImportedBanner | BadLine]]


def read_banners(kind: str, stream: BinaryIO, name: str) -> Iterator[ImportedBanner | BadLine]:
    """Yield each banner of an open file, and each place that could not be read, in their order.

    A file without any banner is reported as one such place, so that it is not taken for a network without servers.

    Args:
        kind: one of `FORMATS`.
        stream: an open file in UTF-8 or UTF-16; the caller closes it.
        name: what messages call it.

    Raises:
        InputError: when the file is certainly of another kind, or has a line without an end.
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


def _lines(stream: BufferedReader, name: str) -> Iterator[ImportedBanner | BadLine]:
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


def _zgrab2(entry: JsonEntry) -> Iterator[ImportedBanner]:
    if entry.value is None:
        raise ValueError(entry.problem or "not valid JSON: not an object")
    return read_zgrab2(entry.value)


def _json(read: Callable[[JsonEntry], Iterator[ImportedBanner]]) -> Reader:
    def entries(stream: BufferedReader, name: str) -> Iterator[ImportedBanner | BadLine]:
        for entry in whole_lists(read_entries(stream, name)):
            try:
                yield from read(entry)
            except ValueError as error:
                yield BadLine(f"{name}: line {entry.line}", str(error))

    return entries


def _xml(stream: BufferedReader, name: str) -> Iterator[ImportedBanner | BadLine]:
    from scanner.importers.nmap import read_nmap  # noqa: PLC0415  it loads an XML parser

    return read_nmap(iter(lambda: stream.read1(_CHUNK_BYTES), b""), name)


#: Format -> its reader.
FORMATS: Final[dict[str, Reader]] = {
    "text": _lines,
    "zgrab2": _json(_zgrab2),
    "masscan": _json(read_masscan),
    "nmap-xml": _xml,
}
#: What to check when a file of a format has no greeting.
_WHY_NOT: Final = {
    "text": "it has comments and empty lines only",
    "zgrab2": "are there results of its modules smtp or banner?",
    "masscan": "was masscan run with --banners?",
    "nmap-xml": "was nmap run with --script banner?",
}
