"""Assess a piece of software: its known flaws in exactly this version, and how certain they are.

A greeting shows an upstream version at best, and only claims it. So no verdict is "vulnerable":

- `affected_upstream`: upstream's release of that number has the flaw, and only upstream makes packages of it, or the
  package that the greeting names is known to lack the fix;
- `possible`: the same, but a distribution may have fixed it without changing the number: it packages this product,
  or the greeting shows a vendor's package, patch or suffix, or not what decides (an edition, a fix pack);
- `vendor_fixed`: the package revision is known to carry the fix (`backports`);
- `undecided`: the data cannot decide, as for a snapshot between an affected release and the first one with the fix;
- not affected: the version is outside of the ranges; such flaws are not listed (`ranges`).

The `Assessment` that comes with the findings qualifies them. An empty list means something for a release that exists,
of a product whose flaws were searched for, and nothing for any other.

What a flaw needs besides the version (`condition`) is passed on, since a greeting cannot confirm it. Product lines with
numbers of their own (Sendmail Switch, Sentrion, HP's, OS/2's) are never compared with the open-source list.

Thousands of hosts run the same release, so answers are cached by what decides them, and all of those hosts share one
tuple, which `scanner.record` encodes once. Left out: flaws that are worse in combination, and exploits.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Self

from scanner import lazy
from scanner.assess.backports import Backports, maybe_debian_version, shipped_backports
from scanner.assess.facts import Facts, Product, load_facts, shipped_facts
from scanner.assess.flaw_findings import UNDECIDED, VENDOR_FIXED, AssessedRelease, flaw_finding, rank
from scanner.assess.lifecycle import lifecycle_findings, next_clear_release, not_compared
from scanner.assess.ranges import maybe_flaw_match
from scanner.assess.releases import releases_of
from scanner.assess.versions import maybe_unread, version_key
from scanner.model import Answer, Assessment, Finding, Software

#: The finding for a version that is not among the known ones, with the reason.
VERSION_UNKNOWN: Final = "VERSION-UNKNOWN"

#: Answers kept: versions in the world are hundreds. A hostile network can fill it (12 MB), not grow it.
_CACHED_ANSWERS: Final = 1024
#: What the parts of a patch field mean for the order of versions; a vendor's own patch names (PHNE_14041) mean nothing.
_PATCH_LEVEL = lazy.pattern(r"(p[0-9]{1,3}|FP[0-9]{1,3}(?: ?IF[0-9]{1,3})?|patch [0-9]{1,3})(?![0-9A-Za-z])")
#: How git describes a state after a release: 58 commits after it (Exim 4.96-58-g4e9ed49f8).
_DEVELOPMENT = lazy.pattern(r"-[0-9]{1,5}-g[0-9a-f]{6,40}(?![0-9A-Za-z])")


class Assessed(NamedTuple):
    """The findings about a piece of software, and the assessment that qualifies them."""

    findings: tuple[Finding, ...]
    assessment: Assessment


class Assessor:
    """Assesses software with data that was loaded before. Reads nothing afterwards."""

    def __init__(self, facts: Facts, backports: Backports) -> None:
        """Use these facts; nothing is read from now on."""
        self.facts = facts
        self._backports = backports
        self._answer = lru_cache(_CACHED_ANSWERS)(self._assessed)

    @classmethod
    def installed(cls, user_file: Path | None = None) -> Self:
        """Read the shipped facts and the user's newer ones.

        Raises:
            InputError: when the user's file cannot be read or is damaged.
        """
        return cls(load_facts(user_file), shipped_backports())

    def forget(self) -> None:
        """Drop the answers that were kept, so that the next is made afresh."""
        self._answer.cache_clear()

    def assess(self, software: Software) -> tuple[Finding, ...]:
        """Return the findings: flaws first, the surest and worst at the top; the same object for the same software."""
        return self.answer(software).findings

    def answer(self, software: Software) -> Assessed:
        """Return the findings and their assessment; the same objects for the same software."""
        return self._answer(
            software.product,
            software.product_line,
            software.version,
            software.config_version,
            software.patch,
            software.vendor_tag,
            software.package,
            software.os,
        )

    def _assessed(
        self,
        name: str,
        line: str | None,
        version: str | None,
        config_version: str | None,
        patch: str | None,
        vendor_tag: str | None,
        package: str | None,
        system: str | None,
    ) -> Assessed:
        product = self.facts.product(name)
        if product is None:
            return self._assessed_as(None, Answer.NOT_COVERED)
        if line in product.facts.get("own_numbers", ()):
            why = "its numbers are not those of the open-source releases"
            return self._assessed_as(product, Answer.UNDECIDED, not_compared(product, f"{name} {line}", version, why))
        if version is None:
            return self._assessed_as(product, Answer.NO_VERSION, *lifecycle_findings(product, None, None, None))
        full = _full_version(version, patch)
        key = version_key(product.key, full)
        if key is None:
            why = "this is not a version we can compare"
            return self._assessed_as(product, Answer.UNDECIDED, not_compared(product, name, version, why))
        releases = releases_of(product)
        if product.covered_since is not None and not releases.is_whole(full, key):
            why = "this is only the beginning of a version"
            return self._assessed_as(product, Answer.UNDECIDED, not_compared(product, name, version, why))
        is_after = _DEVELOPMENT.search(f"{version}-{package}") is not None
        position = releases.place_after(key) if is_after else releases.place(key)
        unread = None if is_after or releases.names(version) else maybe_unread(product.key, version)
        is_plain = not (product.facts["packaged"] or package or vendor_tag or system in {"Debian", "Ubuntu"})
        debian = None if package is None else maybe_debian_version(version, package)
        subject = AssessedRelease(product, full, position, is_plain and unread is None, debian, system, unread)
        is_release = not is_after and unread is None
        others = lifecycle_findings(product, version, config_version, key, is_release=is_release)
        return self._of_release(subject, tuple(others), line or name)

    def _of_release(self, subject: AssessedRelease, others: tuple[Finding, ...], name: str) -> Assessed:
        product, key = subject.product, subject.place.key
        flaws = sorted(self._flaws(subject), key=rank)
        if any(finding.verdict != VENDOR_FIXED for finding in flaws):
            others = (*next_clear_release(product, subject.version, key), *others)
        if product.covered_since is None or key < product.covered_since:
            return self._assessed_as(product, Answer.NOT_COVERED, *flaws, *others)
        releases = releases_of(product)
        why = releases.maybe_unknown(key) or releases.maybe_of_another(name, key)
        if why is not None:
            unknown = not_compared(product, product.name, subject.version, why, VERSION_UNKNOWN)
            return self._assessed_as(product, Answer.VERSION_UNKNOWN, *flaws, *others, unknown)
        if subject.unread is not None:
            why = f"what {subject.unread!a} behind it means is not known, so it may be another state than the release"
            unknown = not_compared(product, product.name, subject.version, why)
            return self._assessed_as(product, Answer.UNDECIDED, *flaws, *others, unknown)
        if any(finding.verdict == UNDECIDED for finding in flaws):
            return self._assessed_as(product, Answer.UNDECIDED, *flaws, *others)
        return self._assessed_as(product, Answer.KNOWN_FLAWS if flaws else Answer.NONE_KNOWN, *flaws, *others)

    def _assessed_as(self, product: Product | None, answer: Answer, *findings: Finding) -> Assessed:
        since = None if product is None else product.facts.get("covered_since")
        if since is None:
            answer = Answer.NOT_COVERED
        known = 0 if product is None else len(product.flaws)
        return Assessed(findings, Assessment(answer, since, known, self.facts.compiled))

    def _flaws(self, subject: AssessedRelease) -> Iterator[Finding]:
        for flaw in subject.product.flaws:
            if subject.system not in flaw.facts.get("systems", (subject.system,)):
                continue
            match = maybe_flaw_match(flaw, subject.place)
            if match is not None:
                answer = None
                if subject.debian is not None:
                    answer = self._backports.maybe_answer(subject.product.key, subject.debian, flaw.id)
                yield flaw_finding(subject, flaw, match, answer)


def assess(software: Software) -> tuple[Finding, ...]:
    """Return the findings about a piece of software by the shipped data; empty when nothing is known."""
    return _shipped().assess(software)


@cache
def _shipped() -> Assessor:
    return Assessor(shipped_facts(), shipped_backports())


def _full_version(version: str, patch: str | None) -> str:
    """Return the version with the patch level that upstream's order knows: `8.11.6` and `p2` make `8.11.6p2`."""
    level = _PATCH_LEVEL.match(patch or "")
    return version if level is None else version + level[1].replace(" ", "")
