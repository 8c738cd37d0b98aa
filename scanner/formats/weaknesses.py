"""What is wrong with a server's configuration, for those who keep findings apart: a version shown, no STARTTLS.

A record says what was seen; formats with a kind of event for rules that are broken (OCSF's Compliance Finding) need
the breach itself. These are the few that follow from a record alone, whatever a site's policy is; `smtpsweep policy`
judges by that. Findings that are no vulnerabilities (end of life, an old configuration) are breaches, too, unless
they are only for information.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from scanner.formats.severity import INFO, SEVERITIES, Severity, severity_of_finding
from scanner.record.document import DialogueDocument, DisclosedInDocument, RecordDocument


class Weakness(NamedTuple):
    """One thing that should be otherwise; `remedy` says how, None when there is no short way to say it."""

    id: str
    title: str
    severity: Severity
    evidence: str | None = None
    remedy: str | None = None


#: What of `disclosure` names a release.
_VERSIONS: Final = frozenset({"version", "config_version", "patch", "build", "package"})
#: RFC 8996 forbids them.
_OLD_TLS: Final = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})
_LOW, _MEDIUM, _HIGH = SEVERITIES["low"], SEVERITIES["medium"], SEVERITIES["high"]


def weaknesses_of(record: RecordDocument) -> Iterator[Weakness]:
    """Yield what should be otherwise; each id comes once."""
    if shown := [each for each in record["disclosure"] if each in _VERSIONS]:
        yield Weakness(
            "VERSION-DISCLOSED",
            "The server shows the version of its software.",
            _LOW,
            _places(shown, record.get("disclosed_in")),
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


def _places(shown: list[str], disclosed_in: DisclosedInDocument | None) -> str:
    words = ", ".join(shown)
    seen = cast("Mapping[str, list[str]]", disclosed_in or {})
    places = sorted({place for each in shown for place in seen.get(each, ())})
    return f"{words} in {', '.join(places)}" if places else words
