"""The facts that verdicts rest on: products with their releases, flaws with the versions they are in.

The program brings a file of its own (`data/vulnerabilities.json`), compiled by hand from release notes, advisories and
NVD; a user can add newer facts (`update`), which live in a file of the same layout in the user's data folder. Both
are merged: for each flaw of a product the row that was read later wins.

The file is read when a sweep begins, because during it descriptors may be short; what is needed of it is made into
objects product by product when a product is first seen. Our own file is checked by tests, a user's file each time.

What an entry of a product may have besides names, releases and branches:

- `releases`: releases with their days, null where the day is not known;
- `latest`: the newest release. A version after it, and after all that rows name, is unknown to us;
- `covered_since`: the oldest release whose flaws were searched for. Without it nothing is claimed about the product
  ("not covered"), and nothing about older versions;
- `flaws_from`: the day from which flaws were searched for, where older ones were not;
- `releases_complete_from`: from this version up to `latest`, `releases` names every release there was, so that a
  version which is not among them was never released;
- `snapshots`: states between two releases, with a number more, that are known to have been given out;
- `lines`: the first and the last release of each name, where a product goes on under another one;
- `release_names`: what people call a release whose number says little: 15.1.2507.6 is Exchange Server 2016 CU23;
- in a branch `first`: the first version of the branch, where that is not its name ("2019" of Exchange is 15.2).

A row without ranges is about a flaw whose versions no record says (of an `update` only): undecided for every version.
A row may have `systems`, the only operating systems that have the flaw (`HP-UX`). A bound of a range may be a snapshot
or candidate (`3.9-20231222`, `4.99-RC2`): that is how a row says what the ones before a release have (`ranges`).

Left out: exploits, patches, and flaws of products whose greeting never has a version we can compare.
Sources: named in the file, for each row.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson

from scanner import lazy
from scanner.assess.ranges import Flaw, Range, gaps_of
from scanner.assess.versions import VersionKey, version_key
from scanner.errors import InputError
from scanner.files.text_input import utf_8

FORMAT: Final = "smtpsweep.vulnerabilities/1"
#: Facts older than this many days deserve a warning: a new flaw in a mail server is found every month or two.
OLD_DAYS: Final = 180

#: The facts that come with the program.
_FILE: Final = Path(__file__).parent / "data" / "vulnerabilities.json"
_DAY = lazy.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = lazy.pattern(r"[A-Z][A-Z0-9.-]{3,40}")
_TEXTS = ("product", "summary")
_MAYBE_TEXTS = ("attack_path", "condition", "note", "alias", "upstream_severity")
_CVSS_VERSIONS = frozenset({"2.0", "3.0", "3.1", "4.0"})


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """What is known about one product. `facts` is its entry in the file. Compared by identity."""

    key: str
    flaws: tuple[Flaw, ...]
    releases: tuple[tuple[VersionKey, str, str | None], ...]
    facts: Mapping[str, Any]
    covered_since: VersionKey | None
    complete_from: VersionKey | None

    @property
    def name(self) -> str:
        """The name for people."""
        return str(self.facts["name"])


class Facts:
    """All that is known, with the day it was compiled."""

    def __init__(self, document: Mapping[str, Any], origin: str) -> None:
        """Take a document that was checked."""
        self.document = document
        self.origin = origin
        self.compiled: str = document["compiled"]
        self._products: dict[str, Product] = {}

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {
            name.casefold(): key
            for key, product in self.document["products"].items()
            for name in (key, product["name"], *product["names"])
        }

    def product(self, name: str) -> Product | None:
        """Return what is known about a product, under its name in a record or its key; None when nothing is."""
        key = self._keys.get(name.casefold())
        if key is None:
            return None
        if key not in self._products:
            self._products[key] = _product(key, self.document)
        return self._products[key]

    def names(self) -> tuple[str, ...]:
        """Return the keys of all products, sorted."""
        return tuple(sorted(self.document["products"]))

    def age_days(self, today: date) -> int:
        """Return how many days ago the facts were compiled."""
        return (today - date.fromisoformat(self.compiled)).days

    def maybe_warning(self, today: date) -> str | None:
        """Return one line to show when the facts are old; None when they are not."""
        days = self.age_days(today)
        if days < 0:
            return (
                f"the vulnerability data say that they are of {self.compiled}, a day that has not come: "
                "how old they are is not known (check the clock, and what 'smtpsweep vulns --update' took)"
            )
        if days <= OLD_DAYS:
            return None
        return (
            f"the vulnerability data are of {self.compiled}, {days} days old: "
            "newer flaws are not in them (see 'smtpsweep vulns --update')"
        )


def user_data_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's newer facts are: `$XDG_DATA_HOME/smtpsweep/vulnerabilities.json`."""
    folder = environ.get("XDG_DATA_HOME", "")
    # The specification says that a relative path must be ignored.
    home = Path(folder) if folder.startswith("/") else Path(environ.get("HOME", "/")) / ".local" / "share"
    return home / "smtpsweep" / "vulnerabilities.json"


