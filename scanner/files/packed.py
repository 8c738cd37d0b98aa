"""Read packed files (gzip, Zstandard, bzip2, xz) as their contents; the first bytes tell the format, not the name.

Logs are rotated into any of these formats, downloads lose or gain suffixes, and standard input has no name. So every
input that may be packed goes through here. It is unpacked while it is read, in bounded memory, one unit (member, frame,
stream) after another, as all of these formats allow. A cut or damaged file is an error, never a shorter text; only a
cut exactly between two units goes unnoticed.

A file whose name promises one of the formats and whose contents are something else is damaged. Left out: formats that
need a tool of their own (`.Z`, `.lz4`, archives).
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
#: Bytes to unpack at once, by libraries that take such a limit.
_MOST_AT_ONCE: Final = 1 << 20
#: Memory for unpacking: `xz -9` has a dictionary of 64 MiB; a file may claim 4 GiB.
_MOST_XZ_BYTES: Final = 1 << 28
#: Bytes that tell how a file is packed.
_START_BYTES: Final = 10


class DamagedError(Exception):
    """A packed file is cut, damaged, or followed by something else; the message says which."""


class _Decompressor(Protocol):
    """What the libraries have in common. `decompress` has other arguments in each."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _PackedUnit:
    """Unpacks one unit: a member of gzip, a frame of Zstandard, a stream of bzip2 or xz."""

    def __init__(self, library: _Decompressor, error: type[Exception], unpack: "Callable[[bytes], bytes]") -> None:
        self._library, self._error, self._unpack = library, error, unpack

    @property
    def eof(self) -> bool:
        """Whether the unit is complete."""
        return self._library.eof

    @property
    def unused_data(self) -> bytes:
        """What followed the unit in the last piece."""
        return self._library.unused_data

    @property
    def waits(self) -> bool:
        """Whether it needs more bytes before it gives more text."""
        return True

    def unpacked(self, piece: bytes) -> bytes:
        """Return text; raises DamagedError."""
        try:
            return self._unpack(piece)
        except self._error as error:
            raise DamagedError(str(error)) from None


class _Bounded(_PackedUnit):
    """A unit of a library that keeps what it was given until it may unpack it (bzip2, xz)."""

    def __init__(self, library: "bz2.BZ2Decompressor | lzma.LZMADecompressor", error: type[Exception]) -> None:
        super().__init__(library, error, lambda piece: library.decompress(piece, _MOST_AT_ONCE))
        self._bounded = library

    @property
    def waits(self) -> bool:
        return self._bounded.needs_input


class _Gzip(_PackedUnit):
    """A member of gzip, with its header and checksum. zlib hands back what it has not unpacked."""

    def __init__(self) -> None:
        member = self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        super().__init__(
            member, zlib.error, lambda piece: member.decompress(member.unconsumed_tail + piece, _MOST_AT_ONCE)
        )

    @property
    def waits(self) -> bool:
        return not self._member.unconsumed_tail


def _bzip2() -> _PackedUnit:
    import bz2  # noqa: PLC0415  as below: only when a file is packed so

    return _Bounded(bz2.BZ2Decompressor(), OSError)


def _xz() -> _PackedUnit:
    import lzma  # noqa: PLC0415  likewise

    return _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_XZ_BYTES), lzma.LZMAError)


def _zstd() -> _PackedUnit:
    """Return what unpacks a frame. The library's own stream reader takes a cut frame for the end."""
    import zstandard  # noqa: PLC0415  most files are not packed so, and it takes a while to load

    frame = zstandard.ZstdDecompressor().decompressobj()
    return _PackedUnit(frame, zstandard.ZstdError, frame.decompress)


class _Packing(NamedTuple):
    """One way to pack: how it begins, what unpacks a unit, and whether zero bytes may stand between units."""

    name: str
    start: "re.Pattern[bytes]"
    unit: "Callable[[], _PackedUnit]"
    piece_bytes: int = _READ_BYTES
    is_padded: bool = False


_PACKINGS: Final = {
    ".gz": _Packing("gzip", re.compile(rb"\x1f\x8b\x08"), _Gzip, is_padded=True),
    ".zst": _Packing(
        "Zstandard", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _zstd, piece_bytes=_ZSTD_PIECE_BYTES
    ),
    # A text may begin with BZh; the second is how an empty one is packed.
    ".bz2": _Packing("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), _bzip2),
    ".xz": _Packing("xz", re.compile(rb"\xfd7zXZ\x00"), _xz, is_padded=True),
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
        self._unit: _PackedUnit | None = None  # None between two
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
