"""Know the releases of a product: which versions were never released, which came before a release, which are unknown.

"No known flaw" for Sendmail 8.99 would be wrong: there is no such release. A version is unknown when it is newer than
the newest one in the data (the data is older, or the version was made up), newer than the newest of its branch, or not
among the releases where the data has all of them. A release with something added (`8.11.6p2`, `8.13.5.20060308`) is
known when the release is; with a further number that is not a day (`8.17.1.9`), only when the data has it. Builds of
Exchange are known when their cumulative update is, and no newer than its newest build.

A version before the first release of its branch is a snapshot, for Sendmail even when only its number shows it:
8.16.0.29 came before 8.16.1, the first of its branch. Left out: whether a version has a flaw (`ranges`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from scanner.assess.facts import Product
from scanner.assess.ranges import Flaw, ReleasePosition, maybe_flaw_match
from scanner.assess.versions import (
    SNAPSHOTS_FROM_0,
    VersionKey,
    branch_of,
    extends,
    is_before_release,
    release_of,
    version_key,
    written_numbers,
)

#: The numbers of a build that are those of its cumulative update.
_OF_UPDATE: Final = 3
#: The digits of a day.
_OF_DAY: Final = 8
#: The earliest day that is written as a number.
_FIRST_DAY: Final = 19_800_101
#: "3.8" may be a release, or be said for 3.8.0; "3" is any of a hundred.
_FEWEST_NUMBERS: Final = 2


class Releases:
    """The releases of one product, as its entry and its rows name them."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._key = product.key
        self._listed = {key: text for key, text, _ in product.releases if not is_before_release(key)}
        self._texts = dict(self._listed)
        self._spelled = {
            text for _, text in (*((key, text) for key, text, _ in product.releases), *_named_elsewhere(product))
        }
        for key, text in _named_elsewhere(product):
            if not is_before_release(key):
                self._texts.setdefault(key, text)
        self._snapshots = {version_key(self._key, text) for text in product.facts.get("snapshots", ())}
        self._sorted = sorted(self._texts)
        self._newest_listed = max(self._listed, default=None)
        self._branch_starts = {branch_of(self._key, key): key for key in reversed(self._sorted)}
        self._branch_ends = self._ends_of_branches()
        self._update_ends = self._ends_of_updates()
        self._fewest_numbers = _OF_UPDATE if self._update_ends else _FEWEST_NUMBERS
        self._clear: tuple[VersionKey, ...] | None = None

    def names(self, version: str) -> bool:
        """Tell whether a version is written as one that is known: 3.0-M2 of James."""
        return version in self._spelled

    def place(self, key: VersionKey) -> ReleasePosition:
        """Return where a version stands."""
        is_release = key in self._texts
        if is_before_release(key) or (not is_release and self._is_before_its_branch(key)):
            return ReleasePosition(self._key, key, before=self._before(key), since=self._since(key))
        added = None
        if not is_release and self._is_complete_at(key) and self._maybe_base(key) is not None:
            added = self._next_of_branch(key)
        return ReleasePosition(self._key, key, added_before=added, is_release=is_release)

    def place_after(self, key: VersionKey) -> ReleasePosition:
        """Return where the development after a release stands, on its way to the first release of the next branch."""
        branch = branch_of(self._key, key)
        later = self._sorted[bisect_right(self._sorted, key) :]
        following = next((each for each in later if branch_of(self._key, each) != branch), key)
        return ReleasePosition(self._key, key, before=following, since=key)

    def is_whole(self, version: str, key: VersionKey) -> bool:
        """Tell whether a version has as many numbers as a release has at least: "Exim 4" is any of a hundred.

        Releases that are days (20010228) have one.
        """
        is_day = version[:_OF_DAY].isdecimal() and len(version) >= _OF_DAY
        return is_day or is_before_release(key) or written_numbers(version) >= self._fewest_numbers

    def maybe_unknown(self, key: VersionKey) -> str | None:
        """Return why a version is unknown to us; None when it is known."""
        if not self._sorted:
            return "no release of it is known here"
        newest = self._sorted[-1]
        if key > newest:
            return f"it is newer than {self._texts[newest]}, the newest release known here"
        release = release_of(key)
        end = self._branch_ends.get(branch_of(self._key, key))
        if end is not None and release > end:
            return f"it is newer than {self._texts[end]}, the newest release of its branch known here"
        if release in self._texts:
            return None
        return self._maybe_unknown_build(key) if self._update_ends else self._maybe_unlisted(key, release)

    def _maybe_unlisted(self, key: VersionKey, release: VersionKey) -> str | None:
        """Say that there was no such release, where all of them are listed and it adds nothing to one."""
        if not self._is_complete_at(release):
            return None
        if self._is_before_its_branch(key) or key in self._snapshots:
            return None
        base = self._maybe_base(key)
        if base is None:
            return "there was no such release"
        added = key[0][written_numbers(base) :]
        if not added or any(number >= _FIRST_DAY for number in added):
            return None
        return f"no such release is known here, nor what was added to {base}"

    def maybe_of_another(self, name: str, key: VersionKey) -> str | None:
        """Return why there was no such release under a name, where a product went on under another one."""
        for line, (first, last) in self._product.facts.get("lines", {}).items():
            low, high = version_key(self._key, first), version_key(self._key, last)
            if line == name.casefold() and low is not None and high is not None and not low <= release_of(key) <= high:
                return f"the releases of {line} are {first} to {last}"
        return None

    def _maybe_unknown_build(self, key: VersionKey) -> str | None:
        """Return why a build that is not listed cannot be a hotfix between two that are."""
        end = self._update_ends.get(key[0][:_OF_UPDATE])
        if end is None:
            return "no cumulative update of that number is known here"
        return None if key < end else f"it is newer than {self._texts[end]}, the newest build of its update known here"

    def maybe_first(self, release: VersionKey) -> str | None:
        """Return a release as it is written when it is out, or a later one of its branch is; None when none is."""
        if release in self._texts:
            return self._texts[release]
        following = self._next_of_branch(release)
        return None if following is None else self._texts[following]

    def next_clear(self, key: VersionKey) -> str | None:
        """Return the first release after a version in which no flaw is known, of those whose flaws were searched."""
        if self._clear is None:
            self._clear = tuple(each for each in self._sorted if self._is_clear(each))
        place = bisect_right(self._clear, key)
        return None if place == len(self._clear) else self._texts[self._clear[place]]

    def first_without(self, flaw: Flaw, key: VersionKey) -> str | None:
        """Return the first release after a version that is known not to have a flaw of the product."""
        later = self._sorted[bisect_right(self._sorted, key) :]
        return next((self._texts[each] for each in later if maybe_flaw_match(flaw, self.place(each)) is None), None)

    def _is_clear(self, key: VersionKey) -> bool:
        since = self._product.covered_since
        if since is None or key < since:
            return False
        place = self.place(key)
        # The newest flaws first: most releases have one of them, so the others need not be asked for.
        return all(maybe_flaw_match(flaw, place) is None for flaw in reversed(self._product.flaws))

    def _is_complete_at(self, key: VersionKey) -> bool:
        start, end = self._product.complete_from, self._newest_listed
        return start is not None and end is not None and start <= key <= end

    def _is_before_its_branch(self, key: VersionKey) -> bool:
        """Tell whether a version comes before the first release of its branch, where all releases are known."""
        if self._key not in SNAPSHOTS_FROM_0 or not self._is_complete_at(key):
            return False
        first = self._branch_starts.get(branch_of(self._key, key))
        return first is not None and key < first

    def _before(self, key: VersionKey) -> VersionKey:
        """Return the release that a candidate or snapshot came before."""
        release = release_of(key)
        if release in self._texts or not self._is_complete_at(release):
            return release
        return self._next_of_branch(release) or release

    def _next_of_branch(self, key: VersionKey) -> VersionKey | None:
        place = bisect_right(self._sorted, key)
        following = self._sorted[place] if place < len(self._sorted) else None
        is_same = following is not None and branch_of(self._key, following) == branch_of(self._key, key)
        return following if is_same else None

    def _since(self, key: VersionKey) -> VersionKey | None:
        """Return from which release development went on: the one before in its branch, or the branch before's first."""
        place = bisect_left(self._sorted, key)
        if not place:
            return None
        previous = self._sorted[place - 1]
        branch = branch_of(self._key, previous)
        return previous if branch == branch_of(self._key, key) else self._branch_starts[branch]

    def _maybe_base(self, key: VersionKey) -> str | None:
        """Return the release that a version adds something to."""
        place = bisect_left(self._sorted, key)
        base = self._texts[self._sorted[place - 1]] if place else None
        return base if base is not None and extends(self._key, key, base) else None

    def _ends_of_branches(self) -> dict[tuple[int, ...], VersionKey]:
        """Return the newest release of every branch of which releases are listed; a row may know a newer one."""
        told = {branch_of(self._key, key) for key in self._listed}
        return {branch: key for key in self._sorted if (branch := branch_of(self._key, key)) in told}

    def _ends_of_updates(self) -> dict[tuple[int, ...], VersionKey]:
        """Return the newest build of each cumulative update, of a product that has such."""
        if "release_names" not in self._product.facts:
            return {}
        return {key[0][:_OF_UPDATE]: key for key in self._sorted}


def _named_elsewhere(product: Product) -> Iterator[tuple[VersionKey, str]]:
    """Yield the versions that rows name, and the branches where not all releases are listed."""
    for each in (each for flaw in product.flaws for each in flaw.ranges):
        yield each.high, str(each.fixed or each.last_affected)
        if each.low is not None:
            yield each.low, str(each.introduced)
    for branch in product.facts.get("branches", ()) if product.complete_from is None else ():
        key, latest = version_key(product.key, branch["branch"]), version_key(product.key, branch["latest"])
        # "2019" is the name of a product, "3.8" is also its first release.
        if key is not None and latest is not None and branch_of(product.key, key) == branch_of(product.key, latest):
            yield key, branch["branch"]


@lru_cache(64)
def releases_of(product: Product) -> Releases:
    """Return the releases of a product; made once."""
    return Releases(product)