def shipped_facts() -> Facts:
    """Return the facts that come with the program."""
    return Facts(orjson.loads(_FILE.read_bytes()), "shipped")


def load_facts(user_file: Path | None = None) -> Facts:
    """Return the shipped facts with the user's newer ones (`user_file`, by default in the user's data folder).

    Raises:
        InputError: when the user's file cannot be read or is damaged, naming it. A missing default file is no error.
    """
    shipped = shipped_facts()
    path = user_data_file() if user_file is None else user_file
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return shipped
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return merged(shipped, read_document(text, str(path)), str(path))


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


def merged(older: Facts, document: Mapping[str, Any], origin: str) -> Facts:
    """Return `older` facts with the rows of a checked document, where those were read later.

    Rows of products that are not known are left out: nothing would ask for them.
    """
    rows = {(row["product"], row["id"]): row for row in older.document["vulnerabilities"]}
    for row in document["vulnerabilities"]:
        known = rows.get((row["product"], row["id"]))
        if row["product"] in older.document["products"]:
            rows[row["product"], row["id"]] = row if known is None else _newer(known, row)
    compiled = max(older.compiled, document["compiled"])
    return Facts({**older.document, "compiled": compiled, "vulnerabilities": list(rows.values())}, origin)


def _newer(known: Mapping[str, Any], row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row that was read later; one without versions never takes the place of one that has them."""
    if known["ranges"] and not row["ranges"]:
        return {**known, "kev": row["kev"]} if "kev" in row else known
    return row if known["as_of"] < row["as_of"] or (row["ranges"] and not known["ranges"]) else known


def _product(key: str, document: Mapping[str, Any]) -> Product:
    facts = document["products"][key]
    dates = dict(facts.get("releases", {}))
    for branch in facts.get("branches", ()):
        dates.setdefault(branch["latest"], branch.get("latest_date"))
    if "latest" in facts:
        dates.setdefault(facts["latest"], facts.get("latest_date"))
    releases = [(version_key(key, text), text, day) for text, day in dates.items()]
    return Product(
        key=key,
        flaws=tuple(
            _flaw(row, across="covered_since" in facts) for row in document["vulnerabilities"] if row["product"] == key
        ),
        releases=tuple(sorted((k, text, day) for k, text, day in releases if k is not None)),
        facts=facts,
        covered_since=_maybe_key(key, facts.get("covered_since")),
        complete_from=_maybe_key(key, facts.get("releases_complete_from")),
    )


def _maybe_key(product: str, version: str | None) -> VersionKey | None:
    return None if version is None else version_key(product, version)


def _flaw(row: Mapping[str, Any], *, across: bool) -> Flaw:
    ranges = tuple(_range(row["product"], each) for each in row["ranges"])
    return Flaw(row["id"], ranges, row, gaps_of(row["product"], ranges, across=across))


def _range(product: str, value: Mapping[str, Any]) -> Range:
    introduced, fixed, last = value.get("introduced"), value.get("fixed"), value.get("last_affected")
    high = version_key(product, fixed or last or "")
    if high is None:
        raise ValueError(f"no version: {fixed or last!r}")  # the file was checked: a bug of ours
    low = _maybe_key(product, introduced)
    return Range(introduced, fixed, last, value.get("edition"), low, high)
