r"""One filter for secrets in messages: whatever a receiver sends back, our secrets are not in what we show or keep.

Problem: a receiver that repeats a request in its answer (debugging proxies do, and hostile ones) puts our token into
an error message, and from there onto the terminal and into summaries, dead letters, logs and metrics. It may write it
as it is, in an encoding, or cut.

Approach: each character of a secret becomes a small pattern that knows how it may be written: itself, after
backslashes (JSON, repr), as `%2F`, `\x2f`, `\u002f` or `&#47;`. A secret is these patterns in a row, so mixtures are
found, too. A peer may change upper and lower case (of header lines, say), so they are not told apart. Base64 encodes
three bytes as four characters, so a secret within longer text ("user:password") has three possible encodings, of which
the inner characters depend on the secret alone: each is a row of its own. Half of a row, 8 characters at least, is
enough: texts are cut. `***` stands for what was found.

A secret of less than 4 characters is hidden only where it stands alone, and as "user:secret" in base64: three letters
are in every other message, and hiding them would hide the message. Such a secret protects nothing; a warning says so.

Left out: what is derived from a secret (signatures, SCRAM proofs), other encodings (hexadecimal), single characters.
"""

import base64
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TextIO

from scanner.smtp import escape

MASK: Final = "***"
#: Characters: shorter secrets are hidden only where they stand alone.
SHORT: Final = 4
#: Characters of a secret, from its beginning, that are enough to hide them, should they be less than the half.
_ENOUGH: Final = 8
#: Characters of the pattern that is searched for; what follows is compared one by one.
_HEAD: Final = 16
#: Characters of a secret that is looked for as a whole first, with all that it may mean: `%41` is an A, or itself.
_WHOLE: Final = 256
#: Bytes of a peer's text that are looked at.
_WINDOW_BYTES: Final = 1 << 16
_HTML: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_BASE64: Final = "[A-Za-z0-9+/_-]"
_PADDING: Final = "(?:=|%(?:25){0,2}3[dD])"


class Redaction:
    """The secrets of one destination, and texts without them."""

    def __init__(self, *secrets: str) -> None:
        self._rows: list[_Row] = []
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return "Redaction(...)"

    def add(self, secret: str, user: str | None = None) -> None:
        """Hide a secret from now on, and how it is sent together with the name of a user (Basic, SASL PLAIN)."""
        if not secret:
            return
        self._rows.append(_Row(secret, alone=len(secret) < SHORT))
        for cased in _cased(secret):
            raw = cased.encode("utf-8", "surrogatepass")
            if len(raw) >= SHORT:
                self._rows += [_Row(core, frame=True) for core in _base64_cores(raw)]
        for whole in () if user is None else (f"{user}:{secret}", f"\0{user}\0{secret}"):
            encoded = base64.b64encode(whole.encode("utf-8", "surrogatepass")).decode("ascii")
            self._rows.append(_Row(encoded.rstrip("="), frame=True))

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
            limit: how many of its bytes are shown; all characters of an escaped one belong to it.
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
        """Clean what every handler of the root logger writes from now on, libraries' messages among it."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._clean_log)

    def _clean_log(self, record: logging.LogRecord) -> bool:
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
    """A stream of text that passes whole lines on without secrets: for what libraries print and for tracebacks."""

    def __init__(self, stream: TextIO, redactions: Iterable[Redaction]) -> None:
        self._stream, self._redactions = stream, tuple(redactions)
        self._held = ""

    def write(self, text: str, /) -> int:
        """Take text; what is no whole line yet waits for its end or for `flush`."""
        lines, end, self._held = (self._held + text).rpartition("\n")
        if end:
            self._pass_on(lines + end)
        if len(self._held) > _WINDOW_BYTES:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Pass on what waits."""
        held, self._held = self._held, ""
        self._pass_on(held)
        self._stream.flush()

    def _pass_on(self, text: str) -> None:
        for redaction in self._redactions:
            text = redaction.clean(text)
        self._stream.write(text)


