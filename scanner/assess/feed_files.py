"""Find the files of newer vulnerability data in a folder, read them within limits, and cut them into records.

Known formats are NVD's API 2.0 (feeds and single records) and CVE records 5.x; `feeds` reads the records. Left out:
CISA's list of exploited vulnerabilities, whose entries are not records (`update` reads it).
"""

import gzip
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, Final
from zlib import error as zlib_error

import orjson

from scanner.assess.feeds import read_cve_record, read_nvd_item
from scanner.errors import InputError
from scanner.files.text_input import utf_8

_SUFFIXES = (".json", ".json.gz")
#: NVD's largest file, a year, is 200 MB. A larger file is not a feed, and might not fit into memory.
_LARGEST_BYTES: Final = 1 << 29
_PIECE_BYTES: Final = 1 << 20


def files_of(source: Path) -> list[Path]:
    """Return a file, or all files of a folder that may be facts, sorted.

    Raises:
        InputError: when the folder has none.
    """
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file())
    if not found:
        raise InputError(f"{source}: no file that ends in .json or .json.gz")
    return found


def read(path: Path) -> Any:
    """Return the JSON document in a file.

    Raises:
        InputError: when it cannot be read, is too large, or is not JSON.
    """
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            text = _whole(stream, path)
    except (OSError, EOFError, zlib_error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    is_plain = text.startswith((b"{", b"[")) and text[1:2] != b"\0"  # the usual case, which needs no copy
    try:
        return orjson.loads(text if is_plain else utf_8(bytes(text)))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error


def _whole(stream: gzip.GzipFile | BufferedReader, path: Path) -> bytearray:
    """Return the contents, unpacked as they are read: a small file can hold more than there is memory."""
    text = bytearray()
    while piece := stream.read(_PIECE_BYTES):
        text += piece
        if len(text) > _LARGEST_BYTES:
            raise InputError(
                f"{path}: holds more than {_LARGEST_BYTES >> 20:,} MiB: no list of vulnerabilities is so large"
            )
    return text


def items_of(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each record with the function that reads it."""
    if not isinstance(document, dict):
        return
    if document.get("dataType") == "CVE_RECORD":
        yield read_cve_record, document
    elif "vulnerabilities" in document:
        yield from ((read_nvd_item, item["cve"]) for item in document["vulnerabilities"])
    elif "cve" in document:
        yield read_nvd_item, document["cve"]
    elif "sourceIdentifier" in document:
        yield read_nvd_item, document


def record_name(item: Any) -> str:
    """Return the name of a record for messages, whatever its layout."""
    found = None
    if isinstance(item, dict):
        metadata = item.get("cveMetadata")
        found = item.get("id", metadata.get("cveId") if isinstance(metadata, dict) else None)
    return f"the record {found[:40]!a}" if isinstance(found, str) else "a record without a name"


def layout_error(error: Exception) -> str:
    """Return what is wrong with the layout of a record, in words for people."""
    if isinstance(error, KeyError):
        return f"{str(error.args[0])[:40]!a} is missing in it"
    if isinstance(error, ValueError) and str(error).startswith("no "):
        return str(error)  # a message of this package
    return "a value in it is none that can stand there"


def page_counts(document: Any) -> tuple[int, int] | None:
    """Return how many records an answer of NVD has, and its total of them; None where it has no total."""
    total = document.get("totalResults") if isinstance(document, dict) else None
    found = document.get("vulnerabilities") if isinstance(document, dict) else None
    return (len(found), total) if type(total) is int and isinstance(found, list) else None


def nvd_items(source: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the NVD records (`cve` objects) of a file, or of all files of a folder, with the file of each.

    Raises:
        InputError: when a file cannot be read, or is damaged.
    """
    for path in files_of(source):
        document = read(path)
        try:
            found = [item for reader, item in items_of(document) if reader is read_nvd_item]
        except (LookupError, TypeError) as error:
            raise InputError(f"{path}: not the layout it claims: {layout_error(error)}") from error
        yield from ((path, item) for item in found)
