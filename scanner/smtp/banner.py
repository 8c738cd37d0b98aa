"""Parse a greeting: bytes in, a `Banner` out, whatever the bytes are.

"220 mail.example.com ESMTP Postfix" has the code 220, the host name mail.example.com and the word ESMTP. `reply.py`
finds where a greeting ends; this module reads its lines. Nearly every mail server sends one plain line, a code and
printable ASCII, so that case has a fast path. The general path gives exactly the same result, and tests compare both.

`code` is that of the final line, as RFC 5321 4.2.1 reads a reply, or the first one of a cut greeting. `status` follows
its first digit (4.2.1: a client treats a code that it does not expect by its class): any complete 2yz is READY, flagged
unless it is 220; 3yz is MALFORMED, since no command was sent. Codes of two classes in one reply contradict each other:
MALFORMED, although postscreen's drop action sends them on purpose ("220-teaser", "521 ..."); `code` is kept.
A cut greeting is MALFORMED; a caller that knows how the connection ended can refine that.
"""

from typing import Final

from scanner.model import Banner, Status
from scanner.smtp.dates import maybe_server_time
from scanner.smtp.grammar import (
    CONTROL_BYTES,
    ENHANCED_CODE,
    ESMTP,
    LINE_END,
    MASK,
    MASK_CHARACTERS,
    MAX_BYTES,
    MAX_LINE_OCTETS,
    MAX_LINES,
    REGULAR,
    Flag,
)
from scanner.smtp.names import maybe_certain_hostname, maybe_greeting_again, maybe_hostname
from scanner.smtp.other_protocols import is_other_service
from scanner.smtp.reply import Line, Reply, ReplyEnd, ReplyReader
from scanner.text.escape import escape, is_plain

#: The flags of unusual line ends; CR LF, and a line that does not end, have none.
_LINE_END_FLAGS: Final = {b"\n": (Flag.LF_ONLY.value,), b"\r\r\n": (Flag.CR_CR_LF.value,)}

#: RFC 5321 4.3.2 lets a greeting say 220, or refuse.
_UNEXPECTED_CODES: Final = frozenset(range(200, 400)) - {220}

#: The codes that alone on a plain line are not odd.
_PLAIN_CODES: Final = {str(code): code for code in (220, *range(400, 600))}
_STATUS_OF_CLASS: Final = {2: Status.READY, 3: Status.MALFORMED, 4: Status.TEMPORARY, 5: Status.REJECTED}


