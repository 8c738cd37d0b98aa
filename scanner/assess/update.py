"""Newer facts from files that the user has: NVD's API 2.0, CVE records 5.x, CISA's list of exploited vulnerabilities.

Nothing is downloaded here. A file (or each `.json` and `.json.gz` file of a folder) is read whole and checked before
anything is written, and the result takes the place of the user's data file in one step: a bad file leaves everything
as it was.

What is taken: for a flaw we know, its score (NVD's before others') and, where our own row rests on NVD alone, its
versions; where upstream's notes were followed instead, or a note corrects NVD, ours stay. For a flaw we do not know, a
new row, when it names a product of ours with versions we can compare. What those files cannot know (attack path,
condition, who can reach it) stays as it was, or unknown, and a note says that nobody has reviewed the row. Flaws that
were left out of our data on purpose stay out.

Sources: NVD API 2.0 schema (nvd_cve_cpe), CVE JSON 5.1 schema, CISA KEV catalog schema.
"""

import gzip
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, Final
from zlib import error as zlib_error

import orjson

from scanner.assess.facts import FORMAT, Facts, merged, problems, read_document
from scanner.assess.feeds import Entry, read_cve_record, read_nvd_item
from scanner.clashes import Named, named, refuse_clashes
from scanner.errors import InputError
from scanner.file_names import JSON_DOCUMENT, require_fitting_name
from scanner.files import make_folders
from scanner.places import FilePlace, always
from scanner.text_input import utf_8

_NOT_REVIEWED: Final = "Taken from a public record as it is; not reviewed."
_SUFFIXES = (".json", ".json.gz")
#: NVD's largest file, a year, is 200 MB. More than this is none, and would not fit into memory beside everything else.
_LARGEST_BYTES: Final = 1 << 29
_PIECE_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Outcome:
    """What an update did: files and records read, rows new and changed, records that named no version of ours.

    `changes` says what is different now, one line for each row; `compiled` is the day of the facts before and after.
    `left_open` are flaws without a row that name a product of ours, and no version of it that can be compared, as
    records do that nobody analysed, and KEV always.
    """

    files: int = 0
    records: int = 0
    unknown_files: int = 0
    unusable: int = 0
    new: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)
    compiled: tuple[str, str] = ("", "")
    left_open: set[str] = field(default_factory=set)


def update(source: Path, user_file: Path, known: Facts) -> Outcome:
    """Read `source` (a file or folder) and write what is newer than `known` to `user_file`, beside what it had.

    Raises:
        InputError: when a file cannot be read, is damaged, or is none of the three formats; nothing was written.
        SinkError: when the disk does not take the result; the old file is then still there.
    """
    require_usable(source, user_file)
    outcome, rows = Outcome(), dict[tuple[str, str], dict[str, Any]]()
    before = {(row["product"], row["id"]): row for row in known.document["vulnerabilities"]}
    compiled = known.compiled
    is_feed, listings = source.is_dir(), list[tuple[str, str, str]]()
    for path in _files(source):
        document = _read(path)
        entries, listed, whole = _entries(document, known, outcome, path, strict=not is_feed)
        for entry in entries:
            compiled = max(compiled, entry.as_of) if is_feed or whole else compiled
            _take(entry, before, rows, known, outcome)
        listings += listed
    for cve, added, as_of in listings:  # last: the record of a listed flaw may be in a later file
        _take_listing(cve, added, as_of, before, rows, outcome)
    _write(user_file, _document(user_file, rows, compiled, known))
    outcome.changes = [line for key in sorted(rows) for line in changes(before.get(key), rows[key])]
    outcome.compiled = (known.compiled, compiled)
    known_flaws = {name for row in (*before.values(), *rows.values()) for name in (row["id"], row.get("alias"))}
    outcome.left_open -= known_flaws | set(known.document.get("left_out", ()))
    return outcome


