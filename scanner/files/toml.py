"""TOML from files that people write: read whole, with limits, and every trouble is one kind of error.

Python's reader follows brackets with its own stack, reads integers of any length, and needs a time that grows with the
square of a key's parts. Here all of that is `tomllib.TOMLDecodeError`, with a sentence that can be shown; integers are
those of TOML 1.0 (64 bits), which everything that computes with them or prints them can rely on.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

from scanner import lazy
from scanner.files.text_input import utf_8

#: The most parts of a dotted key. A list of addresses in one text has a few dots, never so many in a row.
_MOST_PARTS: Final = 64
_MANY_PARTS = lazy.pattern(rf"(?:[\w\"'-]+[ \t]*\.[ \t]*){{{_MOST_PARTS}}}")
_INTEGERS: Final = range(-(2**63), 2**63)
#: Bytes of a file: half a million addresses fit. What is longer has no end, or is something else.
_MOST_BYTES: Final = 1 << 23


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16, without a byte order mark. Raises OSError and UnicodeDecodeError.

    Raises:
        tomllib.TOMLDecodeError: when it is longer than any such file, as a device is.
    """
    with path.open("rb") as stream:
        raw = stream.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise tomllib.TOMLDecodeError(f"more than {_MOST_BYTES:,} bytes")
    return utf_8(raw).decode()


def loads(text: str) -> dict[str, Any]:
    """Return the document of a text.

    Raises:
        tomllib.TOMLDecodeError: for everything that is wrong with it.
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
