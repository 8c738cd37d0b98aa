"""Claims about `scanner.files.text_input`: text from any editor or shell comes out as UTF-8 without a mark."""

import codecs
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.files.text_input import utf_8, utf_8_lines, utf_8_stream, utf_16_or_32

ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
TEXT = "220 m\u00fcller.example ESMTP \U0001f4e7\r\n# two\r\n"


class Slow(io.BytesIO):
    """A pipe that gives a byte at a time."""

    def read(self, _size: int | None = -1, /) -> bytes:
        return super().read(1)

    def read1(self, _size: int | None = -1, /) -> bytes:
        return super().read(1)


def encoded(text: str, encoding: str, *, mark: bool = True) -> bytes:
    return (ENCODINGS[encoding] if mark else b"") + text.encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["", "x", TEXT, TEXT * 30_000], ids=["empty", "one", "lines", "long"])
def test_text_in_any_encoding_comes_out_as_utf_8_without_a_mark(encoding: str, text: str) -> None:
    raw = encoded(text, encoding)

    assert utf_8_stream(io.BytesIO(raw)).read() == text.encode()
    assert utf_8(raw) == text.encode()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_that_comes_byte_by_byte_comes_out_the_same(encoding: str) -> None:
    assert utf_8_stream(Slow(encoded(TEXT, encoding))).read() == TEXT.encode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_zero_bytes(encoding: str) -> None:
    raw = encoded(TEXT, encoding, mark=False)

    assert utf_8_stream(io.BytesIO(raw)).read() == TEXT.encode()
    assert (utf_8(raw), utf_16_or_32(raw)) == (TEXT.encode(), "UTF-16")


@given(st.binary(max_size=40))
def test_other_bytes_come_out_as_they_are(raw: bytes) -> None:
    text = b"220 " + raw

    assert (utf_8_stream(io.BytesIO(text)).read(), utf_8(text), utf_16_or_32(text)) == (text, text, None)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_to_their_end(raw: bytes) -> None:
    assert isinstance(utf_8_stream(io.BytesIO(raw)).read(), bytes)


def test_only_the_first_mark_is_one_where_binary_data_may_follow() -> None:
    assert utf_8_stream(io.BytesIO(codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8)).read() == b"a\n" + codecs.BOM_UTF8


@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_files_put_together_are_one_text(encoding: str, kind: type[io.BytesIO]) -> None:
    one = encoded(TEXT, encoding)

    assert utf_8_lines(kind(one * 3)).read() == TEXT.encode() * 3


@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", b""),
        (codecs.BOM_UTF8, b""),
        (codecs.BOM_UTF8 * 2 + b"a", b"a"),
        (b"a" + codecs.BOM_UTF8 + b"\n", b"a" + codecs.BOM_UTF8 + b"\n"),
        (b"a\n\xef\xbb", b"a\n\xef\xbb"),
        (b"\xef\xbbb\n\xef\n\xef\xbb\xbe", b"\xef\xbbb\n\xef\n\xef\xbb\xbe"),
    ],
)
def test_only_a_whole_mark_at_the_begin_of_a_line_is_left_out(raw: bytes, text: bytes, kind: type[io.BytesIO]) -> None:
    assert utf_8_lines(kind(raw)).read() == text


def test_a_mark_that_two_reads_cut_in_two_is_one() -> None:
    filler = b"x" * ((1 << 16) - 2)

    for less in range(5):
        text = filler[less:] + b"\n"
        assert utf_8_lines(io.BytesIO(text + codecs.BOM_UTF8 + b"b")).read() == text + b"b"


def test_closing_the_lines_closes_their_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a")
    file = (tmp_path / "x").open("rb")
    with utf_8_lines(file) as stream:
        assert stream.read() == b"a"
    assert file.closed


def test_what_cannot_be_decoded_is_shown_in_a_stream_and_refused_in_a_whole_text() -> None:
    raw = codecs.BOM_UTF16_LE + "a".encode("utf-16-le") + b"\x00\xdc" + "b".encode("utf-16-le") + b"\x00"

    assert utf_8_stream(io.BytesIO(raw)).read() == "a\ufffdb\ufffd".encode()
    with pytest.raises(UnicodeDecodeError):
        utf_8(raw)


def test_closing_the_text_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(encoded(TEXT, "utf-16-le"))
    file = path.open("rb")
    with utf_8_stream(file) as stream:
        assert stream.readline() == TEXT.splitlines(keepends=True)[0].encode()

    stream.close()
    assert file.closed


def test_utf_32_is_named() -> None:
    assert [utf_16_or_32(encoded("a", encoding)) for encoding in ENCODINGS] == [
        None,
        None,
        *["UTF-16"] * 2,
        *["UTF-32"] * 2,
    ]
