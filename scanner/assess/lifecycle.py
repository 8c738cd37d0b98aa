"""What follows from a version besides flaws: its age, its support, the release to ask for, a half-done upgrade.

None of this depends on the day it is asked: a version is so many days behind the newest release that the facts know.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Final

from scanner.assess.facts import Product
from scanner.assess.versions import VersionKey, version_key
from scanner.model import Finding

#: More than this many days behind the newest release is worth a look.
BEHIND_DAYS: Final = 365

_NUMBERS = re.compile(r"[0-9]{1,9}(?:[._][0-9]{1,9})*")
#: `8.14.7` in both halves of Sendmail's greeting; what follows is a snapshot's or vendor's number.
_RELEASE = re.compile(r"([0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)(?![0-9])")


def lifecycle_findings(
    product: Product, version: str | None, config_version: str | None, key: VersionKey | None
) -> Iterator[Finding]:
    """Yield what follows from the version; from the product alone when `version` and its `key` are None."""
    yield from _end_of_life(product, version)
    if version is None or key is None:
        return
    yield from _config_skew(product, version, config_version)
    yield from _age(product, version, key)


def undecided(product: Product, name: str, version: str | None, why: str) -> Finding:
    """Return the finding that says why nothing was compared."""
    shown = name if version is None else f"{name} {version}"
    return Finding(
        id="VERSION-UNDECIDED",
        severity="info",
        title=f"No known flaw of {product.name} can be told from {shown}.",
        evidence=f"{shown}: {why}",
        sources=tuple(product.facts["sources"]),
    )


def next_clear_release(product: Product, version: str, key: VersionKey) -> tuple[Finding, ...]:
    """Return the first release after this version in which no flaw is known; empty when there is none."""
    clear = _clear_releases(product)
    place = bisect_right(clear, key, key=lambda release: release[0])
    if place == len(clear):
        return ()
    release, newest = clear[place][1], product.facts.get("latest")
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


@lru_cache(64)
def _clear_releases(product: Product) -> tuple[tuple[VersionKey, str], ...]:
    """Return all versions that the facts name and no flaw covers, sorted; computed once a product."""
    named = {key: text for key, text, _ in product.releases}
    for each in (each for flaw in product.flaws for each in flaw.ranges if each.fixed is not None):
        named.setdefault(each.high, str(each.fixed))
    covered = [each for flaw in product.flaws for each in flaw.ranges]
    return tuple((key, named[key]) for key in sorted(named) if not any(each.covers(key) for each in covered))


def _end_of_life(product: Product, version: str | None) -> Iterator[Finding]:
    evidence = None
    if "discontinued" in product.facts:
        evidence = f"{product.name} is no longer developed, as stated on {product.facts['discontinued']}"
    elif version is not None:
        evidence = _maybe_end_of_branch(product, version)
    if evidence is not None:
        yield Finding(
            id="END-OF-LIFE",
            severity="medium",
            title=f"{product.name}{f' {version}' if version else ''} is not supported any more.",
            evidence=evidence,
            note=product.facts["support_policy"],
            sources=tuple(product.facts["sources"]),
        )


def _maybe_end_of_branch(product: Product, version: str) -> str | None:
    numbers = _numbers(version)
    branches = {_numbers(branch["branch"]): branch for branch in product.facts.get("branches", ())}
    branches.pop((), None)
    if not numbers or not branches:
        return None
    for length in range(len(numbers), 0, -1):
        branch = branches.get(numbers[:length])
        if branch is not None:
            if branch["supported"]:
                return None
            ended = f" on {branch['eol']}" if "eol" in branch else ""
            return f"support of {product.name} {branch['branch']} ended{ended}"
    oldest = min(branches)
    return f"older than {branches[oldest]['branch']}, the oldest branch listed" if numbers < oldest else None


def _numbers(version: str) -> tuple[int, ...]:
    match = _NUMBERS.match(version)
    return () if match is None else tuple(map(int, re.split(r"[._]", match[0])))


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


def _age(product: Product, version: str, key: VersionKey) -> Iterator[Finding]:
    dated = [(day, text) for _, text, day in product.releases if day is not None]
    own = next((day for release, _, day in product.releases if release == key and day is not None), None)
    if own is None:
        return
    newest_day, newest = max(dated)
    days = (date.fromisoformat(newest_day) - date.fromisoformat(own)).days
    if days > 0:
        yield Finding(
            id="VERSION-AGE",
            severity="low" if days > BEHIND_DAYS else "info",
            title=f"{product.name} {version} is {days} days behind {newest}.",
            evidence=f"{version} was released on {own}, {newest} on {newest_day}",
            sources=tuple(product.facts["sources"]),
        )
