r"""One greeting a line, with or without its code, so that it can be typed, pasted or made by a script.

`\xNN` stands for a byte, `\r`, `\n` and `\t` for the control characters, `\\` for a backslash, so that a greeting of
several lines fits on one: `220-mx\r\n220 mx ESMTP`. This is also how a record's `banner.text` is written. Any other
backslash is itself: people paste greetings as they are. Characters beyond ASCII are taken as UTF-8.

A text that does not begin with a reply code gets "220 ", since lists of greetings are often kept without; not so the
first words of other protocols. A line end is added when there is none. Empty lines and lines that begin with "#" are
left out.
"""

import re
from typing import Final

from scanner import lazy
from scanner.importers.imported import Kept
from scanner.smtp import is_other_protocol
from scanner.smtp.grammar import CODE

_ESCAPE: Final = lazy.pattern(rb"\\(?:x([0-9A-Fa-f]{2})|([rnt\\]))")
_CONTROLS: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def parse_text(text: bytes) -> Kept:
    """Return the greeting that one line of text stands for. Any text is one."""
    raw = _ESCAPE.sub(_byte, text)
    if CODE.match(raw) is None and not is_other_protocol(raw):
        raw = b"220 " + raw
    return Kept(raw if raw.endswith(b"\n") else raw + b"\r\n")


def read_line(line: bytes) -> list[Kept]:
    """Return the greeting of a line of a file, or none."""
    return [] if line.startswith(b"#") or not line.strip() else [parse_text(line)]


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else _CONTROLS[match[2]]
