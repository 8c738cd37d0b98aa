"""The vulnerability data: products with their releases, and flaws with the versions that have them.

The program ships a file (`data/vulnerabilities.json`), compiled by hand from release notes, advisories and NVD. A user
can add newer data (`update`), kept in a file of the same layout (`facts_format`) in the user's data folder. Both are
merged: for each flaw of a product the row with the later `as_of` wins.

The file is read when a sweep begins, because descriptors may be short later. Objects are made from it product by
product, when a product is first seen. Tests check the shipped file; a user's file is checked each time it is read.

Left out: exploits, patches, and flaws of products whose greeting never has a version we can compare.
Sources: named in the file, for each row.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson

from scanner.assess.facts_format import read_document
from scanner.assess.ranges import Flaw, Range, gaps_of
from scanner.assess.versions import VersionKey, version_key
from scanner.errors import InputError

#: Facts older than this many days deserve a warning: a new flaw in a mail server is found every month or two.
OLD_DAYS: Final = 180

#: The facts that come with the program.
_FILE: Final = Path(__file__).parent / "data" / "vulnerabilities.json"


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
    """All vulnerability data, with the day it was compiled."""

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
        InputError: when the user's file cannot be read or is damaged, naming it. A missing default file is fine.
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
