"""Decide whether a version has a flaw, by the version ranges in the flaw's row, and recognise when that is undecided.

A row names releases, and versions between them fall into gaps. `3.9-20231130` comes after 3.8.4, the fix of the last
branch, and before 3.9.0, which never had the flaw. By its numbers alone it would be clean, but it is not. So:

- inside of a range: it has the flaw;
- a candidate or snapshot has the flaws of the release that it came before, unless a bound of the row is a candidate
  or snapshot of that same release: then the row decides;
- otherwise, when a release of the branch it was cut from had the flaw, the fix came in between: undecided;
- between two affected releases of one branch, without a `fixed`: undecided. The same holds between branches where
  the row names single versions, as older records of NVD do (4.96 and 4.98 leave 4.97 open), and wherever the product's
  flaws were searched for. It holds for a release with something added (`8.13.5.20060308`) after the last affected one,
  or before an affected one;
- a row without any range is about a flaw whose versions no record names: undecided for every version;
- everything else does not have it.

Left out: which releases exist (`releases`), and what a distribution fixed by itself (`backports`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from scanner.assess.versions import VersionKey, branch_of, extends, is_before_release, release_of


@dataclass(frozen=True, slots=True)
class Range:
    """Versions that have a flaw: from `introduced` (None: from the first) to before `fixed`, or to `last_affected`."""

    introduced: str | None
    fixed: str | None
    last_affected: str | None
    edition: str | None
    low: VersionKey | None
    high: VersionKey

    @property
    def is_single(self) -> bool:
        """Whether the row names only this version, so that its neighbours are unknown."""
        return self.fixed is None and self.low == self.high

    def covers(self, key: VersionKey) -> bool:
        """Tell whether the version with this key has the flaw."""
        if self.low is not None and key < self.low:
            return False
        return key < self.high if self.fixed is not None else key <= self.high

    def touches(self, low: VersionKey | None, high: VersionKey) -> bool:
        """Tell whether a version from `low` (None: from the first) to before `high` has the flaw."""
        if self.low is not None and self.low >= high:
            return False
        return low is None or (low < self.high if self.fixed is not None else low <= self.high)


class Gap(NamedTuple):
    """What lies between two affected releases, where no row says `fixed`; both ends are affected.

    `is_of_branches`: only what is of a branch between theirs, as their own branches end or begin with them.
    """

    product: str
    below: Range
    above: Range
    is_of_branches: bool = False

    def holds(self, key: VersionKey) -> bool:
        """Tell whether a version lies in it."""
        if self.above.low is None or not self.below.high < key < self.above.low:
            return False
        ends = self.below.high, key, self.above.low
        low, branch, high = (branch_of(self.product, each) for each in ends)
        return not self.is_of_branches or low < branch < high


@dataclass(frozen=True, slots=True)
class Flaw:
    """One row: a CVE, or an advisory of upstream without one. `facts` is the row as the file has it."""

    id: str
    ranges: tuple[Range, ...]
    facts: Mapping[str, Any]
    gaps: tuple[Gap, ...] = field(default=())


class ReleasePosition(NamedTuple):
    """Where a version stands among the releases of its product.

    `before` is the release that a candidate or snapshot came before, `since` the release from which its line of
    development went on; both None for a release. `added_before` is the release that follows one with something added;
    `is_release` says that the version is among those that are known.
    """

    product: str
    key: VersionKey
    before: VersionKey | None = None
    since: VersionKey | None = None
    added_before: VersionKey | None = None
    is_release: bool = False


class FlawMatch(NamedTuple):
    """A version has a flaw, or may have it: the ranges that show it, and the reason when it is not inside of one."""

    ranges: Sequence[Range]
    is_decided: bool
    why: str | None = None


def maybe_flaw_match(flaw: Flaw, place: ReleasePosition) -> FlawMatch | None:
    """Return how a version matches a flaw: decided, or undecided; None when it does not have the flaw."""
    key = place.key
    if not flaw.ranges:
        return FlawMatch((), is_decided=False, why="no record says which versions have it")
    covering = [each for each in flaw.ranges if each.covers(key)]
    if covering:
        return FlawMatch(covering, is_decided=True)
    if place.before is not None:
        return _before_release(flaw, key, place.before, place.since) or _between(flaw, place)
    return _between(flaw, place) or (None if place.is_release else _added(flaw, place))


def _between(flaw: Flaw, place: ReleasePosition) -> FlawMatch | None:
    for gap in flaw.gaps:
        if gap.holds(place.key) and not (place.before is not None and _is_told(gap.above.low, place.key)):
            return FlawMatch([gap.below], is_decided=False, why="affected releases lie on both sides of it")
    return None


def _before_release(flaw: Flaw, key: VersionKey, before: VersionKey, since: VersionKey | None) -> FlawMatch | None:
    of_release = [each for each in flaw.ranges if each.covers(before)]
    if of_release and not any(_is_told(each.low, key) for each in of_release):
        return FlawMatch(of_release, is_decided=True, why="the release that it came before has the flaw")
    earlier = [each for each in flaw.ranges if each.touches(since, key)]
    if not earlier or any(each.fixed is not None and _is_told(each.high, key) for each in earlier):
        return None
    why = "it came after affected releases and before one with the fix, which it may have or not"
    return FlawMatch(earlier[-1:], is_decided=False, why=why)


def _is_told(bound: VersionKey | None, key: VersionKey) -> bool:
    """Tell whether a bound is a candidate or snapshot of the release that `key` came before: the row speaks of them."""
    return bound is not None and is_before_release(bound) and release_of(bound) == release_of(key)


def _added(flaw: Flaw, place: ReleasePosition) -> FlawMatch | None:
    for each in flaw.ranges:
        text, begins = each.last_affected, place.key[0][: len(each.high[0])] == each.high[0]
        if text is not None and begins and place.key > each.high and extends(place.product, place.key, text):
            return FlawMatch(
                [each], is_decided=False, why=f"it is {text} with something added, and {text} has the flaw"
            )
    if place.added_before is not None:
        above = [each for each in flaw.ranges if each.covers(place.added_before)]
        if above:
            return FlawMatch(above, is_decided=False, why="the release that follows it has the flaw")
    return None


def gaps_of(product: str, ranges: Sequence[Range], *, across: bool = False) -> tuple[Gap, ...]:
    """Return the gaps of a row after a `last_affected`, each edition by itself.

    Within one branch there is always one, and beside a single version. Between the branches that a row speaks of there
    is one when `across` is true, as of a product whose flaws were searched for.
    """
    by_edition = sorted(ranges, key=lambda each: (each.edition or "", each.low is not None, each.low or ()))
    groups = (list(group) for _, group in groupby(by_edition, key=lambda each: each.edition))
    return tuple(gap for group in groups for gap in _gaps(product, group, across=across))


def _gaps(product: str, ranges: Sequence[Range], *, across: bool) -> Iterator[Gap]:
    highest = ranges[0]
    for each in ranges[1:]:
        if highest.fixed is None and each.low is not None and highest.high < each.low:
            is_all = branch_of(product, highest.high) == branch_of(product, each.low)
            is_all = is_all or highest.is_single or each.is_single
            if across or is_all:
                yield Gap(product, highest, each, is_of_branches=not is_all)
        if each.high > highest.high or (each.high == highest.high and each.fixed is None):
            highest = each