def changes(old: dict[str, Any] | None, new: dict[str, Any]) -> Iterator[str]:
    """Say what is different in a row; nothing when it was only read again."""
    name = f"{new['id']} ({new['product']})"
    if old is None:
        yield f"new: {name}: {_spoken_ranges(new)}{_spoken_score(new)}"
        return
    parts = []
    if old["ranges"] != new["ranges"]:
        parts.append(f"affected: {_spoken_ranges(old)}, now {_spoken_ranges(new)}")
    if old.get("cvss") != new.get("cvss"):
        was, now = (row.get("cvss", {}).get("score", "none") for row in (old, new))
        parts.append(f"score was {was}, is {now}" if was != now else f"score is still {now}, with another vector")
    if old.get("kev") != new.get("kev"):
        parts.append(f"known to be exploited since {new['kev']}")
    if parts:
        yield f"changed: {name}: {'; '.join(parts)}"


def _spoken_ranges(row: dict[str, Any]) -> str:
    return ", ".join(map(_spoken_range, row["ranges"]))


def _spoken_range(bounds: dict[str, str]) -> str:
    low, last = bounds.get("introduced"), bounds.get("last_affected")
    if low is not None and low == last:
        return low
    if low is None:
        return f"versions up to {last}" if last is not None else f"versions before {bounds['fixed']}"
    return f"{low} to {last}" if last is not None else f"{low} to before {bounds['fixed']}"


def _spoken_score(row: dict[str, Any]) -> str:
    return f", score {row['cvss']['score']:.1f}" if "cvss" in row else ""


def require_usable(source: Path, user_file: Path) -> None:
    """Refuse a file that could not be read or replaced, or that the facts come from, before anything is read.

    Raises:
        InputError: saying why.
    """
    require_fitting_name(str(user_file), user_file, JSON_DOCUMENT)
    refuse_clashes([Named("the data file", user_file)], named("--update", source))
    if os.path.lexists(user_file):
        FilePlace(user_file, may_replace=always)


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file())
    if not found:
        raise InputError(f"{source}: no file that ends in .json or .json.gz")
    return found


