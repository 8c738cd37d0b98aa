"""Read TOML files that people write, with limits; every problem is one kind of error.

Python's reader follows nested brackets by recursion, reads integers of any length, and its time grows with the square
of the number of a key's parts. Here each of these is a `tomllib.TOMLDecodeError` with a message for people. Integers
have 64 bits, as in TOML 1.0, so code that computes with them or prints them needs no further check.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

from scanner import lazy
from scanner.files.text_input import utf_8

#: Parts of a dotted key. A list of addresses in one text has a few dots, never this many in a row.
_MOST_PARTS: Final = 64
_MANY_PARTS = lazy.pattern(rf"(?:[\w\"'-]+[ \t]*\.[ \t]*){{{_MOST_PARTS}}}")
_INTEGERS: Final = range(-(2**63), 2**63)
#: Bytes of a file: half a million addresses fit. A longer file is a device, or something else.
_MOST_BYTES: Final = 1 << 23


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16, without a byte order mark. Raises OSError and UnicodeDecodeError.

    Raises:
        tomllib.TOMLDecodeError: if it is longer than any such file, as a device is.
    """
    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise tomllib.TOMLDecodeError(f"more than {_MOST_BYTES:,} bytes")
    return utf_8(raw).decode()


def loads(text: str) -> dict[str, Any]:
    """Return the document of a text.

    Raises:
        tomllib.TOMLDecodeError: for any mistake in it.
    """
    if _MANY_PARTS.search(text):
        raise tomllib.TOMLDecodeError(f"a key has more than {_MOST_PARTS} parts")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError("nested too deeply") from None
    except ValueError:  # Python's limit for the digits of an integer
        raise tomllib.TOMLDecodeError("an integer has too many digits") from None
    _check_integers(document)
    return document


def _check_integers(document: dict[str, Any]) -> None:
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, int) and value not in _INTEGERS:
            raise tomllib.TOMLDecodeError("an integer has more than 64 bits")