class _Row:
    """A secret, or one of its encodings, as patterns in a row."""

    def __init__(self, text: str, *, alone: bool = False, frame: bool = False) -> None:
        """Take the text; `alone`: only where it is not part of a word; `frame`: base64, with what belongs around it."""
        units = [_pattern(unit) for unit in re.findall(r"\s+|.", text, re.DOTALL)]
        self._enough = min(len(units), max(_ENOUGH, (len(units) + 1) // 2))
        head = "".join(units[: min(self._enough, _HEAD)])
        before, after = (rf"{_BASE64}?", rf"{_BASE64}?{_PADDING}*") if frame else ("", "")
        self._head = re.compile(rf"(?<![A-Za-z0-9]){head}(?![A-Za-z0-9])" if alone else before + head, re.IGNORECASE)
        self._whole = _compiled(before + "".join(units)) if len(units) <= _WHOLE and not alone else None
        self._rest = [_compiled(unit) for unit in units[min(self._enough, _HEAD) :]]
        self._after = re.compile(after)
        #: Characters that any way of writing it has at most.
        self.reach = 16 * len(units)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield from where to where it stands in a text."""
        at = 0
        while found := self._head.search(text, at):
            end = self._end(text, found)
            if end is None:
                at = found.start() + 1
                continue
            framed = self._after.match(text, end)
            at = framed.end() if framed else end
            yield found.start(), at

    def _end(self, text: str, found: re.Match[str]) -> int | None:
        """Return up to where a secret goes whose beginning was found; None when it is too little to be one."""
        if self._whole is not None and (whole := self._whole.match(text, found.start())):
            return whole.end()
        at, count = found.end(), min(self._enough, _HEAD)
        for unit in self._rest:
            if (more := unit.match(text, at)) is None:
                break
            at, count = more.end(), count + 1
        return at if count >= self._enough else None


def _base64_cores(raw: bytes) -> Iterator[str]:
    """Yield the characters that depend on some bytes alone when they are encoded at each of three places."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode("ascii").rstrip("=")
        first = -(-before * 8 // 6)  # the first character without bits of what stands before
        last = (before + len(raw)) * 8 // 6  # the first one that has bits of what stands after
        yield encoded[first:last]


@lru_cache(4096)
def _compiled(unit: str) -> re.Pattern[str]:
    return re.compile(unit, re.IGNORECASE)


@lru_cache(4096)
def _pattern(unit: str) -> str:
    """Return a pattern for the ways to write one character, or a run of white space, which may have been joined."""
    if unit.isspace():
        codes = "(?:20|0[9AaDd])"
        return (
            rf"(?:\s|\+|%(?:25){{0,2}}{codes}|&#(?:32|9|10|13|[xX]0?[29AaDd]0?);|\\{{1,8}}(?:[tnr]|(?:x|u00){codes}))+"
        )
    # The longest first, as below: the capital of a letter may be two.
    ways = ["".join(map(_exactly, cased)) for cased in sorted(_cased(unit), key=len, reverse=True)]
    return f"(?:{'|'.join(ways)})"


def _cased(text: str) -> Sequence[str]:
    """Return a text as it is, in lower case and in upper case, each once."""
    return list(dict.fromkeys((text, text.lower(), text.upper())))


@lru_cache(4096)
def _exactly(unit: str) -> str:
    """Return a pattern for the ways to write one character, in this case."""
    code, raw = ord(unit), unit.encode("utf-8", "surrogatepass")
    ways = [  # the longest first: what follows is compared without a second thought
        "".join(f"%(?:25){{0,2}}{_hex(f'{byte:02x}')}" for byte in raw),
        "".join(rf"\\{{1,8}}x{_hex(f'{byte:02x}')}" for byte in raw),
        f"&#(?:0{{0,4}}{code}|[xX]0{{0,4}}{_hex(f'{code:x}')});",
        "".join(rf"\\{{1,8}}u{_hex(each)}" for each in _utf_16(unit)),
        rf"\\{{1,8}}U{_hex(f'{code:08x}')}",
    ]
    if code < 0x100:
        ways.append(rf"\\{{1,8}}x{_hex(f'{code:02x}')}")
    if unit in _HTML:
        ways.append(f"&{_HTML[unit]};")
    if unit in "+/":  # base64 for URLs
        ways.append("-" if unit == "+" else "_")
    ways.append(r"\\{1,8}" if unit == "\\" else r"\\{0,8}" + re.escape(unit))
    return f"(?:{'|'.join(dict.fromkeys(ways))})"


def _hex(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _utf_16(unit: str) -> Sequence[str]:
    raw = unit.encode("utf-16-be", "surrogatepass")
    return [raw[at : at + 2].hex() for at in range(0, len(raw), 2)]
