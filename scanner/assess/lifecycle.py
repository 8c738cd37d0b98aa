"""Derive from a version what matters besides flaws: age, support, the release to upgrade to, a half-done upgrade.

Nothing here depends on the day of the assessment: age is the number of days behind the newest release in the data.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Any, Final

from scanner import lazy
from scanner.assess.exchange import maybe_release_name
from scanner.assess.facts import Product
from scanner.assess.releases import releases_of
from scanner.assess.versions import VersionKey, release_of, version_key
from scanner.model import Finding

#: More than this many days behind the newest release is worth a look.
BEHIND_DAYS: Final = 365
#: The finding for a version that was not compared, with the reason.
VERSION_UNDECIDED: Final = "VERSION-UNDECIDED"

_DIGITS = lazy.pattern(r"[0-9]{1,9}")
#: `8.14.7` in both halves of Sendmail's greeting; what follows is a snapshot's or vendor's number.
_RELEASE = lazy.pattern(r"([0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)(?![0-9])")


def lifecycle_findings(
    product: Product,
    version: str | None,
    config_version: str | None,
    key: VersionKey | None,
    *,
    is_release: bool = True,
) -> Iterator[Finding]:
    """Yield the findings about a version; about the product alone when `version` and its `key` are None.

    A state of development has the number of the release that it followed (`is_release` false), and not its day.
    """
    yield from _end_of_life(product, version, key)
    if version is None or key is None:
        return
    yield from _config_skew(product, version, config_version)
    yield from _name(product, version, key)
    if is_release:
        yield from _age(product, version, key)


def not_compared(
    product: Product, name: str, version: str | None, why: str, finding: str = VERSION_UNDECIDED
) -> Finding:
    """Return the finding with the reason why flaws are not known: nothing was compared, or the version is unknown."""
    shown = name if version is None else f"{name} {version}"
    if finding == VERSION_UNDECIDED:
        title = f"No known flaw of {product.name} can be told from {shown}."
    else:
        title = f"{shown} is unknown to us: that no flaw is listed says nothing."
    return Finding(
        id=finding,
        severity="info",
        title=title,
        evidence=f"{shown}: {why}",
        sources=tuple(product.facts["sources"]),
    )


def next_clear_release(product: Product, version: str, key: VersionKey) -> tuple[Finding, ...]:
    """Return the first release after this version in which no flaw is known; empty when there is none."""
    release, newest = releases_of(product).next_clear(key), product.facts.get("latest")
    if release is None:
        return ()
    also = f" The newest is {newest}." if newest is not None and newest != release else ""
    return (
        Finding(
            id="NEXT-RELEASE",
            severity="info",
            title=f"{release} is the first release after {version} without a flaw known here.{also}",
            evidence=f"{product.name} {version}",
            fixed_in=release,
            sources=tuple(product.facts["sources"]),
        ),
    )


def _end_of_life(product: Product, version: str | None, key: VersionKey | None) -> Iterator[Finding]:
    evidence = None
    if "discontinued" in product.facts:
        evidence = f"{product.name} is no longer developed, as stated on {product.facts['discontinued']}"
    elif version is not None and key is not None:
        evidence = _maybe_end_of_branch(product, key) or _maybe_superseded(product, version, key)
    if evidence is not None:
        yield Finding(
            id="END-OF-LIFE",
            severity="medium",
            title=f"{product.name}{f' {version}' if version else ''} is not supported any more.",
            evidence=evidence,
            note=product.facts["support_policy"],
            sources=tuple(product.facts["sources"]),
        )


def _maybe_end_of_branch(product: Product, key: VersionKey) -> str | None:
    """Return why the branch of a version is not supported; None when it is, or when it is not known.

    A branch that is not listed (Postfix 2.7) ended when a later one has.
    """
    branches = _branches(product)
    if not branches:
        return None
    release = release_of(key)
    place = bisect_right(branches, release, key=lambda each: each[0])
    if not place:
        return f"older than {branches[0][1]['branch']}, the oldest branch listed"
    branch = branches[place - 1][1]
    if branch["supported"]:
        return None
    numbers = tuple(map(int, _DIGITS.findall(branch["branch"])))  # 3.0, not the 3 of its key
    if "first" in branch or (*release[0], 0, 0)[: len(numbers)] == numbers:
        ended = f" on {branch['eol']}" if "eol" in branch else ""
        return f"support of {product.name} {branch['branch']} ended{ended}"
    following = branches[place][1] if place < len(branches) else None
    if following is not None and not following["supported"]:
        return f"older than {following['branch']}, a branch whose support ended"
    return None


def _maybe_superseded(product: Product, version: str, key: VersionKey) -> str | None:
    """Return that a candidate's or snapshot's release is out, so that fixes go into the release only."""
    place = releases_of(product).place(key)
    if place.before is None or (release := releases_of(product).maybe_first(place.before)) is None:
        return None
    return f"{version} came before the release {release}, which took its place"


@lru_cache(64)
def _branches(product: Product) -> list[tuple[VersionKey, Any]]:
    """Return the branches with their first versions, the oldest first; those whose versions are not known left out."""
    found = []
    for branch in product.facts.get("branches", ()):
        latest = version_key(product.key, branch["latest"])
        first = version_key(product.key, branch.get("first", branch["branch"]))
        named_by_number = first is not None and latest is not None and latest[0][: len(first[0])] == first[0]
        if first is not None and ("first" in branch or named_by_number):
            found.append((first, branch))
    return sorted(found, key=lambda each: each[0])


def _config_skew(product: Product, version: str, config_version: str | None) -> Iterator[Finding]:
    binary, config = _RELEASE.match(version), _RELEASE.match(config_version or "")
    if binary is None or config is None:
        return
    binary_key, config_key = version_key(product.key, binary[1]), version_key(product.key, config[1])
    if binary_key is None or config_key is None or binary_key == config_key:
        return
    if config_key < binary_key:
        meaning = "an upgrade that kept the old configuration, or a vendor that ships one"
    else:
        meaning = "a program that was taken back, or a configuration made elsewhere"
    yield Finding(
        id="CONFIG-SKEW",
        severity="low",
        title=f"The program is {binary[1]}, its configuration was made for {config[1]}: {meaning}.",
        evidence=f"{version}/{config_version}",
    )


def _name(product: Product, version: str, key: VersionKey) -> Iterator[Finding]:
    name = maybe_release_name(product, key)
    if name is not None:
        yield Finding(
            id="RELEASE-NAME",
            severity="info",
            title=f"{version} is {name}.",
            evidence=f"{product.name} {version}",
            sources=tuple(product.facts["sources"]),
        )


def _age(product: Product, version: str, key: VersionKey) -> Iterator[Finding]:
    dated = [(day, text) for _, text, day in product.releases if day is not None]
    own = next((day for release, _, day in product.releases if release == key and day is not None), None)
    if own is None:
        return
    newest_day, newest = max(dated)
    days = (date.fromisoformat(newest_day) - date.fromisoformat(own)).days
    latest = product.facts.get("latest", newest)
    also = f"; the newest, {latest}, has no day here" if latest not in {text for _, text in dated} else ""
    if days > 0:
        yield Finding(
            id="VERSION-AGE",
            severity="low" if days > BEHIND_DAYS else "info",
            title=f"{product.name} {version} is {days} days behind {newest}{also}.",
            evidence=f"{version} was released on {own}, {newest} on {newest_day}",
            sources=tuple(product.facts["sources"]),
        )
