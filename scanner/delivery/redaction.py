r"""Remove our secrets from texts that others produce, before they are shown or kept.

Problem: a receiver that repeats a request in its answer (debugging proxies do, and hostile servers) puts our token into
an error message, and from there onto the terminal and into summaries, dead letters, logs and metrics. The token may
stand there as it is, encoded, or cut.

Approach: each character of a secret becomes a small pattern of all ways to write it: itself, after backslashes (JSON,
repr), as `%2F`, `\x2f`, `\u002f` or `&#47;`. A secret is a row of these patterns, so mixtures are found, too. A peer
may change upper and lower case (of header lines, say), so case is ignored. Base64 encodes three bytes as 4 characters,
so a secret within longer text ("user:password") has three possible encodings, of which the inner characters depend on
the secret alone: each is a row of its own. Since texts are cut, half of a row is enough, but at least 8 characters.
`***` replaces what was found.

A secret of less than 4 characters is hidden only where it stands alone, and as "user:secret" in base64: three letters
are in every other message, and hiding them would hide the message. Such a secret protects nothing; a warning is logged.

Left out: what is derived from a secret (signatures, SCRAM proofs), other encodings (hexadecimal), single characters.
"""

import base64
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Final, TextIO

from scanner.smtp import escape

MASK: Final = "***"
#: Characters: shorter secrets are hidden only where they stand alone.
SHORT: Final = 4
#: The least number of characters, from the beginning of a secret, that count as a part of it.
_ENOUGH: Final = 8
#: How many pieces more than its characters white space may have become.
_WHITE: Final = 16
#: Bytes of a peer's text that are searched.
_WINDOW_BYTES: Final = 1 << 16
_HTML: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_BEFORE: Final = re.compile("[A-Za-z0-9+/_-]")
_AFTER: Final = re.compile("[A-Za-z0-9+/_-]?(?:=|%(?:25){0,2}3[dD])*")
_CODES: Final = "(?:20|0[9AaDd])"
_WHITE_SPACE: Final = (
    rf"\s|\+|%(?:25){{0,2}}{_CODES}|&#(?:32|9|10|13|[xX]0?[29AaDd]0?);|\\{{1,8}}(?:[tnr]|(?:x|u00){_CODES})"
)


class Redaction:
    """The secrets of one destination; cleans texts of them."""

    def __init__(self, *secrets: str) -> None:
        self._rows: list[_PatternRow] = []
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return "Redaction(...)"

    def add(self, secret: str, user: str | None = None) -> None:
        """Hide a secret from now on, also as it is sent together with the name of a user (Basic, SASL PLAIN)."""
        if not secret:
            return
        self._rows.append(_PatternRow(secret, alone=len(secret) < SHORT))
        for cased in _cased(secret):
            raw = cased.encode("utf-8", "surrogatepass")
            if len(raw) >= SHORT:
                self._rows += [_PatternRow(core, frame=True) for core in _base64_cores(raw)]
        for whole in () if user is None else (f"{user}:{secret}", f"\0{user}\0{secret}"):
            encoded = base64.b64encode(whole.encode("utf-8", "surrogatepass")).decode("ascii")
            self._rows.append(_PatternRow(encoded.rstrip("="), frame=True))

    def clean(self, text: str) -> str:
        """Return a text in which `***` stands for every secret."""
        spans = sorted(span for row in self._rows for span in row.spans(text))
        parts, at = [], 0
        for start, end in spans:
            if start >= at:
                parts += [text[at:start], MASK]
            at = max(at, end)
        return "".join((*parts, text[at:]))

    def beginning(self, text: str | bytes, limit: int) -> str:
        """Return the beginning of a peer's text for messages: one line of printable ASCII, cleaned before it is cut.

        Args:
            text: as it came, of any length.
            limit: how many of its bytes are shown; all characters of an escaped byte count as one.
        """
        raw = text if isinstance(text, bytes) else text[:_WINDOW_BYTES].encode("utf-8", "backslashreplace")
        shown = escape(raw[:_WINDOW_BYTES].strip())
        cleaned = self.clean(shown)
        if cleaned == shown:
            return escape(raw[:limit].strip())
        if len(raw) > _WINDOW_BYTES:  # where we cut, the beginning of a secret may stand that is too short to be found
            cleaned = cleaned[: -max(row.reach for row in self._rows)] or MASK
        return cleaned[:limit]

    def guard_logs(self) -> None:
        """Clean all that the handlers of the root logger write from now on, including messages of libraries."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self.clean_log)

    def clean_log(self, record: logging.LogRecord) -> bool:
        """Clean the message and the traceback of a log record (a filter of `logging`)."""
        message = record.getMessage()
        if (cleaned := self.clean(message)) != message:
            record.msg, record.args = cleaned, None
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            if (cleaned := self.clean(trace)) != trace:
                record.exc_info, record.exc_text = None, cleaned
        return True


class CleanStream(io.TextIOBase):
    """A text stream that passes whole lines on without secrets, for output of libraries and for tracebacks."""

    def __init__(self, stream: TextIO, redactions: Iterable[Redaction]) -> None:
        self._stream, self._redactions = stream, tuple(redactions)
        self._held = ""

    def write(self, text: str, /) -> int:
        """Take text; an incomplete line waits for its end or for `flush`."""
        lines, end, self._held = (self._held + text).rpartition("\n")
        if end:
            self._pass_on(lines + end)
        if len(self._held) > _WINDOW_BYTES:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Pass on an incomplete line."""
        held, self._held = self._held, ""
        self._pass_on(held)
        self._stream.flush()

    def _pass_on(self, text: str) -> None:
        for redaction in self._redactions:
            text = redaction.clean(text)
        self._stream.write(text)


