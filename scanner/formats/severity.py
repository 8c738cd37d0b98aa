"""The severity of a finding in the scales of the receivers."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from scanner.record.document import FindingDocument

#: The verdict of a flaw that a distribution's package has fixed (`scanner.assess`; not imported, it loads its facts).
VENDOR_FIXED: Final = "vendor_fixed"
#: The verdict of a flaw that the facts cannot decide.
UNDECIDED: Final = "undecided"


class Severity(NamedTuple):
    """One step of our scale in the numbers of other schemas.

    `syslog` as RFC 5424, 6.2.1 (2 critical to 6 informational); `ocsf` and `caption` as OCSF's severity_id (1 to 5);
    `points` from 1 to 10 for CEF and LEEF.
    """

    syslog: int
    ocsf: int
    caption: str
    points: int


INFO: Final = Severity(6, 1, "Informational", 1)
SEVERITIES: Final[Mapping[str, Severity]] = {
    "critical": Severity(2, 5, "Critical", 10),
    "high": Severity(3, 4, "High", 8),
    "medium": Severity(4, 3, "Medium", 5),
    "low": Severity(5, 2, "Low", 3),
    "info": INFO,
}


def severity_of_finding(finding: FindingDocument) -> Severity:
    """Return the severity of a finding.

    A flaw that a vendor's package has fixed is informational; an undecided one is medium at most.
    """
    verdict, severity = finding.get("verdict"), SEVERITIES.get(finding["severity"], INFO)
    if verdict == VENDOR_FIXED:
        return INFO
    return min(severity, SEVERITIES["medium"], key=lambda each: each.points) if verdict == UNDECIDED else severity


def worst(findings: list[FindingDocument]) -> Severity:
    """Return the severity of the worst finding; informational when there is none."""
    return min(map(severity_of_finding, findings)) if findings else INFO
