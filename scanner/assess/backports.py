"""Distribution packages that carry a fix without a new upstream version: the backport.

`Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2` is Debian's package 8.17.1.9-2+deb12u2, and Debian fixed CVE-2023-51765 in
8.17.1.9-2+deb12u1. A small table (`data/backports.json`) lists the first revision with each fix, taken
from the change log of the package.

The table answers only inside one line of packages: the same upstream version, and either before the fix in the
history that the change log tells, or after it. A revision with another vendor's suffix (`ubuntu`, `~bpo`), or of
another Debian release, is not on that line: then nothing is known.

Package versions are ordered as dpkg does. Source: deb-version(7), and Debian Policy 5.6.12.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import orjson

from scanner import lazy

FORMAT: Final = "smtpsweep.backports/1"

_FILE: Final = Path(__file__).parent / "data" / "backports.json"
_PARTS = lazy.pattern(r"([^0-9]*)([0-9]*)")
_REVISION = lazy.pattern(
    r"(?P<base>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?:\+deb(?P<release>[0-9]{1,3})u[0-9]{1,4})?(?:\+b[0-9]{1,3})?"
)
#: How a greeting names Debian's package: "Debian-2+deb12u2", "Debian 8.12.0.Beta7-1", or the revision alone.
_PACKAGE = lazy.pattern(r"(?P<name>Debian(?:/GNU)?[ -])?(?P<text>[0-9][0-9A-Za-z.+~:-]{0,60})")


@dataclass(frozen=True, slots=True)
class Fix:
    """The first package revision with a fix."""

    fixed: str
    ids: frozenset[str]
    source: str
    note: str | None


@dataclass(frozen=True, slots=True)
class BackportState:
    """What the table knows about one flaw in one package: whether the fix is in it, and from which revision on."""

    carries: bool
    fix: Fix


class Backports:
    """The table, ready for look-ups."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take a document in the layout of the shipped file."""
        self._fixes = {
            product: tuple(Fix(row["fixed"], frozenset(row["ids"]), row["source"], row.get("note")) for row in rows)
            for product, rows in document["products"].items()
        }

    def maybe_answer(self, product: str, package: str, flaw: str) -> BackportState | None:
        """Tell whether a Debian package (its full version, `8.17.1.9-2+deb12u2`) carries the fix of a flaw."""
        for fix in self._fixes.get(product, ()):
            if flaw in fix.ids:
                carries = _carries(package, fix.fixed)
                if carries is not None:
                    return BackportState(carries, fix)
        return None


def shipped_backports() -> Backports:
    """Return the table that comes with the program."""
    return Backports(orjson.loads(_FILE.read_bytes()))


def maybe_debian_version(version: str, package: str) -> str | None:
    """Return the full version of Debian's package from a greeting's version and package; None if it is not Debian's.

    `8.17.1.9` and `Debian-2+deb12u2` make `8.17.1.9-2+deb12u2`; a package that names the version itself stays.
    """
    match = _PACKAGE.fullmatch(package)
    if match is None:
        return None
    text = match["text"]
    # A bare number may have any origin: hosting companies put build numbers there (Exim 4.89-122312).
    if match["name"] is None and "-" not in text and "+deb" not in text:
        return None
    full = text if "-" in text else f"{version}-{text}"
    upstream, _, revision = full.rpartition("-")
    return full if upstream == version and _REVISION.fullmatch(revision) else None


def compare_debian(left: str, right: str) -> int:
    """Compare two package versions as dpkg does: below 0, 0 or above 0 when `left` is older, the same or newer."""
    (left_epoch, left_rest), (right_epoch, right_rest) = _epoch(left), _epoch(right)
    if left_epoch != right_epoch:
        return -1 if left_epoch < right_epoch else 1
    (left_upstream, left_revision), (right_upstream, right_revision) = _split(left_rest), _split(right_rest)
    return _compare_part(left_upstream, right_upstream) or _compare_part(left_revision, right_revision)


def _carries(package: str, fixed: str) -> bool | None:
    (upstream, revision), (fixed_upstream, fixed_revision) = _split(package), _split(fixed)
    here, there = _REVISION.fullmatch(revision), _REVISION.fullmatch(fixed_revision)
    if upstream != fixed_upstream or here is None or there is None:
        return None
    if compare_debian(package, fixed) >= 0:
        # Updates of a release branch off unstable's history: a fix made for one is in later updates of that one only.
        is_later = there["release"] is None or (here["base"], here["release"]) == (there["base"], there["release"])
        return True if is_later else None
    is_before = here["release"] is None or (here["base"], here["release"]) == (there["base"], there["release"])
    return False if is_before else None


def _epoch(version: str) -> tuple[int, str]:
    epoch, colon, rest = version.partition(":")
    return (int(epoch), rest) if colon and epoch.isdecimal() else (0, version)


def _split(version: str) -> tuple[str, str]:
    """Return upstream version and revision; no revision is the same as revision 0."""
    upstream, dash, revision = version.rpartition("-")
    return (upstream, revision) if dash else (version, "0")


def _compare_part(left: str, right: str) -> int:
    """Compare name by name and number by number, from the left; see deb-version(7), "Sorting algorithm"."""
    for (left_text, left_number), (right_text, right_number) in zip_longest(
        _PARTS.findall(left), _PARTS.findall(right), fillvalue=("", "")
    ):
        left_key, right_key = _text_key(left_text), _text_key(right_text)
        if left_key != right_key:
            return -1 if left_key < right_key else 1
        left_value, right_value = int(left_number or 0), int(right_number or 0)
        if left_value != right_value:
            return -1 if left_value < right_value else 1
    return 0


def _text_key(text: str) -> list[int]:
    """Letters sort before other characters, a tilde before even the end."""
    return [*(-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text), 0]
