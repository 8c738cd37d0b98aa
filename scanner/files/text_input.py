"""Read text input from any editor or shell as UTF-8: one reader for every input.

Windows writes a byte order mark before UTF-8, and its shell writes UTF-16 when output is redirected. Read as anything
else, the first line of such a file is lost and the rest is nonsense. So every input comes through here as UTF-8 without
a mark. Input with neither a mark nor the zero bytes of UTF-16 passes unchanged, even if it is not UTF-8. Joined files
(`cat a b`) have a mark where the second begins; marks at the start of any line are removed, too.

UTF-16 without a mark is recognised by the zero bytes among the first four: two plain characters have them, UTF-8 never
does. In a stream, bytes that cannot be decoded become U+FFFD, so that one bad place does not end a long file; a whole
text with such bytes is refused. Packed files are unpacked first (`packed`). Left out: 8-bit and Asian encodings, which
cannot be recognised by their bytes.
"""

import codecs
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes that decide which encoding it is.
_START_BYTES: Final = 4
_READ_BYTES: Final = 1 << 16
_UTF_8_MARK: Final = codecs.BOM_UTF8
_MARKED_LINE: Final = b"\n" + _UTF_8_MARK
#: Mark -> encoding; those of UTF-32 first, since one of them begins like one of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def utf_8_stream(stream: BinaryIO) -> io.BufferedReader:
    """Return a buffered stream of the same text in UTF-8, without a byte order mark.

    Closing it closes `stream`. A pipe is waited for until it has given four bytes or has ended.

    Raises:
        OSError: when it cannot be read.
    """
    start = _start_of(stream)
    mark, encoding = _encoding_of(start)
    first = start[len(mark) :]
    if encoding is None:
        return prefixed(first, stream)
    return io.BufferedReader(_Decoded(first, stream, encoding), _READ_BYTES)


def utf_8_lines(stream: BinaryIO) -> io.BufferedReader:
    """Return the same for lines of text, without marks at the start of any line. It must not be binary data."""
    return io.BufferedReader(_Unmarked(utf_8_stream(stream)), _READ_BYTES)


def prefixed(first: bytes, rest: BinaryIO) -> io.BufferedReader:
    """Return a buffered stream of `first`, which was read already, and then of `rest`. Closing closes both."""
    return io.BufferedReader(_Prefixed(first, rest), _READ_BYTES)


def with_opening(
    stream: io.BufferedReader, size: int, decides: Callable[[bytes], bool]
) -> tuple[bytes, io.BufferedReader]:
    """Return the first lines of a text, and a stream of all of it.

    Reading stops after `size` bytes, or at the first line that `decides`, so that typed text need not end.
    """
    start = b""
    while len(start) < size and (line := stream.readline(size - len(start))):
        start += line
        if decides(line):
            break
    return start, prefixed(start, stream)


def utf_8(raw: bytes) -> bytes:
    """Return a whole text in UTF-8, without a byte order mark.

    Raises:
        UnicodeDecodeError: when it is UTF-16 or UTF-32 by its first bytes, and damaged.
    """
    mark, encoding = _encoding_of(raw[:_START_BYTES])
    text = raw[len(mark) :]
    return text if encoding is None else text.decode(encoding).encode()


def utf_16_or_32(raw: bytes) -> str | None:
    """Return the name of the encoding if a text begins like UTF-16 or UTF-32, for readers that must refuse it."""
    encoding = _encoding_of(raw[:_START_BYTES])[1]
    return None if encoding is None else encoding[:6].upper()


def _encoding_of(start: bytes) -> tuple[bytes, str | None]:
    """Return the mark at the start of a text, and the encoding that it has to be decoded from."""
    if start.startswith(_UTF_8_MARK):
        return _UTF_8_MARK, None
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return mark, encoding
    zeros = tuple(byte == 0 for byte in start)
    if zeros == (False, True, False, True):
        return b"", "utf-16-le"
    return b"", "utf-16-be" if zeros == (True, False, True, False) else None


def _start_of(stream: BinaryIO) -> bytes:
    start = b""
    while len(start) < _START_BYTES and (more := stream.read(_START_BYTES - len(start))):
        start += more
    return start


class _Prefixed(io.RawIOBase):
    """What was read already, then the rest of a stream."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._waiting = memoryview(first)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")
        if not self._waiting:
            self._waiting = memoryview(self._more())
        size = min(len(view), len(self._waiting))
        view[:size], self._waiting = self._waiting[:size], self._waiting[size:]
        return size

    def _more(self) -> bytes:
        read = getattr(self._rest, "read1", self._rest.read)  # what is there now, without waiting for a full buffer
        data: bytes = read(_READ_BYTES) or b""
        return data

    def close(self) -> None:
        self._rest.close()
        super().close()


class _Unmarked(_Prefixed):
    """The same without byte order marks at the start of a line."""

    def __init__(self, text: io.BufferedReader) -> None:
        super().__init__(b"", text)
        self._at_begin = True  # of a line

    def _more(self) -> bytes:
        while data := super()._more():
            while self._is_half_a_mark(data) and (more := super()._more()):
                data += more
            if self._at_begin:
                data = data.removeprefix(_UTF_8_MARK)
            if data := data.replace(_MARKED_LINE, b"\n"):
                self._at_begin = data.endswith(b"\n")
                return data
        return b""

    def _is_half_a_mark(self, data: bytes) -> bool:
        """Return whether the data may end with the beginning of a mark."""
        ends = data.endswith((_MARKED_LINE[:2], _MARKED_LINE[:3]))
        return ends or (self._at_begin and data in {_UTF_8_MARK[:1], _UTF_8_MARK[:2]})


class _Decoded(_Prefixed):
    """The same for a text in another encoding than UTF-8."""

    def __init__(self, first: bytes, rest: BinaryIO, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        super().__init__(self._decoder.decode(first).encode(), rest)

    def _more(self) -> bytes:
        while raw := super()._more():
            if text := self._decoder.decode(raw).encode():
                return text
        return self._decoder.decode(b"", final=True).encode()
