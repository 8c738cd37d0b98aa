"""Escaping: any bytes become printable ASCII and come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.text.escape import escape, is_plain, unescape


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"220 mail.example.com ESMTP ~!", "220 mail.example.com ESMTP ~!"),
        (b"a\\b", "a\\\\b"),
        (b"\\x41", "\\\\x41"),
        (b"a\r\nb", "a\\x0d\\x0ab"),
        (b"a\\\r\n", "a\\\\\\x0d\\x0a"),
        (b"\r\r\n\n", "\\x0d\\x0d\\x0a\\x0a"),
        (b"\x00\t\x1b[2J\x7f", "\\x00\\x09\\x1b[2J\\x7f"),
        (b"\x80\x9b\xa0\xad\xff", "\\x80\\x9b\\xa0\\xad\\xff"),
        ("\u202e\u2028ü".encode(), "\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xc3\\xbc"),
    ],
)
def test_each_byte_has_one_way_to_be_written(raw: bytes, text: str) -> None:
    assert escape(raw) == text
    assert unescape(text) == raw


@given(st.binary())
def test_any_bytes_become_printable_ascii_and_come_back(raw: bytes) -> None:
    text = escape(raw)
    assert text.isascii()
    assert text.isprintable()
    assert unescape(text) == raw


@given(st.binary())
def test_plain_bytes_are_those_that_stay_as_they_are(raw: bytes) -> None:
    assert is_plain(raw) == (escape(raw).encode() == raw)


def test_every_single_byte_comes_back() -> None:
    for value in range(256):
        assert unescape(escape(bytes([value]))) == bytes([value])


@pytest.mark.parametrize("text", ["\\", "a\\b", "\\x0", "\\xzz", "\\x0D", "ü", "\n", "\x7f", "\\\\\\"])
def test_text_that_was_not_escaped_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not escaped text"):
        unescape(text)
