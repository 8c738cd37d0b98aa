"""The layout of the vulnerability data file, and the checks of it.

A file has `format`, `compiled` (its day), `products` and `vulnerabilities`, one row for each flaw of a product.

What an entry of a product may have besides names, releases and branches:

- `releases`: releases with their days, null where the day is not known;
- `latest`: the newest release. A version after it, and after all that rows name, is unknown;
- `covered_since`: the oldest release whose flaws were searched for. Without it nothing is claimed about the product
  ("not covered"), and nothing about older versions;
- `flaws_from`: the day from which flaws were searched for, where older ones were not;
- `releases_complete_from`: from this version up to `latest`, `releases` names every release there was, so that a
  version which is not among them was never released;
- `snapshots`: states between two releases, with a number more, that are known to have been given out;
- `lines`: the first and the last release of each name, where a product goes on under another one;
- `release_names`: what people call a release whose number says little: 15.1.2507.6 is Exchange Server 2016 CU23;
- in a branch `first`: the first version of the branch, where that is not its name ("2019" of Exchange is 15.2).

A row without ranges (from an `update` only) is about a flaw whose versions no record names: undecided for any version.
A row may have `systems`, the only operating systems that have the flaw (`HP-UX`). A bound of a range may be a snapshot
or candidate (`3.9-20231222`, `4.99-RC2`): that is how a row says what the ones before a release have (`ranges`).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import orjson

from scanner import lazy
from scanner.assess.versions import version_key
from scanner.errors import InputError
from scanner.files.text_input import utf_8

FORMAT: Final = "smtpsweep.vulnerabilities/1"
_DAY = lazy.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = lazy.pattern(r"[A-Z][A-Z0-9.-]{3,40}")
_TEXTS = ("product", "summary")
_MAYBE_TEXTS = ("attack_path", "condition", "note", "alias", "upstream_severity")
_CVSS_VERSIONS = frozenset({"2.0", "3.0", "3.1", "4.0"})


def read_document(text: bytes, source: str) -> dict[str, Any]:
    """Return a document in the layout of the shipped file, checked; `source` names it in messages.

    Raises:
        InputError: for the first thing that is wrong.
    """
    try:
        document = orjson.loads(utf_8(text))
    except ValueError as error:
        raise InputError(f"{source}: not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{source}: not vulnerability data of format {FORMAT}")
    for problem in problems(document):
        raise InputError(f"{source}: {problem}")
    return document


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a document; a user's one may leave `products` out."""
    if not _is_day(document.get("compiled")):
        yield "compiled must be a date such as 2026-11-22"
    rows, products = document.get("vulnerabilities"), document.get("products", {})
    if not isinstance(rows, list) or not isinstance(products, dict):
        yield "vulnerabilities must be a list, products an object"
        return
    for name, product in products.items():
        yield from (f"product {name!a}: {problem}" for problem in _product_problems(name, product))
    seen = set()
    for number, row in enumerate(rows, start=1):
        name = row.get("id", f"number {number}") if isinstance(row, dict) else f"number {number}"
        if not isinstance(row, dict):
            yield f"row {name}: must be an object"
            continue
        yield from (f"row {name!a}: {problem}" for problem in _row_problems(row))
        key = f"{row.get('product')} {name}"
        if key in seen:
            yield f"row {name!a}: is there twice"
        seen.add(key)


def _product_problems(name: str, product: Any) -> Iterator[str]:
    if not isinstance(product, dict):
        yield "must be an object"
        return
    for key in ("covered_since", "releases_complete_from", "latest"):
        if key in product and not _is_version(name, product[key]):
            yield f"{key} must be a version"
    yield from (f"{key} must be a date" for key in ("flaws_from", "latest_date") if not _is_maybe_day(product.get(key)))
    if not all(_is_maybe_day(day) for day in product.get("releases", {}).values()):
        yield "the day of a release must be a date, or null"
    if not all(_is_version(name, text) for text in product.get("snapshots", ())):
        yield "a snapshot must be a version"
    if not all(_is_version(name, text) for ends in product.get("lines", {}).values() for text in ends):
        yield "lines must have the versions of a first and a last release"
    named = product.get("release_names", {})
    if not isinstance(named, dict) or not all(_is_version(name, text) for text in named):
        yield "release_names must be an object whose keys are versions"
    branches = product.get("branches", [])
    if not all(_is_version(name, branch["first"]) for branch in branches if "first" in branch):
        yield "the first version of a branch must be a version"
    if not all(_is_maybe_day(branch.get("latest_date")) for branch in branches):
        yield "the latest_date of a branch must be a date"


def _is_maybe_day(value: object) -> bool:
    return value is None or _is_day(value)


def _is_version(product: str, value: object) -> bool:
    return isinstance(value, str) and version_key(product, value) is not None


def _row_problems(row: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(row.get("id"), str) or not _ID.fullmatch(row["id"]):
        yield "the id must be capitals, digits, dots and dashes"
    yield from (f"{key} must be text" for key in _TEXTS if not isinstance(row.get(key), str))
    yield from (f"{key} must be text" for key in _MAYBE_TEXTS if not isinstance(row.get(key), str | None))
    if not _is_day(row.get("as_of")):
        yield "as_of must be a date"
    if "published" in row and not _is_day(row["published"]):
        yield "published must be a date"
    if "kev" in row and not _is_day(row["kev"]):
        yield "kev must be the day it was listed"
    if "systems" in row and not _are_texts(row["systems"]):
        yield "systems must be a list of texts"
    if not isinstance(row.get("smtp_unauthenticated"), bool | None):
        yield "smtp_unauthenticated must be true, false or null"
    if not _are_texts(row.get("sources")):
        yield "sources must be a list of texts"
    if "cvss" in row and not _is_cvss(row["cvss"]):
        yield "cvss must have a version (2.0 to 4.0), a score from 0 to 10 and a vector"
    ranges = row.get("ranges")
    if not isinstance(ranges, list) or not all(_is_range(row.get("product"), each) for each in ranges):
        yield "ranges must be a list of objects with one of fixed and last_affected, all versions readable"


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_day(value: object) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:  # 30 February
        return False
    return True


def _is_cvss(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("version") in _CVSS_VERSIONS
        and isinstance(value.get("score"), int | float)
        and 0 <= value["score"] <= 10
        and isinstance(value.get("vector"), str)
    )


def _is_range(product: object, value: object) -> bool:
    if not isinstance(value, dict) or ("fixed" in value) == ("last_affected" in value):
        return False
    versions = [value[key] for key in ("introduced", "fixed", "last_affected") if key in value]
    return all(_is_version(str(product), text) for text in versions)
