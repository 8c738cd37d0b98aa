"""The formats of kept greetings, and the one way to read any of them: as a stream, with bounds on what it may hold."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Final

from scanner.errors import InputError
from scanner.kept.kept import BadLine, Kept
from scanner.kept.nmap import read_nmap
from scanner.kept.scanners import read_masscan, read_zgrab2
from scanner.kept.text import read_line

#: A line with more bytes is not read: no greeting is as long, and a file without line ends would fill the memory.
MAX_LINE_BYTES: Final = 1 << 20
#: A line that goes on for so long has no end (a device).
_ENDLESS_BYTES: Final = 1 << 26
_CHUNK_BYTES: Final = 1 << 16

Reader = Callable[[BinaryIO, str], Iterator[Kept | BadLine]]


def read_kept(kind: str, stream: BinaryIO, name: str) -> Iterator[Kept | BadLine]:
    """Yield each greeting of an open file, and each place that could not be read, in their order.

    Args:
        kind: one of `FORMATS`.
        stream: an open file; who opened it closes it.
        name: how messages call it.

    Raises:
        InputError: when a line has no end.
    """
    return FORMATS[kind](stream, name)


def _lines(stream: BinaryIO, name: str, *, read: Callable[[bytes], list[Kept]]) -> Iterator[Kept | BadLine]:
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
        try:
            yield from read(line.removesuffix(b"\n").removesuffix(b"\r"))
        except ValueError as error:
            yield BadLine(f"{name}: line {number}", str(error))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _nmap(stream: BinaryIO, name: str) -> Iterator[Kept | BadLine]:
    return read_nmap(_chunks(stream), name)


#: Format -> what reads it.
FORMATS: Final[dict[str, Reader]] = {
    "text": partial(_lines, read=read_line),
    "zgrab2": partial(_lines, read=read_zgrab2),
    "masscan": partial(_lines, read=read_masscan),
    "nmap-xml": _nmap,
}
