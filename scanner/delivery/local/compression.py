"""Compression of a file of records, chosen by its name: plain, `.gz` (RFC 1952) or `.zst` (RFC 8878).

Each batch becomes a complete unit: whole lines, a gzip member or a zstd frame. Both formats allow units one after
another, so `zcat`, `zstd -d` and every library read the file as one text, and all acknowledged records can be read
after a kill -9. The price is a worse ratio for small batches (`python -m benchmarks.record`).

`whole_end` finds the end of the last complete unit, so that a torn end can be cut off after a crash.
"""

import os
import zlib
from collections.abc import Callable
from pathlib import PurePath
from typing import Protocol

#: Bytes read at a time while looking for the end of the last whole unit.
_READ_BYTES = 1 << 16
#: Level 6 packs records 6 % smaller than level 4 and takes 1.3 times as long.
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3
#: For zlib: with a gzip header and trailer, and the largest window.
_GZIP_WBITS = 31


class Codec(Protocol):
    """A way to pack batches of whole lines."""

    def pack(self, lines: bytes) -> bytes:
        """Return whole lines as one complete unit."""
        ...

    def whole_end(self, fd: int, start: int, end: int) -> int:
        """Return where the last complete unit between the two offsets ends, `start` when there is none.

        `start` must be the end of a unit itself. Raises OSError when the file cannot be read.
        """
        ...


def is_compressed(path: PurePath) -> bool:
    """Whether the name asks for compression."""
    return not isinstance(codec_for(path), Plain)


def codec_for(path: PurePath) -> Codec:
    """Choose by the last suffix of the name."""
    match path.suffix.lower():
        case ".gz":
            return Gzip()
        case ".zst":
            return Zstandard()
    return Plain()


class Plain:
    """Lines as they are."""

    def pack(self, lines: bytes) -> bytes:
        """Return the lines."""
        return lines

    def whole_end(self, fd: int, start: int, end: int) -> int:
        """Return the place after the last line feed, read backwards."""
        while end > start:
            begin = max(start, end - _READ_BYTES)
            found = os.pread(fd, end - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return start


class Gzip:
    """A gzip member for each batch."""

    def pack(self, lines: bytes) -> bytes:
        """Return one gzip member, without a time in its header: the same lines make the same bytes."""
        import gzip  # noqa: PLC0415  most outputs are not packed

        return gzip.compress(lines, _GZIP_LEVEL, mtime=0)

    def whole_end(self, fd: int, start: int, end: int) -> int:
        """Return where the last member with a correct checksum ends."""
        return _last_unit_end(fd, start, end, lambda: zlib.decompressobj(_GZIP_WBITS), zlib.error)


class Zstandard:
    """A zstd frame, with its size and checksum, for each batch."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415  few outputs need it, and it is slow to load

        self._library = zstandard
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)

    def pack(self, lines: bytes) -> bytes:
        """Return one zstd frame."""
        return self._compressor.compress(lines)

    def whole_end(self, fd: int, start: int, end: int) -> int:
        """Return where the last frame with a correct checksum ends."""
        decompressor = self._library.ZstdDecompressor()
        return _last_unit_end(fd, start, end, decompressor.decompressobj, self._library.ZstdError)


class _Unpacker(Protocol):
    """What zlib and zstandard have in common; one object reads one unit."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _last_unit_end(fd: int, start: int, end: int, unpacker: Callable[[], _Unpacker], damage: type[Exception]) -> int:
    whole = offset = start
    unit = unpacker()
    while offset < end and (data := os.pread(fd, min(_READ_BYTES, end - offset), offset)):
        offset += len(data)
        while data:
            try:
                unit.decompress(data)
            except damage:
                return whole
            if not unit.eof:
                break
            data = unit.unused_data
            whole = offset - len(data)
            unit = unpacker()
    return whole
