"""Find the release that a host needs, from the findings of its record. Hiding a version closes no flaw.

The release that clears the list is the newest of all `fixed_in`: older ones close a part. The verdicts keep the meaning
that `scanner.assess` gave them: `possible` is not "vulnerable", a distribution may have the fix under the old number.
An empty list has a meaning only for a release whose flaws were searched for.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from scanner.assess.facts import shipped_facts
from scanner.assess.flaw_findings import VENDOR_FIXED
from scanner.assess.versions import VersionKey, version_key
from scanner.model import VERDICTS, Assessment, Finding, Record
from scanner.policy.judges import shows_version

#: What is said of a list of flaws in a record of a version of this program that did not tell what it is worth.
_NOT_SAID: Final = "the record does not say whether anybody looked for flaws"


class Advice(NamedTuple):
    """What follows from the version. `flaws` are the open ones, the most certain and worst first.

    `counts` are numbers of flaws by verdict, only those that occur. `release` clears the list as far as fixes are
    known; `unfixed` are the ids of flaws without one. `has_version` is False when nothing could be compared.
    `assessment` tells how complete the list is, None in records of earlier versions. `shows_version`: the server
    shows one, also where no rule reads it. `has_product`: we know what it is.
    """

    has_version: bool
    counts: tuple[tuple[str, int], ...]
    flaws: tuple[Finding, ...]
    release: str | None
    unfixed: tuple[str, ...]
    assessment: Assessment | None = None
    shows_version: bool = False
    has_product: bool = False

    @property
    def exploited(self) -> tuple[str, ...]:
        """The ids of flaws that CISA lists as exploited."""
        return tuple(finding.id for finding in self.flaws if finding.kev)

    def describe(self) -> str:
        """Return one line of our own words, numbers and a release (which comes from the record)."""
        if not self.has_version:
            seen = "no version seen"
            if self.shows_version:
                seen = "the version shown cannot be read" if self.has_product else "the product is not known here"
            return f"{seen}, so nothing is known"
        counted, worth = ", ".join(f"{number} {verdict}" for verdict, number in self.counts), self.assessment
        if not counted:
            return _NOT_SAID if worth is None else str(worth)
        if worth is not None:
            counted += f" ({worth.basis})" if worth.is_known else f", others {worth}"
        return counted if self.release is None else f"{counted}; fixed in {self.release}"


def advise(record: Record) -> Advice:
    """Return what the record's findings ask for."""
    judged = [finding for finding in record.findings if finding.verdict is not None]
    counts = [(verdict, sum(finding.verdict == verdict for finding in judged)) for verdict in VERDICTS]
    flaws = tuple(finding for finding in judged if finding.verdict != VENDOR_FIXED)
    # NEXT-RELEASE is not a flaw: it names the first release without one known, which may be later than each single fix.
    wanted = (*flaws, *(finding for finding in record.findings if finding.id == "NEXT-RELEASE")) if flaws else ()
    releases = frozenset(finding.fixed_in for finding in wanted if finding.fixed_in is not None)
    product = "" if record.software is None else record.software.product
    return Advice(
        has_version=record.software is not None and record.software.version is not None,
        counts=tuple((verdict, number) for verdict, number in counts if number),
        flaws=flaws,
        release=_newest(product, releases),
        unfixed=tuple(finding.id for finding in flaws if finding.fixed_in is None),
        assessment=record.assessment,
        shows_version=shows_version(record),
        has_product=record.software is not None,
    )


@lru_cache(1024)
def _newest(product: str, releases: Iterable[str]) -> str | None:
    """Return the newest release in the product's own order; texts that are not versions come first."""
    known = shipped_facts().product(product)
    key = product if known is None else known.key

    def order(release: str) -> tuple[bool, VersionKey, str]:
        place = version_key(key, release)
        return place is not None, place or ((), ()), release

    return max(releases, key=order, default=None)
