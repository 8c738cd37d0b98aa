r"""Strict readers of CEF and LEEF, written from the specifications and not from our writer.

They refuse what a lenient receiver would guess at, so that a line they read back has one meaning only.
Sources: ArcSight "Common Event Format" (header: `\\` and `\|`; extension: `\\`, `\=`, `\n`, `\r`); IBM "LEEF 2".
"""

import re
from typing import Final, NamedTuple

_HEADER_ESCAPES: Final = {"\\": "\\", "|": "|"}
_VALUE_ESCAPES: Final = {"\\": "\\", "=": "=", "n": "\n", "r": "\r"}
_CEF_KEY: Final = re.compile(r"[A-Za-z0-9_.-]+")
_LEEF_DELIMITER: Final = re.compile(r"(?:0x|x)([0-9A-Fa-f]{1,4})")


class LogLine(NamedTuple):
    """The parts of the header, and the fields."""

    header: list[str]
    fields: dict[str, str]


def read_cef(line: str) -> LogLine:
    """Read one line; raise ValueError for anything that the format does not allow."""
    assert "\n" not in line
    assert "\r" not in line
    header: list[str] = []
    rest = line
    for _ in range(7):
        part, rest = _until_pipe(rest)
        header.append(part)
    if header[0] != "CEF:0":
        raise ValueError(f"not CEF: {header[0]!r}")
    return LogLine(header, _cef_fields(rest))


def _until_pipe(text: str) -> tuple[str, str]:
    made: list[str] = []
    place = 0
    while place < len(text):
        if text[place] == "|":
            return "".join(made), text[place + 1 :]
        if text[place] == "\\":
            place += 1
            made.append(_HEADER_ESCAPES[text[place]])
        else:
            made.append(text[place])
        place += 1
    raise ValueError("the header ends too early")


def _cef_fields(text: str) -> dict[str, str]:
    """Split at every `=` that is not escaped: what is between two of them is a value, a space and the next key."""
    pieces = [""]
    place = 0
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
            if text[place] not in _VALUE_ESCAPES:
                raise ValueError(f"no escape: \\{text[place]}")
            pieces[-1] += f"\\{text[place]}"
        elif character == "=":
            pieces.append("")
        else:
            pieces[-1] += character
        place += 1
    fields: dict[str, str] = {}
    key = pieces[0]
    for number, piece in enumerate(pieces[1:], 1):
        value, next_key = (piece, "") if number == len(pieces) - 1 else piece.rsplit(" ", 1)
        if _CEF_KEY.fullmatch(key) is None or key in fields:
            raise ValueError(f"no key, or one that was there: {key!r}")
        fields[key] = re.sub(r"\\(.)", lambda escape: _VALUE_ESCAPES[escape[1]], value)
        key = next_key
    return fields


def read_leef(line: str) -> LogLine:
    """Read one line; raise ValueError for anything that the format does not allow."""
    assert "\n" not in line
    assert "\r" not in line
    *header, rest = line.split("|", 6)
    if len(header) != 6 or header[0] != "LEEF:2.0":
        raise ValueError(f"not LEEF: {header!r}")
    delimiter = _LEEF_DELIMITER.fullmatch(header[5])
    between = chr(int(delimiter[1], 16)) if delimiter else header[5] or "\t"
    fields: dict[str, str] = {}
    for field in rest.split(between):
        key, equals, value = field.partition("=")
        if not equals or not key.isidentifier() or key in fields:
            raise ValueError(f"no field, or one that was there: {field!r}")
        fields[key] = value
    return LogLine(header, fields)
