"""Take newer vulnerability data from files: NVD's API 2.0, CVE records 5.x, CISA's list of exploited vulnerabilities.

Nothing is downloaded. A file (or each `.json` and `.json.gz` file of a folder) is read whole and checked before
anything is written, and the result replaces the user's data file in one step: a bad file leaves everything as it was.

For a known flaw an update takes its score (NVD's before others') and, where the row rests on NVD alone, its versions;
where the row follows upstream's notes, or a note corrects NVD, the row's versions stay. An unknown flaw becomes a new
row when it names a known product with versions that can be compared. What those files do not contain (attack path,
condition, who can reach it) stays as it was, or unknown, and a note marks the row as not reviewed. Flaws that were left
out of the data on purpose stay out.

An unknown flaw of a known product without usable versions becomes a row without ranges: it leaves every release
undecided until a record has more. Days in the future count as today, since they would make the data look new for ever.

Sources: NVD API 2.0 schema (nvd_cve_cpe), CVE JSON 5.1 schema, CISA KEV catalog schema.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scanner.assess.changed_rows import changes
from scanner.assess.descriptions import products_in_description
from scanner.assess.facts import Facts, merged
from scanner.assess.facts_format import FORMAT, problems, read_document
from scanner.assess.feed_files import files_of, items_of, layout_error, page_counts, read, record_name
from scanner.assess.feeds import AffectedProduct, day_of, summary_of
from scanner.errors import InputError
from scanner.files.clashes import Named, named, refuse_clashes
from scanner.files.names import JSON_DOCUMENT, require_fitting_name
from scanner.files.places import FilePlace, always
from scanner.files.whole import make_folders

#: What stands in KEV where no single maker or product is named.
_NOT_NAMED: Final = frozenset({"", "n/a", "n/a n/a", "unspecified"})
_NOT_REVIEWED: Final = "Taken from a public record as it is; not reviewed."


@dataclass(slots=True)
class UpdateOutcome:
    """What an update did: files and records read, rows new and changed, records that named no version of ours.

    `changes` says what is different now, one line for each row; `compiled` is the day of the facts before and after.
    `left_open` are flaws that name a product of ours, and no version of it that can be compared, as in records that
    were not analysed, and KEV always: they are rows without ranges.
    `in_future` are records and lists with a day that has not come, each with that day. `pages` are NVD's answers: how
    many records one has in all (answers of the same number are pages of one), and how many of them were read.
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
    in_future: dict[str, str] = field(default_factory=dict)
    pages: dict[int, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many records are in no file that was read, by what the answers of NVD say of themselves."""
        return sum(max(0, total - found) for total, found in self.pages.items())


class _Listing(NamedTuple):
    """A flaw that CISA lists as exploited, and the products of ours that the list's words name."""

    cve: str
    added: str
    as_of: str
    summary: str
    products: tuple[str, ...]


_Rows = dict[tuple[str, str], dict[str, Any]]


def update(sources: Sequence[Path], user_file: Path, known: Facts, today: date) -> UpdateOutcome:
    """Read `sources` (files and folders) and write what is newer than `known` to `user_file`, beside what it had.

    Days after `today` (UTC) count as today.

    Raises:
        InputError: when a file cannot be read, is damaged, or is none of the three formats; nothing was written.
        SinkError: when the disk does not take the result; the old file is then still there.
    """
    for source in sources:
        require_usable(source, user_file)
    outcome, rows = UpdateOutcome(), _Rows()
    clock = _Clock(today, outcome)
    before = {(row["product"], row["id"]): row for row in known.document["vulnerabilities"]}
    compiled, listings, found = min(known.compiled, clock.today), list[_Listing](), list[AffectedProduct]()
    for source in sources:
        for path in files_of(source):
            document = read(path)
            entries, listed, whole = _entries(document, known, outcome, path, strict=not source.is_dir())
            entries = list(map(clock.entry, entries))
            if source.is_dir() or (whole and not outcome.missing):
                compiled = max([compiled, *(each.as_of for each in entries)])
            found += entries
            listings += map(clock.listing, listed)
    for entry in sorted(found, key=lambda each: (each.as_of, not each.source.startswith("NVD"))):
        _apply(entry, before, rows, known, outcome)
    for listing in listings:  # last: the record of a listed flaw may be in a later file
        _apply_listing(listing, before, rows, known, outcome)
    outcome.left_open = {row["id"] for row in rows.values() if not row["ranges"]}
    _write(user_file, _document(user_file, rows, compiled, known))
    outcome.changes = [line for key in sorted(rows) for line in changes(before.get(key), rows[key])]
    outcome.compiled = (known.compiled, compiled)
    return outcome


class _Clock:
    """Replaces days in the future by today, and remembers which records had them."""

    def __init__(self, today: date, outcome: UpdateOutcome) -> None:
        self.today, self._outcome = today.isoformat(), outcome

    def entry(self, entry: AffectedProduct) -> AffectedProduct:
        return replace(entry, as_of=self._day(entry.id, entry.as_of))

    def listing(self, listing: _Listing) -> _Listing:
        as_of, added = self._day("the list of exploited flaws", listing.as_of), self._day(listing.cve, listing.added)
        return listing._replace(as_of=as_of, added=added)

    def _day(self, whose: str, day: str) -> str:
        if day <= self.today:
            return day
        self._outcome.in_future[whose] = day
        return self.today


def require_usable(source: Path, user_file: Path) -> None:
    """Refuse a file that could not be read or replaced, or that the facts come from, before anything is read.

    Raises:
        InputError: saying why.
    """
    require_fitting_name(str(user_file), user_file, JSON_DOCUMENT)
    refuse_clashes([Named("the data file", user_file)], named("--update", source))
    if os.path.lexists(user_file):
        FilePlace(user_file, may_replace=always)


def _entries(
    document: Any, known: Facts, outcome: UpdateOutcome, path: Path, *, strict: bool
) -> tuple[list[AffectedProduct], list[_Listing], bool]:
    """Return the flaws of a file, its listings as exploited, and whether it is a whole feed of flaws."""
    outcome.files += 1
    if (page := page_counts(document)) is not None:
        outcome.pages[page[1]] = outcome.pages.get(page[1], 0) + page[0]
    try:
        if isinstance(document, dict) and "catalogVersion" in document:
            released = day_of(document["dateReleased"])
            listed = [_listing(item, released, known) for item in document["vulnerabilities"]]
            outcome.records += len(listed)
            return [], listed, False
        items, whole = list(items_of(document)), "vulnerabilities" in document
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not the layout it claims: {layout_error(error)}") from error
    if not items:
        if strict and not whole:
            raise InputError(f"{path}: neither NVD API 2.0, nor CVE JSON 5, nor CISA KEV")
        outcome.unknown_files += not whole
    return _affected_products(items, known, outcome, path), [], whole


def _affected_products(
    items: Iterable[tuple[Any, Any]], known: Facts, outcome: UpdateOutcome, path: Path
) -> list[AffectedProduct]:
    """Return what the records of a file contain about known products; each record comes with its reader."""
    entries: list[AffectedProduct] = []
    for reader, item in items:
        outcome.records += 1
        try:
            found, unusable = reader(item, known.document["products"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: {record_name(item)} is damaged: {layout_error(error)}") from error
        outcome.unusable += unusable
        entries += found
    return entries


def _listing(item: Any, released: str, known: Facts) -> _Listing:
    """Return an entry of KEV, with the products of ours that its words name."""
    said = f" {item.get('vendorProject', '')} {item.get('product', '')} ".casefold()
    products = tuple(
        key
        for key, entry in known.document["products"].items()
        if any(re.search(rf"(?<![0-9a-z]){re.escape(name.casefold())}(?![0-9a-z])", said) for name in entry["names"])
    )
    if said.strip() in _NOT_NAMED or "multiple" in said:
        told = f"{item.get('vulnerabilityName', '')}. {item.get('shortDescription', '')}"
        products = (
            *products,
            *(key for key in products_in_description(told, known.document["products"]) if key not in products),
        )
    summary = summary_of(str(item.get("vulnerabilityName") or item["cveID"]))
    return _Listing(item["cveID"], day_of(item["dateAdded"]), released, summary, products)


def _apply(entry: AffectedProduct, before: _Rows, rows: _Rows, known: Facts, outcome: UpdateOutcome) -> None:
    key = entry.product, entry.id
    row = rows.get(key, before.get(key))
    if entry.id in known.document.get("left_out", ()):
        return
    if row is None:
        if entry.ranges or not _is_alias(entry.product, entry.id, before):
            rows[key] = _new_row(entry)
            outcome.new.add(entry.id)
        return
    is_told_at_last = bool(entry.ranges) and not row["ranges"]
    if (row["as_of"] >= entry.as_of and not is_told_at_last) or (row["ranges"] and not entry.ranges):
        return
    as_of = max(row["as_of"], entry.as_of)
    changed = {**row, "as_of": as_of, "sources": [*row["sources"], entry.source]}
    known_scorer = row.get("cvss", {}).get("scored_by")
    if entry.cvss is not None and (known_scorer != "nvd" or entry.cvss["scored_by"] == "nvd"):
        changed["cvss"] = entry.cvss
    if _rests_on_nvd_alone(row):
        changed["ranges"] = entry.ranges
    if is_told_at_last:
        changed["summary"] = entry.summary
    rows[key] = changed
    outcome.changed.update({entry.id} - outcome.new)


def _is_alias(product: str, identifier: str, rows: _Rows) -> bool:
    """Tell whether a flaw is known under another id."""
    return any(each == product and row.get("alias") == identifier for (each, _), row in rows.items())


def _rests_on_nvd_alone(row: dict[str, Any]) -> bool:
    """Tell whether the versions are NVD's own; a note shows that they were corrected."""
    return row.get("range_basis") == "nvd" and row.get("note") in {None, _NOT_REVIEWED}


def _new_row(entry: AffectedProduct) -> dict[str, Any]:
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


def _apply_listing(listing: _Listing, before: _Rows, rows: _Rows, known: Facts, outcome: UpdateOutcome) -> None:
    cve, is_known = listing.cve, listing.cve in known.document.get("left_out", ())
    for key in {**before, **rows}:
        row = rows.get(key) or before[key]
        if cve in (row["id"], row.get("alias")):
            is_known = True
            if row.get("kev") != listing.added:
                rows[key] = {**row, "kev": listing.added, "as_of": max(row["as_of"], listing.as_of)}
                outcome.changed.update({row["id"]} - outcome.new)
    for product in () if is_known else listing.products:
        source = f"CISA KEV, released {listing.as_of}"
        entry = AffectedProduct(cve, product, listing.summary, [], None, listing.added, listing.as_of, source)
        rows[product, cve] = {**_new_row(entry), "kev": listing.added}
        outcome.new.add(cve)


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
