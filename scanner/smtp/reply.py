"""Find the end of a server's reply in a stream of bytes that arrive in pieces of any size.

SMTP replies have one line or several: "220-hello" says that more lines follow, "220 hello" is the last. A greeting that
a scanner meets may also be endless, cut off, or another protocol's. `ReplyReader` takes the bytes as they arrive and
keeps the finished `Reply` with the reason why it ended. A reply is over

- after its final line: a code that no hyphen follows. "220-teaser" is not over: postscreen sends such a line six
  seconds before the rest;
- when a limit is reached, or the connection ends;
- when its first line or binary record belongs to another protocol: such a server waits for the client.

The reader does no input or output. Any bytes are valid input, nothing raises, and the result does not depend on how
the bytes were cut. Text and blank lines before and between the lines with codes are kept and do not end the reply.
Each byte is searched once, so the cost is linear in what arrives.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from scanner.smtp.grammar import CODE, FINAL_LINE, LINE_END, MAX_BYTES, MAX_LINES
from scanner.smtp.other_protocols import is_other_first_line, record_length

#: Enough bytes to recognise every binary record.
_HEAD_BYTES: Final = 5


class ReplyEnd(Enum):
    """Why a greeting is over."""

    FINAL_LINE = "final_line"  # a final line was read
    OTHER_PROTOCOL = "other_protocol"  # not SMTP; what this server says first was read
    EOF = "eof"  # the bytes end inside it
    TOO_LONG = "too_long"  # the limit of bytes
    TOO_MANY_LINES = "too_many_lines"  # the limit of lines


class Line(NamedTuple):
    """One line of a greeting.

    `code` is None when the line does not begin with one, and then `text` is all of it. `separator` is what stands
    between code and text: a space, a hyphen, a TAB or nothing. `end` is b"" when the bytes end before the line does.
    """

    code: int | None
    separator: bytes
    text: bytes
    end: bytes

    @property
    def octets(self) -> int:
        """The length of the line, code and line end included."""
        return (0 if self.code is None else 3) + len(self.separator) + len(self.text) + len(self.end)

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on a line that has ended."""
        return self.code is None and self.end != b"" and not self.text.strip(b" \t")

    @property
    def is_final(self) -> bool:
        """Whether a reply ends with this line."""
        return self.code is not None and self.separator != b"-" and self.end != b""

    @property
    def is_foreign(self) -> bool:
        """Whether this, as the first line, gives another protocol away."""
        return self.code is None and is_other_first_line(self.text)


@dataclass(frozen=True, slots=True)
class Reply:
    """A greeting as it came: the bytes up to its end, the lines in them (none for a binary record), and why it is over.

    `truncated` says that a limit cut it.
    """

    raw: bytes
    lines: tuple[Line, ...]
    ending: ReplyEnd
    truncated: bool = False

    @property
    def complete(self) -> bool:
        """Whether a final line was read."""
        return self.ending is ReplyEnd.FINAL_LINE


def is_whole_greeting(raw: bytes, *, max_bytes: int = MAX_BYTES) -> bool:
    """Tell quickly whether these bytes are exactly one final line, as most first reads are.

    When they are, a `ReplyReader` would come to the same end; when not, ask one.
    """
    return raw.find(LINE_END) == len(raw) - 1 and len(raw) <= max_bytes and FINAL_LINE.match(raw) is not None


class ReplyReader:
    """Take the bytes of one server as they arrive, and say when its greeting is over.

    Call `receive_data` with each piece. `reply` is None until the reply is over.
    """

    __slots__ = ("_buffer", "_line_start", "_lines", "_max_bytes", "_max_lines", "_record_bytes", "_searched",
                 "reply")  # fmt: skip

    def __init__(self, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> None:
        self.reply: Reply | None = None
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._buffer = bytearray()
        self._lines: list[Line] = []
        self._line_start = 0
        self._searched = 0
        self._record_bytes: int | None = None

    @property
    def raw(self) -> bytes:
        """Every byte received, up to the limit; bytes after the greeting included."""
        return bytes(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take the next piece of any size; empty bytes say that the server sends no more.

        Bytes beyond the limit are dropped.
        """
        if not data:
            self.end()
            return
        room = self._max_bytes - len(self._buffer)
        self._buffer += data if len(data) <= room else data[: max(room, 0)]
        if self.reply is None:
            self.reply = self._maybe_reply()
        if self.reply is None and len(self._buffer) >= self._max_bytes:
            self.reply = self._cut_reply(ReplyEnd.TOO_LONG)

    def end(self) -> Reply:
        """Say that no more bytes come, and return what the greeting was."""
        if self.reply is None:
            self.reply = self._cut_reply(ReplyEnd.EOF)
        return self.reply

    def _maybe_reply(self) -> Reply | None:
        """Return the greeting when the bytes that arrived bring it to its own end or to the limit of lines."""
        if self._record_bytes is None:
            self._record_bytes = record_length(bytes(self._buffer[:_HEAD_BYTES]))
        if self._record_bytes is None:
            return None  # too early to look for lines: byte 5 may turn a line end into a length
        if self._record_bytes:
            whole = len(self._buffer) >= self._record_bytes
            return self._reply(self._record_bytes, ReplyEnd.OTHER_PROTOCOL) if whole else None
        return self._maybe_lines()

    def _maybe_lines(self) -> Reply | None:
        buffer, lines = self._buffer, self._lines
        while (end := buffer.find(LINE_END, self._searched)) >= 0:
            self._searched = end + 1
            lines.append(_parse_line(bytes(buffer[self._line_start : self._searched])))
            self._line_start = self._searched
            if lines[-1].is_final:
                return self._reply(self._searched, ReplyEnd.FINAL_LINE)
            if len(lines) == 1 and lines[0].is_foreign:
                return self._reply(self._searched, ReplyEnd.OTHER_PROTOCOL)
            if len(lines) >= self._max_lines:
                return self._reply(self._searched, ReplyEnd.TOO_MANY_LINES, truncated=True)
        self._searched = len(buffer)
        return None

    def _cut_reply(self, ending: ReplyEnd) -> Reply:
        """Return what there is when the bytes end, or have to end, before the greeting does."""
        truncated = ending is ReplyEnd.TOO_LONG
        if not self._record_bytes:
            reply = self._maybe_lines()  # too few bytes to tell a record from lines are lines
            if reply is not None:
                return reply
            if self._line_start < len(self._buffer):
                self._lines.append(_parse_line(bytes(self._buffer[self._line_start :])))
        if self._record_bytes or (len(self._lines) == 1 and self._lines[0].is_foreign):
            ending = ReplyEnd.OTHER_PROTOCOL
        return self._reply(len(self._buffer), ending, truncated=truncated)

    def _reply(self, end: int, ending: ReplyEnd, *, truncated: bool = False) -> Reply:
        return Reply(bytes(self._buffer[:end]), tuple(self._lines), ending, truncated)


def _parse_line(raw: bytes) -> Line:
    """Split one line, its line end included, which only the last line of a cut greeting lacks."""
    body = raw[:-1].rstrip(b"\r") if raw.endswith(LINE_END) else raw
    end = raw[len(body) :]
    match = CODE.match(body)
    if match is None:
        return Line(None, b"", body, end)
    return Line(int(match[1]), match[2] or b"", body[match.end() :], end)
