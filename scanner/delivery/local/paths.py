"""The names of the files of one `-o`: the path that the text names, and the parts beside it.

`sweep.jsonl` is part 0, `sweep.0001.jsonl` part 1. The number stands before all suffixes: `sweep.0001.jsonl.gz`.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePath
from urllib.parse import unquote_to_bytes, urlsplit

from scanner.delivery.local.compression import is_compressed
from scanner.delivery.local.descriptor import printable
from scanner.errors import InputError


def path_of_url(url: str) -> Path:
    """Return the path of a `file:///absolute/path` URL, percent-encoded (RFC 8089).

    Raises:
        InputError: when the URL names another host, no path, or has a query.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise InputError(f"-o {printable(url)}: must be file:///absolute/path")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def part_path(path: PurePath, part: int) -> PurePath:
    """Return where a part of an output is."""
    if part == 0:
        return path
    stem, suffix = _split(path)
    return path.with_name(f"{stem}.{part:04d}{suffix}")


def is_part_of(path: PurePath) -> Callable[[str], bool]:
    """Return a function that tells whether a file name in the same folder is that of a part, whatever its number."""
    stem, suffix = _split(path)
    pattern = re.compile(rf"{re.escape(stem)}\.\d{{4,}}{re.escape(suffix)}", re.IGNORECASE)
    return lambda name: pattern.fullmatch(name) is not None


def _split(path: PurePath) -> tuple[str, str]:
    suffix = path.suffix
    if is_compressed(path):
        suffix = path.with_suffix("").suffix + suffix
    return path.name.removesuffix(suffix), suffix
