r"""Read a text file with one greeting a line, typed, pasted or written by a script, with or without its reply code.

`\xNN` stands for a byte, `\r`, `\n` and `\t` for control characters, `\\` for a backslash. So a greeting of several
lines fits on one: `220-mx\r\n220 mx ESMTP`. A record's `banner.text` is written in the same way. Any other backslash
stands for itself, because people paste greetings as they are. Characters beyond ASCII are read as UTF-8.

Lists of greetings often lack the reply code, so "220 " is put before a text that does not begin with one, except before
the first words of another protocol. A missing line end is added. Empty lines and lines that begin with "#" are skipped.
"""

import re
from typing import Final

from scanner import lazy
from scanner.importers.imported import ImportedBanner
from scanner.smtp import is_other_protocol
from scanner.smtp.grammar import CODE

_ESCAPE: Final = lazy.pattern(rb"\\(?:x([0-9A-Fa-f]{2})|([rnt\\]))")
_CONTROLS: Final = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def parse_text(text: bytes) -> ImportedBanner:
    """Return the greeting that one line of text stands for. Any text is accepted."""
    raw = _ESCAPE.sub(_byte, text)
    if CODE.match(raw) is None and not is_other_protocol(raw):
        raw = b"220 " + raw
    return ImportedBanner(raw if raw.endswith(b"\n") else raw + b"\r\n")


def read_line(line: bytes) -> list[ImportedBanner]:
    """Return the greeting of a line of a file; an empty list for a comment or an empty line."""
    return [] if line.startswith(b"#") or not line.strip() else [parse_text(line)]


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else _CONTROLS[match[2]]
