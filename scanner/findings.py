"""Findings, and the assessment of how complete they are.

These values belong to `scanner.model`, which exports them; they have a module of their own for their length. They are
frozen, without behaviour beyond derived values; an unknown value is `None`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

#: Whether a release has a known flaw, as far as its number tells (`scanner.assess.vulnerabilities`).
VERDICTS = ("affected_upstream", "possible", "undecided", "vendor_fixed")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that follows from a record, with the evidence for it.

    The fields after `evidence` are filled for known vulnerabilities (see `scanner.assess`); None where nothing is
    known or the finding is of another kind. `verdict` is one of `VERDICTS`.
    `kev` is whether CISA lists it as exploited, `kev_added` since when (ISO date). `condition` is what the flaw needs
    and a greeting cannot show. `fixed_in` is the first release with the fix; `sources` name where the facts were read.
    """

    id: str
    severity: str
    title: str
    evidence: str | None = None
    verdict: str | None = None
    cvss_version: str | None = None
    cvss_score: float | None = None
    cvss_vector: str | None = None
    kev: bool | None = None
    kev_added: str | None = None
    attack_path: str | None = None
    smtp_unauthenticated: bool | None = None
    condition: str | None = None
    fixed_in: str | None = None
    note: str | None = None
    sources: tuple[str, ...] = ()


class Answer(StrEnum):
    """How complete a record's list of flaws is. A closed list; it is complete with the first two only."""

    KNOWN_FLAWS = "known_flaws"  # all known flaws are listed, and there are some
    NONE_KNOWN = "none_known"  # all known flaws are listed, and there are none
    UNDECIDED = "undecided"  # a candidate, a snapshot, a vendor's numbers: the facts cannot tell
    NOT_COVERED = "not_covered"  # the facts do not cover this product, or not so old a release
    VERSION_UNKNOWN = "version_unknown"  # newer than the facts, or never released
    NO_VERSION = "no_version"  # the server does not show which release it is

    __hash__ = str.__hash__


class Assessment(NamedTuple):
    """What is known about the flaws of one release. With another answer than the first two, findings may be incomplete.

    `covered_since` is the oldest release of the product whose flaws were searched for, None when it is not covered.
    `facts` counts the flaws that are known of the product, `facts_of` is the day the facts were compiled (ISO).
    """

    answer: Answer
    covered_since: str | None
    facts: int
    facts_of: str

    @property
    def is_known(self) -> bool:
        """Whether all known flaws of the release are in the findings, so that a gate may rely on them."""
        return self.answer in {Answer.KNOWN_FLAWS, Answer.NONE_KNOWN}

    @property
    def words(self) -> str:
        """The answer in words."""
        return _ANSWERS[self.answer]

    @property
    def basis(self) -> str:
        """What the answer rests on: since which release the product is covered, how many facts, of which day."""
        if self.covered_since is None:
            return f"facts of {self.facts_of}"
        facts = f"{self.facts} fact{'' if self.facts == 1 else 's'} of {self.facts_of}"
        return f"covered since {self.covered_since}, {facts}"

    def __str__(self) -> str:
        """Describe the assessment in a few words, for people."""
        return f"{self.words} ({self.basis})"


_ANSWERS = {
    Answer.KNOWN_FLAWS: "known",
    Answer.NONE_KNOWN: "none known",
    Answer.UNDECIDED: "undecided",
    Answer.NOT_COVERED: "not covered",
    Answer.VERSION_UNKNOWN: "unknown version",
    Answer.NO_VERSION: "no version shown",
}
