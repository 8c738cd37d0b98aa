"""Weaknesses of a server's configuration that follow from one record: a version is shown, STARTTLS is missing.

Formats with an event for broken rules (OCSF's Compliance Finding) need these. They do not depend on a site's policy,
by which `smtpsweep policy` judges. Findings that are not vulnerabilities (end of life, an old configuration) are
weaknesses, too, unless they are informational.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from scanner.formats.severity import INFO, SEVERITIES, Severity, severity_of_finding
from scanner.record.document import DialogueDocument, DisclosedInDocument, RecordDocument


class Weakness(NamedTuple):
    """One weakness; `remedy` is None where the advice does not fit into a line."""

    id: str
    title: str
    severity: Severity
    evidence: str | None = None
    remedy: str | None = None


#: What of `disclosure` names a release.
_VERSIONS: Final = frozenset({"version", "config_version", "patch", "build", "package"})
#: Forbidden by RFC 8996.
_OLD_TLS: Final = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})
_LOW, _MEDIUM, _HIGH = SEVERITIES["low"], SEVERITIES["medium"], SEVERITIES["high"]


def weaknesses_of(record: RecordDocument) -> Iterator[Weakness]:
    """Yield the weaknesses of a record; each id comes once."""
    if disclosed := [each for each in record["disclosure"] if each in _VERSIONS]:
        yield Weakness(
            "VERSION-DISCLOSED",
            "The server shows the version of its software.",
            _LOW,
            _places(disclosed, record.get("disclosed_in")),
            "Leave versions out of the greeting and of the reply to HELP.",
        )
    if (dialogue := record.get("dialogue")) is not None:
        yield from _of_tls(dialogue)
    next_release = next((each["title"] for each in record["findings"] if each["id"] == "NEXT-RELEASE"), None)
    for finding in record["findings"]:
        if finding.get("verdict") is None and (severity := severity_of_finding(finding)) is not INFO:
            yield Weakness(finding["id"], finding["title"], severity, finding["evidence"], next_release)


def _of_tls(dialogue: DialogueDocument) -> Iterator[Weakness]:
    tls = dialogue["tls"]
    answered = any(each["code"] == 250 and each["command"].startswith("EHLO") for each in dialogue["exchanges"])
    if answered and not dialogue["starttls"] and tls is None:
        yield Weakness(
            "STARTTLS-MISSING", "The server offers no STARTTLS.", _MEDIUM, None, "Offer STARTTLS (RFC 3207)."
        )
    if tls is None:
        return
    if tls["error"] is not None:
        yield Weakness("TLS-FAILED", "TLS is offered, but its handshake fails.", _MEDIUM, tls["error"])
    if tls["version"] in _OLD_TLS:
        yield Weakness(
            "TLS-OLD",
            "The server speaks only an old version of TLS.",
            _MEDIUM,
            tls["version"],
            "Enable TLS 1.2 or newer.",
        )
    if tls["injected"]:
        yield Weakness(
            "STARTTLS-INJECTION",
            "Plain text came between the reply to STARTTLS and the handshake.",
            _HIGH,
            tls["injected"],
        )


def _places(disclosed: list[str], disclosed_in: DisclosedInDocument | None) -> str:
    words = ", ".join(disclosed)
    seen = cast("Mapping[str, list[str]]", disclosed_in or {})
    places = sorted({place for each in disclosed for place in seen.get(each, ())})
    return f"{words} in {', '.join(places)}" if places else words
