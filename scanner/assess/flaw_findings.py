"""Make the finding of one flaw of one release: its verdict, severity, evidence and the release with the fix.

`vulnerabilities` explains the verdicts. "possible" is the verdict where a distribution may have fixed the flaw without
a new number, or where the greeting does not show what decides: an edition, a fix pack.
"""

from dataclasses import dataclass
from typing import Any, Final

from scanner import lazy
from scanner.assess.backports import BackportState
from scanner.assess.facts import Product
from scanner.assess.ranges import Flaw, FlawMatch, Range, ReleasePosition
from scanner.assess.releases import releases_of
from scanner.assess.versions import version_key
from scanner.model import Finding

AFFECTED: Final = "affected_upstream"
POSSIBLE: Final = "possible"
UNDECIDED: Final = "undecided"
VENDOR_FIXED: Final = "vendor_fixed"

_ORDER: Final = {AFFECTED: 0, POSSIBLE: 1, UNDECIDED: 2, VENDOR_FIXED: 3}
#: Lower bounds of the ratings, by FIRST's specification of CVSS 3 and 4, and by NVD for 2.0.
_RATINGS: Final = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"), (0.0, "info"))
#: The end of a version that greetings rarely show: Domino's interim fix, Zimbra's patch.
_HIDDEN_END = lazy.pattern(r"(?:IF|p|patch)[0-9]{1,3}$")
#: MailEnable's editions have ranges of their own, and a greeting does not name the edition.
_EDITIONS: Final = frozenset({"standard", "professional", "enterprise"})


@dataclass(frozen=True, slots=True)
class AssessedRelease:
    """One release as a greeting shows it.

    `debian` is the full version of Debian's package, when it is one; `unread` what cannot be read behind the version.
    """

    product: Product
    version: str
    place: ReleasePosition
    is_plain: bool
    debian: str | None
    system: str | None
    unread: str | None


def flaw_finding(subject: AssessedRelease, flaw: Flaw, match: FlawMatch, answer: BackportState | None) -> Finding:
    """Return the finding of a flaw that a release has or may have; `answer` is what the table of backports knows."""
    facts, cvss = flaw.facts, flaw.facts.get("cvss", {})
    verdict = _verdict(subject, match, answer)
    notes = [facts.get("note"), f"Also known as {facts['alias']}." if "alias" in facts else None]
    sources = tuple(facts["sources"])
    if answer is not None:
        notes.append(answer.fix.note)
        sources = (*sources, answer.fix.source)
    return Finding(
        id=flaw.id,
        severity="info" if verdict == VENDOR_FIXED else _severity(facts),
        title=facts["summary"],
        evidence=_evidence(subject, match, answer),
        verdict=verdict,
        cvss_version=cvss.get("version"),
        cvss_score=cvss.get("score"),
        cvss_vector=cvss.get("vector"),
        kev="kev" in facts,
        kev_added=facts.get("kev"),
        attack_path=facts.get("attack_path"),
        smtp_unauthenticated=facts.get("smtp_unauthenticated"),
        condition=facts.get("condition"),
        fixed_in=_fixed_in(subject, flaw, match),
        note=" ".join(filter(None, notes)) or None,
        sources=sources,
    )


def _verdict(subject: AssessedRelease, match: FlawMatch, answer: BackportState | None) -> str:
    if answer is not None:
        return VENDOR_FIXED if answer.carries else AFFECTED
    if not match.is_decided:
        return UNDECIDED
    editions = {each.edition for each in match.ranges} - {None}
    some_editions = bool(editions) and editions != _EDITIONS
    # A greeting shows fix packs, and rarely the interim fix or patch that would decide.
    ends = (each.fixed or each.last_affected or "" for each in match.ranges)
    at_the_border = not _HIDDEN_END.search(subject.version) and any(
        _HIDDEN_END.search(end)
        and subject.place.key >= (version_key(subject.product.key, _HIDDEN_END.sub("", end)) or ())
        for end in ends
    )
    return AFFECTED if subject.is_plain and not some_editions and not at_the_border else POSSIBLE


def _severity(facts: Any) -> str:
    if "cvss" not in facts:
        return str(facts.get("upstream_severity", "medium"))
    score = facts["cvss"]["score"]
    rating = next(name for bound, name in _RATINGS if score >= bound)
    return "high" if rating == "critical" and facts["cvss"]["version"] == "2.0" else rating


def _evidence(subject: AssessedRelease, match: FlawMatch, answer: BackportState | None) -> str:
    text = f"{subject.product.name} {subject.version}"
    if match.ranges:
        text += f"; affected are versions {_versions(match.ranges[0])}"
    if match.why is not None:
        text += f"; {match.why}"
    if answer is None:
        return text
    if answer.carries:
        return f"{text}; package {subject.debian} carries the fix, the first was {answer.fix.fixed}"
    return f"{text}; package {subject.debian} is older than {answer.fix.fixed}, the first with the fix"


def _versions(covering: Range) -> str:
    if covering.introduced is not None and covering.introduced == covering.last_affected:
        return f"{covering.introduced} alone"
    since = "" if covering.introduced is None else f"from {covering.introduced} and "
    return since + (f"before {covering.fixed}" if covering.fixed else f"up to {covering.last_affected}")


def _fixed_in(subject: AssessedRelease, flaw: Flaw, match: FlawMatch) -> str | None:
    if not match.ranges:
        return None
    fixed = match.ranges[0].fixed
    # The fix of an earlier branch is not the one to ask for.
    if fixed is not None and match.ranges[0].high > subject.place.key:
        return fixed
    return releases_of(subject.product).first_without(flaw, subject.place.key)


def rank(finding: Finding) -> tuple[int, bool, float, str]:
    """Return the sort key of a finding: the surest first, then those known to be exploited, then by score."""
    verdict = _ORDER[finding.verdict or POSSIBLE]
    return verdict, not finding.kev, -(finding.cvss_score or 0.0), finding.id