def _read(path: Path) -> Any:
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            text = _whole(stream, path)
    except (OSError, EOFError, zlib_error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    is_plain = text.startswith((b"{", b"[")) and text[1:2] != b"\0"  # the usual case, which needs no copy
    try:
        return orjson.loads(text if is_plain else utf_8(bytes(text)))
    except ValueError as error:
        raise InputError(f"{path}: no valid JSON: {error}") from error


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


def _entries(
    document: Any, known: Facts, outcome: Outcome, path: Path, *, strict: bool
) -> tuple[list[Entry], list[tuple[str, str, str]], bool]:
    """Return the flaws of a file, its listings as exploited, and whether it is a whole feed of flaws."""
    outcome.files += 1
    try:
        if isinstance(document, dict) and "catalogVersion" in document:
            listed = [(item["cveID"], item["dateAdded"]) for item in document["vulnerabilities"]]
            released = str(document["dateReleased"])[:10]
            outcome.records += len(listed)
            outcome.left_open.update(item["cveID"] for item in document["vulnerabilities"] if _is_ours(item, known))
            return [], [(cve, added, released) for cve, added in listed], False
        items, whole = list(_items(document)), "vulnerabilities" in document
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the layout it claims: {type(error).__name__} {str(error)!a}") from error
    if not items:
        if strict and not whole:
            raise InputError(f"{path}: neither NVD API 2.0, nor CVE JSON 5, nor CISA KEV")
        outcome.unknown_files += not whole
    entries = []
    for read, item in items:
        outcome.records += 1
        try:
            found, unusable = read(item, known.document["products"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: a record is damaged: {type(error).__name__} {str(error)!a}") from error
        outcome.unusable += unusable
        if unusable:
            outcome.left_open.add(str(item["id"] if read is read_nvd_item else item["cveMetadata"]["cveId"]))
        entries += found
    return entries, [], whole


def _is_ours(item: Any, known: Facts) -> bool:
    """Say whether an entry of KEV names a product of ours, by the words it has for it."""
    said = f"{item.get('vendorProject', '')} {item.get('product', '')}".casefold()
    return any(name.casefold() in said for entry in known.document["products"].values() for name in entry["names"])


def _items(document: Any) -> Iterator[tuple[Any, Any]]:
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


def nvd_items(source: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the NVD records (`cve` objects) of a file, or of all files of a folder, with the file of each.

    Raises:
        InputError: when a file cannot be read, or is damaged.
    """
    for path in _files(source):
        document = _read(path)
        try:
            found = [item for read, item in _items(document) if read is read_nvd_item]
        except (LookupError, TypeError) as error:
            raise InputError(f"{path}: not the layout it claims: {type(error).__name__} {str(error)!a}") from error
        yield from ((path, item) for item in found)


def _take(
    entry: Entry,
    before: dict[tuple[str, str], dict[str, Any]],
    rows: dict[tuple[str, str], dict[str, Any]],
    known: Facts,
    outcome: Outcome,
) -> None:
    key = entry.product, entry.id
    row = rows.get(key, before.get(key))
    if entry.id in known.document.get("left_out", ()) or (row is not None and row["as_of"] >= entry.as_of):
        return
    if row is None:
        rows[key] = _new_row(entry)
        outcome.new.add(entry.id)
        return
    changed = {**row, "as_of": entry.as_of, "sources": [*row["sources"], entry.source]}
    known_scorer = row.get("cvss", {}).get("scored_by")
    if entry.cvss is not None and (known_scorer != "nvd" or entry.cvss["scored_by"] == "nvd"):
        changed["cvss"] = entry.cvss
    if _rests_on_nvd_alone(row):
        changed["ranges"] = entry.ranges
    rows[key] = changed
    outcome.changed.update({entry.id} - outcome.new)


def _rests_on_nvd_alone(row: dict[str, Any]) -> bool:
    """Say whether nobody corrected NVD's versions: a note tells where they were."""
    return row.get("range_basis") == "nvd" and row.get("note") in {None, _NOT_REVIEWED}


def _new_row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "product": entry.product,
        "summary": entry.summary,
        "ranges": entry.ranges,
        **({} if entry.cvss is None else {"cvss": entry.cvss}),
        "smtp_unauthenticated": None,
        "published": entry.published,
        "as_of": entry.as_of,
        "range_basis": "nvd",
        "note": _NOT_REVIEWED,
        "sources": [entry.source],
    }


def _take_listing(
    cve: str,
    added: str,
    as_of: str,
    before: dict[tuple[str, str], dict[str, Any]],
    rows: dict[tuple[str, str], dict[str, Any]],
    outcome: Outcome,
) -> None:
    for key in {**before, **rows}:
        row = rows.get(key) or before[key]
        if cve in (row["id"], row.get("alias")) and row.get("kev") != added:
            rows[key] = {**row, "kev": added, "as_of": max(row["as_of"], as_of)}
            outcome.changed.update({row["id"]} - outcome.new)


def _document(
    user_file: Path, rows: dict[tuple[str, str], dict[str, Any]], compiled: str, known: Facts
) -> dict[str, Any]:
    """Return the user's rows of before with the new ones over them, checked as if they were read."""
    try:
        old: Iterable[dict[str, Any]] = read_document(user_file.read_bytes(), str(user_file))["vulnerabilities"]
    except FileNotFoundError:
        old = ()
    except OSError as error:
        raise InputError(f"{user_file}: cannot be read: {error.strerror}") from error
    together = {(row["product"], row["id"]): row for row in old} | rows
    document = {
        "format": FORMAT,
        "compiled": compiled,
        "vulnerabilities": [together[key] for key in sorted(together)],
    }
    for problem in problems(document):
        raise InputError(f"the records make no usable data: {problem}")
    merged(known, document, str(user_file))
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    """Put the document in the place of the file in one step, readable by its owner only."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        make_folders(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    FilePlace(path, may_replace=always).write(text)  # what was there was read: it is a file of ours
