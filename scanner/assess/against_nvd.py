"""Compare the rows of the vulnerability data with NVD records in a folder: what is missing, extra, or different.

The rows were written by hand, and NVD goes on changing. With hundreds of records, each row is compared by program:
every version that either side names is looked up in both. A difference is shown with the row's note, which explains why
upstream was followed; it is not a mistake by itself. The kinds of lines are:

- missing: NVD names a known product with versions, there is no row, it was not left out on purpose, and it is not older
  than the search for flaws of that product (`flaws_from`);
- extra: there is an NVD record for the row, and it does not name the product;
- differs: a version has the flaw on one side only;
- explained: the same, and the row has a note.

Left out: scores and texts (`update` takes newer scores), and rows without a record in the folder, which are counted.
Run it with `python -m scanner.assess FOLDER`: JSON of NVD's API 2.0, feeds or one file for each record.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scanner.assess.facts import Facts
from scanner.assess.feed_files import nvd_items
from scanner.assess.feeds import AffectedProduct, read_nvd_item
from scanner.assess.ranges import Range
from scanner.assess.versions import VersionKey, version_key
from scanner.errors import InputError
from scanner.text.counted import counted
from scanner.text.visible import visible

_MOST_VERSIONS: Final = 3
_BOUNDS: Final = ("introduced", "fixed", "last_affected")


@dataclass(slots=True)
class NvdComparison:
    """What was found: lines to show, by kind, and how many rows were compared or have no record."""

    lines: dict[str, list[str]] = field(
        default_factory=lambda: {"missing": [], "extra": [], "differs": [], "explained": []}
    )
    compared: int = 0
    without_record: int = 0
    without_versions: int = 0
    before_search: int = 0

    def shown(self) -> Iterator[str]:
        """Yield the report, line by line, the summary last."""
        for kind, lines in self.lines.items():
            yield from (f"{kind:9} {visible(line)}" for line in lines)
        counts = ", ".join(f"{len(lines)} {kind}" for kind, lines in self.lines.items())
        yield (
            f"{counted(self.compared, 'row')} compared: {counts}; "
            f"{counted(self.without_versions, 'record')} without usable versions, "
            f"{self.before_search} published before the search began; "
            f"rows without a record in the folder: {self.without_record}"
        )

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is left to look at."""
        return not any(self.lines[kind] for kind in ("missing", "extra", "differs"))


def compare(folder: Path, facts: Facts) -> NvdComparison:
    """Compare every row with the NVD records in a folder.

    Raises:
        InputError: when a file cannot be read, or is damaged.
    """
    products, found = facts.document["products"], NvdComparison()
    rows = {(row["product"], row["id"]): row for row in facts.document["vulnerabilities"]}
    seen: set[str] = set()
    named: set[tuple[str, str]] = set()
    for path, item in nvd_items(folder):
        try:
            entries, unusable = read_nvd_item(item, products)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: a record is damaged: {type(error).__name__} {str(error)!a}") from error
        seen.add(item["id"])
        found.without_versions += unusable
        if unusable or not any(each["nodes"] for each in item.get("configurations", ())):
            named.update(
                (product, item["id"]) for product in products
            )  # it may be about the product, and names no version
        for entry in (each for each in entries if each.ranges):
            named.add((entry.product, entry.id))
            _compare_entry(entry, rows.get((entry.product, entry.id)), facts, found)
    for key, row in rows.items():
        if row["id"] in seen and key not in named:
            found.lines["extra"].append(
                f"{key[0]} {key[1]}: NVD does not name the product; ours {_shown(row['ranges'])}"
            )
        found.without_record += row["id"].startswith("CVE-") and row["id"] not in seen
    return found


def _compare_entry(entry: AffectedProduct, row: Mapping[str, Any] | None, facts: Facts, found: NvdComparison) -> None:
    """Compare what NVD has about a flaw of a product with the row for it; `row` is None where there is none."""
    if row is not None:
        found.compared += 1
        _compare_row(row, entry, facts, found)
    elif entry.published < facts.document["products"][entry.product].get("flaws_from", ""):
        found.before_search += 1
    elif entry.id not in facts.document["left_out"]:
        found.lines["missing"].append(f"{entry.product} {entry.id}: NVD {_shown(entry.ranges)}; {entry.summary}")


def _compare_row(row: Mapping[str, Any], entry: AffectedProduct, facts: Facts, found: NvdComparison) -> None:
    ours, theirs = _ranges(entry.product, row["ranges"]), _ranges(entry.product, entry.ranges)
    named = _versions(entry, row, facts)
    more = [named[key] for key in sorted(named) if _has(ours, key) and not _has(theirs, key)]
    less = [named[key] for key in sorted(named) if _has(theirs, key) and not _has(ours, key)]
    if not more and not less:
        return
    says = [f"ours alone {_some(more)}" if more else "", f"NVD alone {_some(less)}" if less else ""]
    text = (
        f"{entry.product} {entry.id}: {'; '.join(filter(None, says))}; "
        f"ours {_shown(row['ranges'])}; NVD {_shown(entry.ranges)}"
    )
    if row.get("note"):
        found.lines["explained"].append(f"{text}; note: {row['note']}")
    else:
        found.lines["differs"].append(text)


def _versions(entry: AffectedProduct, row: Mapping[str, Any], facts: Facts) -> dict[VersionKey, str]:
    """Return the versions to ask both sides about.

    Where NVD names updates instead of builds, only the first build of each says something: the later ones may have the
    fix, and older updates are not named since they are not supported.
    """
    product = facts.document["products"][entry.product]
    if "release_names" in product:
        return _keys(entry.product, [each["introduced"] for each in entry.ranges if "introduced" in each])
    bounds = [each[name] for each in (*row["ranges"], *entry.ranges) for name in _BOUNDS if name in each]
    return _keys(entry.product, [*product.get("releases", ()), *bounds])


def _keys(product: str, texts: Iterable[str]) -> dict[VersionKey, str]:
    """Return versions by their keys, each as it is written first."""
    return {key: text for text in reversed([*texts]) if (key := version_key(product, text)) is not None}


def _ranges(product: str, rows: Iterable[Mapping[str, str]]) -> list[Range]:
    return [
        Range(low, row.get("fixed"), row.get("last_affected"), None, version_key(product, low) if low else None, high)
        for row in rows
        if (high := version_key(product, row.get("fixed") or row["last_affected"])) is not None
        for low in (row.get("introduced"),)
    ]


def _has(ranges: Iterable[Range], key: VersionKey) -> bool:
    return any(each.covers(key) for each in ranges)


def _some(versions: list[str]) -> str:
    more = len(versions) - _MOST_VERSIONS
    return ", ".join(versions[:_MOST_VERSIONS]) + (f" and {more} more" if more > 0 else "")


def _shown(ranges: Iterable[Mapping[str, str]]) -> str:
    """Write ranges short: `[4.70, 4.76)`, `..2.8.8]`."""
    told = []
    for each in ranges:
        end = f"{each['fixed']})" if "fixed" in each else f"{each['last_affected']}]"
        told.append(f"[{each['introduced']}, {end}" if "introduced" in each else f"..{end}")
    shown = told[:_MOST_VERSIONS]
    return " ".join(shown) + (f" and {len(told) - len(shown)} more" if len(told) > len(shown) else "")
