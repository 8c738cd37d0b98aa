"""Which release a host needs, from the findings of its record. Hiding a version closes no flaw.

The release that clears the list is the newest of all `fixed_in`: older ones close a part. The verdicts keep the meaning
that `scanner.assess` gave them: `possible` is not "vulnerable", a distribution may have the fix under the old number.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from scanner.assess.facts import shipped_facts
from scanner.assess.versions import VersionKey, version_key
from scanner.assess.vulnerabilities import AFFECTED, POSSIBLE, VENDOR_FIXED
from scanner.model import Finding, Record

_VERDICTS: Final = (AFFECTED, POSSIBLE, VENDOR_FIXED)


class Advice(NamedTuple):
    """What the version means. `flaws` are the open ones, surest and worst first, as the record has them.

    `counts` are numbers of flaws by verdict, only those that occur. `release` clears the list as far as fixes are
    known; `unfixed` are the ids of flaws without one. `has_version` is False when nothing could be compared.
    """

    has_version: bool
    counts: tuple[tuple[str, int], ...]
    flaws: tuple[Finding, ...]
    release: str | None
    unfixed: tuple[str, ...]

    @property
    def exploited(self) -> tuple[str, ...]:
        """The ids of flaws that CISA lists as exploited."""
        return tuple(finding.id for finding in self.flaws if finding.kev)

    def describe(self) -> str:
        """Return one line of our own words, numbers and a release (which comes from the record)."""
        if not self.has_version:
            return "no version seen, so nothing is known"
        counted = ", ".join(f"{number} {verdict}" for verdict, number in self.counts) or "no known flaw"
        return counted if self.release is None else f"{counted}; fixed in {self.release}"


def advise(record: Record) -> Advice:
    """Return what the record's findings ask for."""
    judged = [finding for finding in record.findings if finding.verdict is not None]
    counts = [(verdict, sum(finding.verdict == verdict for finding in judged)) for verdict in _VERDICTS]
    flaws = tuple(finding for finding in judged if finding.verdict != VENDOR_FIXED)
    # NEXT-RELEASE is no flaw: it names the first release without one known, which may be later than each single fix.
    wanted = (*flaws, *(finding for finding in record.findings if finding.id == "NEXT-RELEASE")) if flaws else ()
    releases = frozenset(finding.fixed_in for finding in wanted if finding.fixed_in is not None)
    product = "" if record.software is None else record.software.product
    return Advice(
        has_version=record.software is not None and record.software.version is not None,
        counts=tuple((verdict, number) for verdict, number in counts if number),
        flaws=flaws,
        release=_newest(product, releases),
        unfixed=tuple(finding.id for finding in flaws if finding.fixed_in is None),
    )


@lru_cache(1024)
def _newest(product: str, releases: Iterable[str]) -> str | None:
    """Return the newest release in the product's own order; those that are no versions come first."""
    known = shipped_facts().product(product)
    key = product if known is None else known.key

    def order(release: str) -> tuple[bool, VersionKey, str]:
        place = version_key(key, release)
        return place is not None, place or ((), ()), release

    return max(releases, key=order, default=None)
