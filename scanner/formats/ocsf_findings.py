"""The bodies of OCSF's findings: vulnerability (2002), compliance (2003), detection (2004)."""

from typing import Any, Final

from scanner.formats.ocsf_classes import EventSubject, endpoint, resources, target_uid
from scanner.formats.severity import INFO, SEVERITIES, UNDECIDED, VENDOR_FIXED, Severity
from scanner.formats.smtp_fields import finding_fields, known
from scanner.formats.weaknesses import Weakness
from scanner.record.document import FindingDocument, SoftwareDocument

#: confidence_id and status_id (1 New, 4 Resolved) for each verdict.
_CONFIDENCE: Final = {
    "affected_upstream": (3, "High"),
    "possible": (1, "Low"),
    UNDECIDED: (0, "Unknown"),
    VENDOR_FIXED: (3, "High"),
}
_NEW, _RESOLVED = (1, "New"), (4, "Resolved")


def vulnerability(subject: EventSubject, flaw: FindingDocument, severity: Severity) -> dict[str, Any]:
    """Return the body of one known vulnerability; what is not a CVE is an advisory."""
    verdict, fixed_in = flaw["verdict"], flaw.get("fixed_in")
    confidence_id, confidence = _CONFIDENCE.get(verdict or "", (0, "Unknown"))
    status_id, status = _RESOLVED if verdict == VENDOR_FIXED else _NEW
    name, title = flaw["id"], flaw["title"]
    about = {"cve": {"uid": name, "title": title}} if name.startswith("CVE-") else {"advisory": {"uid": name}}
    details = about | {
        "title": title,
        "severity": severity.caption,
        "is_exploit_available": True if flaw.get("kev") else None,  # False would say that there is none
        "is_fix_available": fixed_in is not None or verdict == VENDOR_FIXED,
        "affected_packages": _packages(subject.record["software"], fixed_in),
        "remediation": None if fixed_in is None else {"desc": f"Upstream has fixed it in {fixed_in}."},
    }
    return {
        "activity_id": 1,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "message": f"{subject.where}: {name}, {verdict}: {title}",
        "finding_info": _info(subject, name, title, flaw.get("evidence"), "Vulnerability"),
        "vulnerabilities": [known(details)],
        "resources": resources(subject.record),
        "unmapped": {"finding": finding_fields(flaw), "cvss_score": flaw.get("cvss_score")},
    }


def compliance(subject: EventSubject, weakness: Weakness) -> dict[str, Any]:
    """Return the body of one weakness: a warning when it is of low severity, else a failure."""
    status_id, status = (2, "Warning") if weakness.severity.points <= SEVERITIES["low"].points else (3, "Fail")
    details = {
        "control": weakness.id,
        "desc": weakness.title,
        "status_id": status_id,
        "status": status,
        "status_details": [] if weakness.evidence is None else [weakness.evidence],
        "standards": ["smtpsweep"],
    }
    remediation = {} if weakness.remedy is None else {"remediation": {"desc": weakness.remedy}}
    return {
        "activity_id": 1,
        "severity": weakness.severity,
        "status_id": _NEW[0],
        "status": _NEW[1],
        "message": f"{subject.where}: {weakness.title}",
        "finding_info": _info(subject, weakness.id, weakness.title, weakness.evidence, "Compliance"),
        "compliance": known(details),
        "resources": resources(subject.record),
        **remediation,
    }


def detection(subject: EventSubject) -> dict[str, Any]:
    """Return the body of text that may be an attack on readers of logs."""
    record, kinds = subject.record, subject.suspicions
    title = "The server's words are meant for readers of logs."
    alert = any(each != "oversize" for each in kinds)
    info = _info(subject, "suspicious", title, "; ".join(each.meaning for each in kinds), "Detection")
    banner = record["banner"]
    evidence = {"dst_endpoint": endpoint(record)}
    if banner is not None:
        evidence["data"] = {"banner": banner["text"]}
    return {
        "activity_id": 1,
        "severity": SEVERITIES["medium"] if alert else INFO,
        "status_id": _NEW[0],
        "status": _NEW[1],
        "is_alert": alert,
        "message": f"{subject.where}: {', '.join(kinds)}: {title}",
        "finding_info": info | {"analytic": {"type_id": 1, "type": "Rule", "name": "suspicious words"}},
        "evidences": [evidence],
        "resources": resources(record),
    }


def _info(subject: EventSubject, name: str, title: str, evidence: str | None, kind: str) -> dict[str, Any]:
    return known({"uid": f"{target_uid(subject.record)}/{name}", "title": title, "desc": evidence, "types": [kind]})


def _packages(software: SoftwareDocument | None, fixed_in: str | None) -> list[dict[str, Any]]:
    if software is None or software["version"] is None:
        return []
    fields = {"name": software["product"], "version": software["version"], "vendor_name": software["vendor"]}
    return [known(fields | {"cpe_name": software["cpe"], "fixed_in_version": fixed_in})]
