r"""Write records in CEF, version 0, for ArcSight and others: one line a record.

    CEF:0|smtpsweep|smtpsweep|VERSION|smtp-STATUS|NAME|SEVERITY|rt=... dst=... msg=...

Readers find the next field by a space, a key and `=`, so every `=` in a value is escaped; otherwise a greeting with
`src=10.0.0.1` would become a field. A backslash is escaped, too. A pipe needs that in the header only, which has no
text of a server. Values have no line ends (`scanner.formats.plain`). IPv6 addresses are in `c6a3`, because `dst` takes
IPv4 only.

Values are cut at the lengths of the dictionary (a greeting at 1,023 characters, others at 4,000), never inside an
escape of ours; then `cs5` has the word `cut`. The native format has everything.

Source: Micro Focus "ArcSight Common Event Format", version 25 (0.1). Mappings: docs/formats.md.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from scanner.formats.columns import row_of, text_of
from scanner.formats.event import Event, key_of, time_of
from scanner.formats.outcome import OUTCOMES, flaws_text
from scanner.formats.plain import plain
from scanner.formats.severity import worst
from scanner.formats.suspicion import suspicions
from scanner.record.document import LineDocument, RecordDocument
from scanner.version import VERSION

_MAX_MESSAGE, _MAX_TEXT = 1_023, 4_000
_TOKEN: Final = re.compile(r"\\(?:x[0-9a-f]{2}|\\|)|[^\\]", re.DOTALL)
#: Label -> custom key and column. CEF has six custom strings, three numbers, two more strings.
_CUSTOM: Final = {
    "software": ("cs1", "product"),
    "softwareVersion": ("cs2", "version"),
    "knownFlaws": ("cs3", "flaws"),
    "disclosed": ("cs4", "disclosure"),
    "suspicions": ("cs5", "suspicions"),
    "scanId": ("cs6", "scan_id"),
    "smtpCode": ("cn1", "code"),
    "knownExploited": ("cn2", "flaws_exploited"),
    "bannerBytes": ("cn3", "bytes"),
    "weaknesses": ("flexString1", "weaknesses"),
    "greetingName": ("flexString2", "greeting_host"),
}


class Cef:
    """`format=cef`."""

    name = "cef"
    is_json = False

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the line of a record; a run has none."""
        if "event_id" not in document:
            return
        visit = plain(document, line)
        time_s, severity = time_of(visit), worst(visit["findings"])
        outcome, status = OUTCOMES[visit["status"]], visit["status"]
        header = f"CEF:0|smtpsweep|smtpsweep|{VERSION}|smtp-{status}|{outcome.words}|{severity.points}|"
        extension = " ".join(f"{key}={_escaped(value)}" for key, value in _fields(visit, line, time_s).items())
        yield Event(visit["event_id"], key_of(visit), time_s, severity.syslog, (header + extension).encode("ascii"))


def _fields(record: RecordDocument, line: bytes, time_s: float | None) -> dict[str, str]:
    """Return key -> value of what is known, the greeting last."""
    row = row_of(record, suspicions(record, line))
    banner, text = record["banner"], row["banner"] or ""
    row["bytes"] = None if banner is None else banner["bytes"]
    custom = {label: text_of(row[column]) for label, (_, column) in _CUSTOM.items()}
    custom["knownFlaws"] = flaws_text(record)
    message = cut(text, _MAX_MESSAGE)
    if message != text or any(len(value) > _MAX_TEXT for value in custom.values()):
        custom["suspicions"] = ", ".join(filter(None, (custom["suspicions"], "cut")))
    fields = {
        "rt": "" if time_s is None else str(round(time_s * 1000)),
        "externalId": row["event_id"],
        "outcome": OUTCOMES[row["status"]].result.value,
        "reason": row["status"],
        "dvchost": "smtpsweep",
        "proto": "TCP",
        "app": "SMTP",
        "dpt": text_of(row["port"]),
        "dhost": row["host"] or "",
        **_address(row["ip"]),
        **_labelled(custom),
    }
    if row["highest_cvss"] is not None:
        fields |= {"cfp1": text_of(row["highest_cvss"]), "cfp1Label": "highestCvss"}
    fields["msg"] = message
    return {key: value for key, value in fields.items() if value}


def _address(ip: str | None) -> dict[str, str]:
    if ip is not None and ":" in ip:
        return {"c6a3": ip, "c6a3Label": "Destination IPv6 Address"}
    return {"dst": ip or ""}


def _labelled(custom: Mapping[str, str]) -> dict[str, str]:
    """Return the custom fields that have a value, each followed by its label."""
    fields: dict[str, str] = {}
    for label, (key, _) in _CUSTOM.items():
        if custom[label]:
            fields |= {key: cut(custom[label], _MAX_TEXT), f"{key}Label": label}
    return fields


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("=", "\\=")


def cut(text: str, limit: int) -> str:
    r"""Return at most `limit` characters, and no part of a `\xNN`."""
    if len(text) <= limit:
        return text
    end = 0
    for token in _TOKEN.finditer(text):
        if token.end() > limit:
            break
        end = token.end()
    return text[:end]
