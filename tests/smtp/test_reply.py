"""The reader: where a greeting ends, however its bytes are cut."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.smtp.grammar import MAX_BYTES, MAX_LINES
from scanner.smtp.other_protocols import record_length
from scanner.smtp.reply import Line, Reply, ReplyEnd, ReplyReader, is_whole_greeting

#: Bytes that matter to the reader come often.
hostile = st.lists(
    st.one_of(
        st.sampled_from(
            [b"220", b"220 ", b"220-", b"554 ", b"\r", b"\n", b"\r\n", b"\0", b"-", b" ", b"\t", b"2", b"SSH-", b"* OK",
             b"\x16\x03", b"\x00\x00\x0a", b"\xff\xfb", b"x" * 600]
        ),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(b"".join)  # fmt: skip
limits = st.sampled_from([(MAX_BYTES, MAX_LINES), (64, 2), (9, 1), (4, 1), (1, 1)])


def read(pieces: Iterable[bytes], max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> Reply:
    """Read bytes in the given pieces, then the end of file."""
    reader = ReplyReader(max_bytes, max_lines)
    for piece in pieces:
        reader.receive_data(piece)
    reader.receive_data(b"")
    assert reader.reply is not None
    return reader.reply


def single(raw: bytes) -> list[bytes]:
    return [bytes([value]) for value in raw]


ENDED = [
    (b"220 h ESMTP\r\n", ReplyEnd.FINAL_LINE),
    (b"220 h ESMTP\n", ReplyEnd.FINAL_LINE),
    (b"220\r\n", ReplyEnd.FINAL_LINE),
    (b"220\n", ReplyEnd.FINAL_LINE),
    (b"220 \r\n", ReplyEnd.FINAL_LINE),
    (b"220\th\r\n", ReplyEnd.FINAL_LINE),
    (b"220h\r\n", ReplyEnd.FINAL_LINE),
    (b"220 a\r\r\n", ReplyEnd.FINAL_LINE),
    (b"220-a\r\n220 b\r\n", ReplyEnd.FINAL_LINE),
    (b"220-a\r\n554 b\r\n", ReplyEnd.FINAL_LINE),
    (b"220-a\r\n\r\nfoo\r\n220 b\r\n", ReplyEnd.FINAL_LINE),
    (b"\r\nhello\r\n220 b\r\n", ReplyEnd.FINAL_LINE),
    (b"590 x\r\n", ReplyEnd.FINAL_LINE),
    (b"220-<h> SSH-2.0\r\n220 b\r\n", ReplyEnd.FINAL_LINE),
    (b"220-SSH-2.0\r\n220 b\r\n", ReplyEnd.FINAL_LINE),
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"HTTP/1.1 400 Bad Request\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"* OK IMAP4rev1\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"* BYE\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"+OK POP3\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"-ERR no\r\n", ReplyEnd.OTHER_PROTOCOL),
    (b"RFB 003.008\n", ReplyEnd.OTHER_PROTOCOL),
    (b"<html>\n", ReplyEnd.OTHER_PROTOCOL),
    (b"\x15\x03\x01\x00\x02\x02\x28", ReplyEnd.OTHER_PROTOCOL),
    (b"\x16\x03\x03\x00\x02\x0a\x0a", ReplyEnd.OTHER_PROTOCOL),
    (b"\xff\xfb\x01", ReplyEnd.OTHER_PROTOCOL),
    (b"\x06\x00\x00\x00\x0a5.7.1", ReplyEnd.OTHER_PROTOCOL),
    (b"\x03\x00\x00\x00\xff\x6a\x04", ReplyEnd.OTHER_PROTOCOL),
]


@pytest.mark.parametrize(("raw", "ending"), ENDED)
@pytest.mark.parametrize("trailing", [b"", b"\r\n", b"250 x\r\n", b"\0"])
def test_a_greeting_is_over_with_its_last_byte_and_not_before(raw: bytes, ending: ReplyEnd, trailing: bytes) -> None:
    reader = ReplyReader()
    for byte in single(raw):
        assert reader.reply is None
        reader.receive_data(byte)
    reply = reader.reply
    assert isinstance(reply, Reply)
    assert (reply.raw, reply.ending, reply.truncated) == (raw, ending, False)
    assert read([raw + trailing]) == reply
    assert read([raw, trailing or b"\r\n"]) == reply


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"2", b"220", b"220 h", b"220 h\r", b"220-h\r\n", b"220-teaser\r\n220-h\r\n", b"\r\n\r\n", b"hello\r\n",
        b"2_2 a\r\n", b"+22 a\r\n", b" 220 a\r\n", b"22 a\r\n", b"2200 a\r\n", b"\xb2\xb2\xb0 a\r\n", b"120 a\r\n",
        b"620 a\r\n", "\uff12\uff12\uff10 a\r\n".encode(), b"220 a\rb",
        b"a SSH-2.0\r\n", b"x\r\nSSH-2.0\r\n", b"\x15a\r\n",
    ],
)  # fmt: skip
def test_what_could_go_on_needs_more_bytes_until_the_end(raw: bytes) -> None:
    reader = ReplyReader()
    reader.receive_data(raw or b"x")
    assert reader.reply is None
    reply = read(single(raw))
    assert (reply.raw, reply.ending, reply.complete) == (raw, ReplyEnd.EOF, False)
    assert read([raw] if raw else []) == reply


@pytest.mark.parametrize(
    ("raw", "ending"),
    [
        (b"SSH-2.0", ReplyEnd.OTHER_PROTOCOL),
        (b"220-SSH-2.0", ReplyEnd.EOF),
        (b"\x15\x03\x01", ReplyEnd.OTHER_PROTOCOL),
        (b"\xff\xfd", ReplyEnd.OTHER_PROTOCOL),
        (b"\x4a\x00\x00\x00\x0a5.7", ReplyEnd.OTHER_PROTOCOL),
        (b"\x4a\x00\x00\x00", ReplyEnd.EOF),
        (b"\x15", ReplyEnd.EOF),
    ],
)
def test_another_protocol_is_known_from_as_much_as_came(raw: bytes, ending: ReplyEnd) -> None:
    reply = read(single(raw))
    assert (reply.raw, reply.ending, reply.truncated) == (raw, ending, False)


def test_lines_are_split_into_code_separator_text_and_end() -> None:
    reply = read([b"\n220-a b\r\n220\tc\n foo\r\r\n"])
    assert reply.lines == (Line(None, b"", b"", b"\n"), Line(220, b"-", b"a b", b"\r\n"), Line(220, b"\t", b"c", b"\n"))
    assert read([b"x\r\r\n250-\r"]).lines == (Line(None, b"", b"x", b"\r\r\n"), Line(250, b"-", b"\r", b""))
    assert read([b"220-a\n2"]).lines == (Line(220, b"-", b"a", b"\n"), Line(None, b"", b"2", b""))
    assert [line.octets for line in read([b"x\r\r\n250-ab\n220"]).lines] == [4, 7, 3]


def test_the_limit_of_bytes_ends_a_greeting_without_a_line_end() -> None:
    for pieces in ([b"x" * 2**20], [b"x"] * (MAX_BYTES + 5), [b"x" * 1000] * 20):
        reader = ReplyReader()
        for piece in pieces:
            reader.receive_data(piece)
        assert reader.reply is not None
        assert (reader.reply.ending, reader.reply.truncated) == (ReplyEnd.TOO_LONG, True)
        assert reader.raw == reader.reply.raw == b"x" * MAX_BYTES


@pytest.mark.parametrize(("length", "ending"), [(MAX_BYTES, ReplyEnd.FINAL_LINE), (MAX_BYTES + 1, ReplyEnd.TOO_LONG)])
def test_a_greeting_of_exactly_the_limit_is_whole(length: int, ending: ReplyEnd) -> None:
    raw = b"220 " + b"x" * (length - 6) + b"\r\n"
    assert read([raw]).ending is read(single(raw)).ending is ending
    assert is_whole_greeting(raw) == (ending is ReplyEnd.FINAL_LINE)


@pytest.mark.parametrize(
    ("count", "ending"), [(MAX_LINES - 1, ReplyEnd.FINAL_LINE), (MAX_LINES, ReplyEnd.TOO_MANY_LINES)]
)
def test_the_final_line_may_be_the_last_one_allowed(count: int, ending: ReplyEnd) -> None:
    reply = read([b"220-x\r\n" * count + b"220 x\r\n"])
    assert (reply.ending, len(reply.lines)) == (ending, MAX_LINES)
    assert reply.truncated == (ending is ReplyEnd.TOO_MANY_LINES)


def test_a_record_longer_than_the_limit_is_cut() -> None:
    reply = read([b"\xff\xff\x00\x00\x0a" + b"x" * 20000])
    assert (len(reply.raw), reply.ending, reply.truncated) == (MAX_BYTES, ReplyEnd.OTHER_PROTOCOL, True)


def test_a_limit_before_a_record_can_be_told_from_lines_makes_it_lines() -> None:
    assert read([b"a\n\0\0\n"], 5, 1).ending is ReplyEnd.OTHER_PROTOCOL
    assert read([b"a\n\0\0\n"], 4, 1).ending is ReplyEnd.TOO_MANY_LINES
    assert read([b"a\n"], 5, 1).ending is ReplyEnd.TOO_MANY_LINES
    assert read([b"a\n"], 2, 1).ending is ReplyEnd.TOO_MANY_LINES


def test_bytes_after_the_greeting_are_kept_up_to_the_limit_but_change_nothing() -> None:
    reader = ReplyReader(max_bytes=12)
    reader.receive_data(b"220 h\r\n")
    reader.receive_data(b"250")
    reader.receive_data(b" more")
    reader.receive_data(b"x")
    assert reader.raw == b"220 h\r\n250 m"
    assert reader.end().raw == b"220 h\r\n"


class CountingBuffer(bytearray):
    """Counts the bytes that are searched for a line end."""

    searched = 0

    def find(self, *arguments: object) -> int:
        """Search as usual, and count from the start to where it stopped."""
        needle, start = arguments
        assert isinstance(needle, bytes)
        assert isinstance(start, int)
        found = super().find(needle, start)
        self.searched += (len(self) if found < 0 else found + 1) - start
        return found


@pytest.mark.parametrize("raw", [b"x" * MAX_BYTES, b"220-x\r\n" * MAX_LINES, b"\n" * MAX_LINES, b"220-" + b"\r" * 8000])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_every_byte_is_searched_once(raw: bytes, step: int) -> None:
    reader = ReplyReader()
    reader._buffer = buffer = CountingBuffer()
    for start in range(0, len(raw), step):
        reader.receive_data(raw[start : start + step])
    reader.end()
    assert buffer.searched == len(raw)


@given(hostile, st.data(), limits)
def test_any_bytes_in_any_pieces_are_the_same_greeting(raw: bytes, data: st.DataObject, limit: tuple[int, int]) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) if start < end]
    whole = read([raw] if raw else [], *limit)
    assert read(pieces, *limit) == whole
    assert read(single(raw), *limit) == whole
    assert raw.startswith(whole.raw)


@given(hostile, limits)
def test_the_quick_test_says_what_the_reader_finds(raw: bytes, limit: tuple[int, int]) -> None:
    reader = ReplyReader(*limit)
    reader.receive_data(raw)
    greeting = reader.reply
    alone = greeting is not None and greeting.complete and len(greeting.lines) == 1 and greeting.raw == raw
    assert is_whole_greeting(raw, max_bytes=limit[0]) == alone


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        (b"220 h ESMTP\r\n", True), (b"554 no\n", True), (b"220\r\n", True), (b"220\n", True), (b"220h\n", True),
        (b"", False), (b"\n", False), (b"220", False), (b"220 h", False), (b"220-h\r\n", False),
        (b"220 h\r\n\r\n", False),
        (b"2200\r\n", False), (b"SSH-2.0\r\n", False), (b"120 x\r\n", False), (b"220-a\r\n220 b\r\n", False),
    ],
)  # fmt: skip
def test_one_final_line_and_nothing_else_is_a_whole_greeting(raw: bytes, *, whole: bool) -> None:
    assert is_whole_greeting(raw) is whole


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"\x15\x03", 7), (b"\x16\x03\x01\x40\x00", 7), (b"\xff\xfe", 3), (b"\x4a\x01\x00\x00\x0a", 4 + 330),
        (b"", None), (b"2", None), (b"22", None), (b"x\n\0", None), (b"x\n\0\0", None),
        (b"220", 0), (b"\x15\x02\x01", 0), (b"\xff\xf0\x01", 0), (b"\x4a\x00\x00\x01\x0a", 0),
        (b"\x4a\x00\x00\x00\x09", 0),
    ],
)  # fmt: skip
def test_a_binary_record_tells_its_length(head: bytes, length: int | None) -> None:
    assert record_length(head) == length
