"""Packed files read as what was packed: gzip, Zstandard, bzip2 and xz, told by their first bytes, whatever the name.

Logs are rotated into any of them, downloads lose or gain suffixes, and standard input has no name. So every input that
may be packed goes through here. It is unpacked as it is read, in bounded memory, one unit (member, frame, stream) after
another, as all of these formats allow. What is cut or damaged is an error, never a shorter text: all but a cut between
two units, which nobody can see.

A name that promises one of them is believed so far that a file with another beginning is damaged. Left out: formats
that need a tool of their own (`.Z`, `.lz4`, archives); those who read can name them.
"""

import io
import re
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol

from scanner.files.text_input import prefixed

if TYPE_CHECKING:
    import bz2
    import lzma
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

_READ_BYTES: Final = 1 << 16
#: Bytes given to zstd at once. They unpack to 32 MiB at most: four bytes can stand for a block of 128 KiB (RFC 8878).
_ZSTD_PIECE_BYTES: Final = 1 << 10
#: So much is unpacked at once, by those that can be told.
_MOST_AT_ONCE: Final = 1 << 20
#: What unpacking may need: `xz -9` has a dictionary of 64 MiB; a file may claim 4 GiB.
_MOST_XZ_BYTES: Final = 1 << 28
#: So many bytes tell how a file is packed.
_START_BYTES: Final = 10


class DamagedError(Exception):
    """A packed file is cut, damaged, or followed by something else. Its text says which."""


class _Unit(Protocol):
    """What unpacks one unit. `waits` is whether it needs more bytes before it gives more text."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def waits(self) -> bool: ...
    def unpacked(self, piece: bytes) -> bytes: ...


class _Bounded:
    """A unit of bzip2 or xz, which keep what they were given until they may unpack it."""

    _unit: "bz2.BZ2Decompressor | lzma.LZMADecompressor"
    _error: type[Exception]

    @property
    def eof(self) -> bool:
        return self._unit.eof

    @property
    def unused_data(self) -> bytes:
        return self._unit.unused_data

    @property
    def waits(self) -> bool:
        return self._unit.needs_input

    def unpacked(self, piece: bytes) -> bytes:
        try:
            return self._unit.decompress(piece, _MOST_AT_ONCE)
        except self._error as error:
            raise DamagedError(str(error)) from None


class _Bzip2(_Bounded):
    """A stream of bzip2."""

    def __init__(self) -> None:
        import bz2  # noqa: PLC0415  as below: only when a file is packed so

        self._unit, self._error = bz2.BZ2Decompressor(), OSError


class _Xz(_Bounded):
    """A stream of xz."""

    def __init__(self) -> None:
        import lzma  # noqa: PLC0415  likewise

        self._unit = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_BYTES)
        self._error = lzma.LZMAError


class _Gzip:
    """A member of gzip, with its header and check sum."""

    def __init__(self) -> None:
        self._unit = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._unit.eof

    @property
    def unused_data(self) -> bytes:
        return self._unit.unused_data

    @property
    def waits(self) -> bool:
        return not self._unit.unconsumed_tail

    def unpacked(self, piece: bytes) -> bytes:
        try:
            return self._unit.decompress(self._unit.unconsumed_tail + piece, _MOST_AT_ONCE)
        except zlib.error as error:
            raise DamagedError(str(error)) from None


class _Zstd:
    """A frame of Zstandard. The library's own reader takes a cut frame for the end."""

    waits = True

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415  most files are not packed so, and it takes a while to load

        self._unit = zstandard.ZstdDecompressor().decompressobj()
        self._error = zstandard.ZstdError

    @property
    def eof(self) -> bool:
        return self._unit.eof

    @property
    def unused_data(self) -> bytes:
        return self._unit.unused_data

    def unpacked(self, piece: bytes) -> bytes:
        try:
            return self._unit.decompress(piece)
        except self._error as error:
            raise DamagedError(str(error)) from None


class _Packing(NamedTuple):
    """One way to pack: how it begins, what unpacks a unit, and whether zero bytes may stand between units."""

    name: str
    start: "re.Pattern[bytes]"
    unit: "Callable[[], _Unit]"
    piece_bytes: int = _READ_BYTES
    is_padded: bool = False


_PACKINGS: Final = {
    ".gz": _Packing("gzip", re.compile(rb"\x1f\x8b\x08"), _Gzip, is_padded=True),
    ".zst": _Packing(
        "Zstandard", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _Zstd, piece_bytes=_ZSTD_PIECE_BYTES
    ),
    # A text may begin with BZh; the second is how an empty one is packed.
    ".bz2": _Packing("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), _Bzip2),
    ".xz": _Packing("xz", re.compile(rb"\xfd7zXZ\x00"), _Xz, is_padded=True),
}
#: What any of them begins with.
_FIRST: Final = b"\x1f\x28BPQRSTUVWXYZ[\\]^_\xfd"


def unpacked(stream: BinaryIO, suffix: str = "") -> BinaryIO:
    """Return a buffered stream of what was packed; of a file that is not packed, of all of it.

    Closing it closes `stream`. `suffix` is the last of the file's name. Of a pipe no more is waited for than decides.
    Reading raises DamagedError when the file ends too early or is damaged.

    Raises:
        DamagedError: when the suffix promises what the file is not.
        OSError: when it cannot be read.
    """
    start = b""
    while len(start) < _START_BYTES and (more := stream.read(1)):
        start += more
        if start[0] not in _FIRST or more == b"\n":
            break
    packing = next((each for each in _PACKINGS.values() if each.start.match(start)), None)
    if packing is not None:
        return io.BufferedReader(_Unpacked(start, stream, packing), _READ_BYTES)
    promised = _PACKINGS.get(suffix.lower())
    if promised is not None and start:
        raise DamagedError(f"it is not {promised.name}, as its name says")
    if stream.seekable():
        stream.seek(-len(start), io.SEEK_CUR)  # not the beginning: standard input may stand behind it
        return stream
    return prefixed(start, stream)


class _Unpacked(io.RawIOBase):
    """The text of the units of a file, one after another."""

    def __init__(self, start: bytes, packed: BinaryIO, packing: _Packing) -> None:
        self._packed = packed
        self._packing = packing
        self._waiting = memoryview(start)  # read, not unpacked yet
        self._unit: _Unit | None = None  # None between two
        self._text = memoryview(b"")  # unpacked, not asked for yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer; 0 at the end of the last unit. Raises DamagedError at an end inside one, and at damage."""
        view = memoryview(buffer).cast("B")
        while not self._text:
            piece = self._next_piece() if self._unit is None or self._unit.waits else b""
            if self._unit is None:
                if not piece:
                    return 0
                if self._packing.is_padded and not (piece := piece.lstrip(b"\0")):
                    continue
            elif not piece and self._unit.waits:
                raise DamagedError("the file ends too early")
            self._unpack(piece)
        size = min(len(view), len(self._text))
        view[:size], self._text = self._text[:size], self._text[size:]
        return size

    def _next_piece(self) -> bytes:
        if not self._waiting:
            self._waiting = memoryview(self._packed.read(_READ_BYTES))
        size = self._packing.piece_bytes
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        return bytes(piece)

    def _unpack(self, piece: bytes) -> None:
        unit = self._unit = self._unit or self._packing.unit()
        self._text = memoryview(unit.unpacked(piece))
        if unit.eof:
            # What follows the unit is read again, as the start of the next.
            self._waiting = memoryview(unit.unused_data + bytes(self._waiting))
            self._unit = None

    def close(self) -> None:
        self._packed.close()
        super().close()
