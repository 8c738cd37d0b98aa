r"""Write hostile bytes as printable ASCII that can be shown, logged and stored, and turned back into the bytes.

0x20 to 0x7E stand for themselves, except the backslash, which is doubled; every other byte becomes `\xNN` with two
lower-case hex digits. So no byte of a peer can move a cursor, end a line or control a terminal, and equal texts mean
equal bytes. Programs that render the text must still quote what it says (a formula for a spreadsheet, HTML).

Nearly every greeting is plain ASCII: one search finds that, and the bytes are decoded as they are. Most others have
several lines and are plain except for CR LF.
"""

import re
from typing import Final

from scanner import lazy

_SPECIAL: Final = lazy.pattern(rb"[^ -\[\]-~]")
_TABLE: Final = {ordinal: f"\\x{ordinal:02x}" for ordinal in (*range(0x20), *range(0x7F, 0x100))}
_ESCAPED: Final = lazy.pattern(r"\\(?:x([0-9a-f]{2})|(\\))|([^ -~]|\\)")


def is_plain(raw: bytes) -> bool:
    """Return whether `escape` would leave every byte as it is."""
    return _SPECIAL.search(raw) is None


def escape(raw: bytes) -> str:
    """Return printable ASCII from which `unescape` makes exactly these bytes again."""
    if _SPECIAL.search(raw) is None:
        return raw.decode("ascii")
    text = raw.decode("latin-1").replace("\\", "\\\\").replace("\r\n", "\\x0d\\x0a")
    return text if text.isascii() and text.isprintable() else text.translate(_TABLE)


def unescape(text: str) -> bytes:
    """Return the bytes that `escape` was given.

    Raises:
        ValueError: if a backslash does not begin an escape, or a character is not printable ASCII.
    """
    return _ESCAPED.sub(_unescaped, text).encode("latin-1")


def _unescaped(match: re.Match[str]) -> str:
    digits, backslash, stray = match.groups()
    if stray is not None:
        raise ValueError(f"not escaped text: {stray!r} at {match.start()}")
    return chr(int(digits, 16)) if backslash is None else "\\"