def parse_banner(raw: bytes, *, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> Banner:
    """Parse a greeting from everything that a server sent until it was over. Raises nothing.

    Args:
        raw: the bytes; where they end, the server is taken to have ended.
        max_bytes: read no more of them than this.
        max_lines: a greeting with more lines than this is malformed.
    """
    if raw.endswith(b"\r\n") and raw[3:4] == b" " and 6 < len(raw) <= MAX_LINE_OCTETS and len(raw) <= max_bytes:
        body = raw[:-2]
        if is_plain(body):
            text = body.decode("ascii")
            code, words = _PLAIN_CODES.get(text[:3]), text[4:]
            if code is not None and not (MASK in words or words.isspace()):
                return _plain_greeting(raw, text, words, code)
    reader = ReplyReader(max_bytes, max_lines)
    reader.receive_data(raw)
    reply = reader.end()
    return interpret_reply(reply, trailing=reply.complete and len(raw) > len(reply.raw))


def interpret_reply(reply: Reply, *, trailing: bool = False) -> Banner:
    """Parse the lines of a greeting from a `ReplyReader`; `trailing` means that bytes came after it."""
    raw, lines = reply.raw, reply.lines
    # Patterns are for text; Latin-1 gives every byte one character and is plain ASCII's own decoding.
    texts = [line.text.decode("latin-1") for line in lines]
    code = _maybe_code(reply)
    hostname = _maybe_greeting_name(lines, texts)
    esmtp = any(map(_says_esmtp, texts))
    status = _status(reply, code, "" if esmtp else " ".join(_without_hostname(text, hostname) for text in texts))
    flags = _reply_flags(reply, texts, trailing=trailing)
    if REGULAR.fullmatch(raw) is None:
        flags |= _line_flags(lines) | _byte_flags(raw)
    return Banner(
        raw,
        escape(_without_line_end(raw)),
        tuple(escape(line.text) for line in lines),
        code,
        None if status is Status.NOT_SMTP and hostname and "." not in hostname else hostname,
        esmtp,
        next((time for time in map(maybe_server_time, texts) if time is not None), None),
        _maybe_enhanced_code(lines, texts),
        tuple(sorted(flags)),
        truncated=reply.truncated,
        complete=reply.complete,
        status=status,
    )


def _plain_greeting(raw: bytes, text: str, words: str, code: int) -> Banner:
    """Read one line "code words", where no flag can apply: what `interpret_reply` does, without its checks."""
    hostname = maybe_hostname(words, code)
    esmtp = _says_esmtp(words)
    status = _status_of(code)
    if code == 220 and not esmtp and is_other_service(code, _without_hostname(words, hostname)):
        status = Status.NOT_SMTP
        if hostname and "." not in hostname:
            hostname = None
    match = ENHANCED_CODE.match(words) if code >= 400 else None
    return Banner(
        raw,
        text,
        (words,),
        code,
        hostname,
        esmtp,
        maybe_server_time(words),
        match and match[1],
        (),
        truncated=False,
        complete=True,
        status=status,
    )


def _maybe_code(reply: Reply) -> int | None:
    codes = [line.code for line in reply.lines if line.code is not None]
    if not codes:
        return None
    return codes[-1] if reply.complete else codes[0]


def _first_with_code(lines: tuple[Line, ...]) -> int:
    return next((index for index, line in enumerate(lines) if line.code is not None), 0)


def _greets_again(lines: tuple[Line, ...]) -> bool:
    """Tell whether a reply begins with 220- and ends with a line 220."""
    first = lines[_first_with_code(lines)] if len(lines) > 1 else None
    return first is not None and first.separator == b"-" and first.code == lines[-1].code == 220 and lines[-1].is_final


def _maybe_greeting_name(lines: tuple[Line, ...], texts: list[str]) -> str | None:
    """Return the host name on the first line with a code and text, or else on a later one that greets again.

    A lone word in front of a line that greets with a name is postscreen's, which may say anything there.
    """
    first = _first_with_code(lines)
    code = lines[first].code if lines else None
    if code is None:
        return None
    while first < len(lines) - 1 and not texts[first].strip(" \t") and lines[first + 1].code == code:
        first += 1
    hostname = maybe_hostname(texts[first], code, alone=lines[first].separator == b"-")
    if not _greets_again(lines) or (hostname is not None and (hostname != texts[first] or "." in hostname)):
        return hostname
    later = map(maybe_greeting_again, texts[first + 1 :])
    return next((name for name in later if name is not None), None) or maybe_certain_hostname(texts[-1]) or hostname


def _maybe_enhanced_code(lines: tuple[Line, ...], texts: list[str]) -> str | None:
    matches = (ENHANCED_CODE.match(text) for line, text in zip(lines, texts, strict=True) if (line.code or 0) >= 400)
    return next((match[1] for match in matches if match is not None), None)


def _without_hostname(text: str, hostname: str | None) -> str:
    """Leave out a host name with dots, so that ftp.example.com is not taken for a file server."""
    return text.replace(hostname, "", 1) if hostname and "." in hostname else text


def _is_masked(texts: list[str]) -> bool:
    return any(MASK in text and MASK_CHARACTERS.fullmatch(text) is not None for text in texts)


def _says_esmtp(text: str) -> bool:
    return " ESMTP " in text or ESMTP.search(text) is not None


def _status(reply: Reply, code: int | None, text: str) -> Status:
    """Decide from the bytes alone; the order of the questions is that of certainty."""
    if reply.ending is ReplyEnd.OTHER_PROTOCOL:
        return Status.NOT_SMTP
    if code is not None and code < 300 and is_other_service(code, text):
        return Status.NOT_SMTP
    classes = {line.code // 100 for line in reply.lines if line.code is not None}
    if code is None or not reply.complete or len(classes) > 1:
        return Status.MALFORMED
    return _status_of(code)


def _status_of(code: int) -> Status:
    return Status.BUSY if code == 421 else _STATUS_OF_CLASS[code // 100]


def _reply_flags(reply: Reply, texts: list[str], *, trailing: bool) -> set[str]:
    """Return what is odd about the reply as a whole."""
    lines, ending = reply.lines, reply.ending
    codes = {line.code for line in lines if line.code is not None}
    odd = (
        (Flag.BARE_CODE, reply.complete and not texts[-1].strip(" \t")),
        (Flag.MASKED, _is_masked(texts)),
        (Flag.MIXED_CODES, len(codes) > 1),
        (Flag.NO_CODE, not codes and ending is not ReplyEnd.OTHER_PROTOCOL),
        (Flag.TEASER, _greets_again(lines) and maybe_certain_hostname(texts[-1]) is not None),
        (Flag.TOO_LONG, reply.truncated and ending is not ReplyEnd.TOO_MANY_LINES),
        (Flag.TOO_MANY_LINES, ending is ReplyEnd.TOO_MANY_LINES),
        (Flag.TRAILING_DATA, trailing),
        (Flag.UNEXPECTED_CODE, not codes.isdisjoint(_UNEXPECTED_CODES)),
        (Flag.UNTERMINATED, ending is ReplyEnd.EOF),
    )
    return {flag.value for flag, is_odd in odd if is_odd}


def _line_flags(lines: tuple[Line, ...]) -> set[str]:
    """Return what is odd about single lines. Regular lines have none of these."""
    flags: set[str] = set()
    uncoded = Flag.TEXT_BEFORE_CODE
    for line in lines:
        if line.code is not None:
            uncoded = Flag.LINE_WITHOUT_CODE
            if line.separator == b"\t":
                flags.add(Flag.TAB_AFTER_CODE.value)
            elif not line.separator and line.text:
                flags.add(Flag.NO_SPACE_AFTER_CODE.value)
        else:
            flags.add(Flag.BLANK_LINE.value if line.is_blank else uncoded.value)
        if b"\r" in line.text:
            flags.add(Flag.BARE_CR.value)
        if line.octets > MAX_LINE_OCTETS:
            flags.add(Flag.LINE_TOO_LONG.value)
        flags.update(_LINE_END_FLAGS.get(line.end[-3:], ()))
    if uncoded is Flag.TEXT_BEFORE_CODE:
        flags.discard(uncoded.value)  # no code follows: that is `no_code`
    return flags


def _byte_flags(raw: bytes) -> set[str]:
    """Return which bytes are odd, wherever they stand. Regular lines have none of these."""
    odd = (
        (Flag.CONTROL_BYTES, CONTROL_BYTES.search(raw) is not None),
        (Flag.EIGHT_BIT, not raw.isascii()),
        (Flag.ESCAPE_SEQUENCE, b"\x1b" in raw),
        (Flag.NUL, b"\x00" in raw),
    )
    return {flag.value for flag, is_odd in odd if is_odd}


def _without_line_end(raw: bytes) -> bytes:
    """Leave out one CR LF or LF at the end. More CRs than that stay: they are not the line end's."""
    return raw.removesuffix(LINE_END).removesuffix(b"\r") if raw.endswith(LINE_END) else raw