class _PatternRow:
    """A secret, or one of its encodings, as patterns in a row."""

    def __init__(self, text: str, *, alone: bool = False, frame: bool = False) -> None:
        """Take the text; `alone`: only where it is not part of a word; `frame`: base64, with its neighbours."""
        self._units = [_Unit(unit) for unit in re.findall(r"\s+|.", text, re.DOTALL)]
        self._enough = min(len(self._units), max(_ENOUGH, (len(self._units) + 1) // 2))
        self._alone, self._frame = alone, frame
        #: The most characters that any way of writing it has.
        self.reach = 16 * len(self._units)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each place in a text where it stands."""
        at = 0
        while (start := self._units[0].find(text, at)) is not None:
            end = self._end(text, start)
            if end is None or (self._alone and not _stands_alone(text, start, end)):
                at = start + 1
                continue
            at = end
            yield self._framed(text, start, end) if self._frame else (start, end)

    def _end(self, text: str, start: int) -> int | None:
        """Return the end of a secret whose first unit is at a place; None when too little of it is there.

        All ways to read the text are followed together. One after the other would take exponential time for a secret
        of backslashes, say, which can be read in many ways of which none fits to the end.
        """
        reached, end = {start}, None
        for count, unit in enumerate(self._units, 1):
            reached = unit.ends(text, reached)
            if not reached:
                break
            if count >= self._enough:
                end = max(reached)
        return end

    def _framed(self, text: str, start: int, end: int) -> tuple[int, int]:
        """Return a span of base64 with the neighbouring characters that hold bits of it, and the padding."""
        after = _AFTER.match(text, end)
        before = start > 0 and _BEFORE.match(text, start - 1) is not None
        return start - before, after.end() if after else end


def _stands_alone(text: str, start: int, end: int) -> bool:
    around = (text[start - 1 : start], text[end : end + 1])
    return not any(each.isascii() and each.isalnum() for each in around)


class _Unit:
    """A character, or a run of white space, in all the ways to write it."""

    def __init__(self, text: str) -> None:
        self._any, self._ways = _patterns(text[0] if text.isspace() else text)
        #: How many of the ways may follow one another: white space may have been joined or repeated.
        self._repeats = len(text) + _WHITE if text.isspace() else 1

    def find(self, text: str, at: int) -> int | None:
        """Return the next place in a text where it stands, None when there is none."""
        found = self._any.search(text, at)
        return found.start() if found else None

    def ends(self, text: str, places: Iterable[int]) -> set[int]:
        """Return all places where it can end when it begins at one of `places`: `%41` is an A, or a per cent sign."""
        ends: set[int] = set()
        for _ in range(self._repeats):
            following = {
                found.end()
                for place in places
                if self._any.match(text, place)
                for way in self._ways
                if (found := way.match(text, place))
            }
            places = following - ends
            if not places:
                break
            ends |= places
        return ends


def _base64_cores(raw: bytes) -> Iterator[str]:
    """Yield the characters that depend on some bytes alone when they are encoded at each of three places."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode("ascii").rstrip("=")
        first = -(-before * 8 // 6)  # the first character without bits of what comes before
        last = (before + len(raw)) * 8 // 6  # the first character with bits of what comes after
        yield encoded[first:last]


@lru_cache(4096)
def _patterns(unit: str) -> tuple[re.Pattern[str], Sequence[re.Pattern[str]]]:
    """Return one pattern for any way to write a character, and one for each way, which matches one length only."""
    if unit.isspace():
        ways = [_WHITE_SPACE]
    else:
        ways = list(dict.fromkeys("".join(each) for cased in _cased(unit) for each in product(*map(_exactly, cased))))
    return re.compile("|".join(ways), re.IGNORECASE), [re.compile(way, re.IGNORECASE) for way in ways]


def _cased(text: str) -> Sequence[str]:
    """Return a text as it is, in lower case and in upper case (of some letters two or three characters), each once."""
    return list(dict.fromkeys((text, text.lower(), text.upper())))


@lru_cache(4096)
def _exactly(unit: str) -> Sequence[str]:
    """Return patterns for the ways to write one character, in this case."""
    code, raw = ord(unit), unit.encode("utf-8", "surrogatepass")
    ways = [
        "".join(rf"\\{{1,8}}x{_hex(f'{byte:02x}')}" for byte in raw),
        f"&#(?:0{{0,4}}{code}|[xX]0{{0,4}}{_hex(f'{code:x}')});",
        "".join(rf"\\{{1,8}}u{_hex(each)}" for each in _utf_16(unit)),
        rf"\\{{1,8}}U{_hex(f'{code:08x}')}",
    ]
    if unit == "%":
        ways += ["%" + "25" * times for times in range(1, 4)]
    else:
        ways.append("".join(f"%(?:25){{0,2}}{_hex(f'{byte:02x}')}" for byte in raw))
    if code < 0x100:
        ways.append(rf"\\{{1,8}}x{_hex(f'{code:02x}')}")
    if unit in _HTML:
        ways.append(f"&{_HTML[unit]};")
    if unit in "+/":  # base64 for URLs
        ways.append("-" if unit == "+" else "_")
    if unit == "\\":
        ways += [r"\\" * times for times in range(1, 9)]
    else:
        ways.append(r"\\{0,8}" + re.escape(unit))
    return list(dict.fromkeys(ways))


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _utf_16(unit: str) -> Sequence[str]:
    raw = unit.encode("utf-16-be", "surrogatepass")
    return [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]
