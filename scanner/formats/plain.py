r"""Make every text of a record printable ASCII, so that no reader takes it for anything but text.

The records of a sweep are printable ASCII already, except for names from the user (targets, scan). But a file can be
edited and hold anything. Here every character outside of printable ASCII becomes `\uXXXX` (`\UXXXXXXXX`), so
that a line of CEF stays one line, and JSON stays one line for readers that break at U+2028, too.

A usual record costs two or three searches in its bytes: a character that matters is not ASCII, or is a JSON escape.
"""

import re
from typing import Any, Final, TypeVar, cast

from scanner.record.document import RecordDocument, RunDocument

Document = TypeVar("Document", RecordDocument, RunDocument)

_ODD: Final = re.compile(r"[^ -~]")
#: Escapes of JSON that stand for a control character or any character; `\\`, `\"` and `\/` do not.
_ESCAPES: Final = (b"\\u", b"\\n", b"\\r", b"\\t", b"\\b", b"\\f")


def plain(document: Document, line: bytes) -> Document:
    """Return the document with every text, keys included, in printable ASCII: itself when it is so already.

    Args:
        document: the decoded line.
        line: the JSON that it was decoded from.
    """
    if line.isascii() and b"\x7f" not in line and not (b"\\" in line and any(each in line for each in _ESCAPES)):
        return document
    return cast("Document", _plain_value(document))


def plain_text(text: str) -> str:
    """Return the text in printable ASCII."""
    if text.isascii() and text.isprintable():
        return text
    return _ODD.sub(lambda odd: _escaped(ord(odd[0])), text)


def _escaped(ordinal: int) -> str:
    return f"\\u{ordinal:04x}" if ordinal < 0x10000 else f"\\U{ordinal:08x}"


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {plain_text(key): _plain_value(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain_value(each) for each in value]
    return value
