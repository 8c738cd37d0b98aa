"""A record as one flat row: for CSV, Parquet, GELF and LEEF, which have no objects inside objects.

A row has what people filter and count by. Parts with a structure of their own (each reply, each finding with its
verdict) are left to the formats that keep it. Lists of words stay lists here; each format writes them in its own way.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from scanner.formats.outcome import flaws_of, maybe_assessment
from scanner.formats.severity import UNDECIDED
from scanner.formats.suspicion import Suspicion
from scanner.formats.weaknesses import weaknesses_of
from scanner.record.document import FindingDocument, RecordDocument

if TYPE_CHECKING:
    from scanner.record.document import (
        AssessmentDocument,
        BannerDocument,
        CertificateDocument,
        DialogueDocument,
        NamesDocument,
        RefusalDocument,
        SoftwareDocument,
        TlsDocument,
    )

#: Every column, in order, with its type in DuckDB's SQL; times are in UTC.
COLUMNS: Final[Mapping[str, str]] = {
    "observed_at": "TIMESTAMP",
    "ip": "VARCHAR",
    "port": "INTEGER",
    "host": "VARCHAR",
    "status": "VARCHAR",
    "code": "INTEGER",
    "greeting_host": "VARCHAR",
    "banner": "VARCHAR",
    "product": "VARCHAR",
    "kind": "VARCHAR",
    "product_line": "VARCHAR",
    "version": "VARCHAR",
    "config_version": "VARCHAR",
    "patch": "VARCHAR",
    "package": "VARCHAR",
    "os": "VARCHAR",
    "os_version": "VARCHAR",
    "cpe": "VARCHAR",
    "confidence": "DOUBLE",
    "disclosure": "VARCHAR[]",
    "flags": "VARCHAR[]",
    "suspicions": "VARCHAR[]",
    "flaws": "VARCHAR[]",
    "flaws_undecided": "VARCHAR[]",
    "flaws_exploited": "INTEGER",
    "highest_cvss": "DOUBLE",
    "assessment": "VARCHAR",
    "covered_since": "VARCHAR",
    "facts_of": "VARCHAR",
    "weaknesses": "VARCHAR[]",
    "refusal": "VARCHAR",
    "refused_us": "BOOLEAN",
    "clock_skew_s": "BIGINT",
    "starttls": "BOOLEAN",
    "tls_version": "VARCHAR",
    "tls_cipher": "VARCHAR",
    "certificate_sha256": "VARCHAR",
    "certificate_not_after": "VARCHAR",
    "capabilities": "VARCHAR[]",
    "reverse_names": "VARCHAR[]",
    "connect_ms": "DOUBLE",
    "first_byte_ms": "DOUBLE",
    "total_ms": "DOUBLE",
    "tries": "INTEGER",
    "error": "VARCHAR",
    "sample": "INTEGER",
    "scan_id": "VARCHAR",
    "event_id": "VARCHAR",
}
# A part that the record does not have: every `get` gives None.
_NO_BANNER: Final = cast("BannerDocument", {})
_NO_SOFTWARE: Final = cast("SoftwareDocument", {})
_NO_REFUSAL: Final = cast("RefusalDocument", {})
_NO_DIALOGUE: Final = cast("DialogueDocument", {})
_NO_TLS: Final = cast("TlsDocument", {})
_NO_CERTIFICATE: Final = cast("CertificateDocument", {})
_NO_NAMES: Final = cast("NamesDocument", {})
_NO_ASSESSMENT: Final = cast("AssessmentDocument", {})


def row_of(record: RecordDocument, suspicious: tuple[Suspicion, ...]) -> dict[str, Any]:
    """Return the value of every column, None where it is not known; the record's texts are plain already."""
    values = {
        **_visit(record),
        **_banner(record),
        **_software(record),
        **_flaws(record),
        **_dialogue(record),
        "suspicions": [each.value for each in suspicious],
        "weaknesses": [each.id for each in weaknesses_of(record)],
    }
    return {column: values[column] for column in COLUMNS}


def _visit(record: RecordDocument) -> dict[str, Any]:
    timing = record["timing"]
    return {
        "observed_at": record["observed_at"],
        "ip": record["ip"],
        "port": record["port"],
        "host": record["host"],
        "status": record["status"],
        "disclosure": record["disclosure"],
        "connect_ms": timing["connect_ms"],
        "first_byte_ms": timing["first_byte_ms"],
        "total_ms": timing["total_ms"],
        "tries": record["tries"],
        "error": record["error"],
        "sample": record.get("sample"),
        "scan_id": record["scan_id"],
        "event_id": record["event_id"],
    }


def _banner(record: RecordDocument) -> dict[str, Any]:
    banner, refusal = record["banner"] or _NO_BANNER, record.get("refusal") or _NO_REFUSAL
    return {
        "code": banner.get("code"),
        "greeting_host": banner.get("hostname"),
        "banner": banner.get("text"),
        "flags": banner.get("flags", []),
        "clock_skew_s": banner.get("clock_skew_s"),
        "refusal": refusal.get("kind"),
        "refused_us": refusal.get("refused_us"),
    }


def _software(record: RecordDocument) -> dict[str, Any]:
    software = record["software"] or _NO_SOFTWARE
    return {
        "product": software.get("product"),
        "kind": software.get("kind"),
        "product_line": software.get("product_line"),
        "version": software.get("version"),
        "config_version": software.get("config_version"),
        "patch": software.get("patch"),
        "package": software.get("package"),
        "os": software.get("os"),
        "os_version": software.get("os_version"),
        "cpe": software.get("cpe"),
        "confidence": software.get("confidence"),
    }


def _flaws(record: RecordDocument) -> dict[str, Any]:
    """Return the flaws; an undecided one has no score and does not count, since those would say that it is there."""
    flaws, assessment = flaws_of(record), record.get("assessment") or _NO_ASSESSMENT
    decided = [each for each in flaws if each["verdict"] != UNDECIDED]
    scores = [score for each in decided if (score := each.get("cvss_score")) is not None]
    return {
        "flaws": [each["id"] for each in flaws],
        "flaws_undecided": [each["id"] for each in flaws if each["verdict"] == UNDECIDED],
        "flaws_exploited": _maybe_exploited(record, decided),
        "highest_cvss": max(scores, default=None),
        "assessment": assessment.get("answer"),
        "covered_since": assessment.get("covered_since"),
        "facts_of": assessment.get("facts_of"),
    }


def _maybe_exploited(record: RecordDocument, flaws: list[FindingDocument]) -> int | None:
    """Return how many of the flaws are known to be exploited; not 0 but None where the flaws may be incomplete."""
    answer = maybe_assessment(record)
    return sum(1 for each in flaws if each.get("kev")) or (0 if answer is not None and answer.is_known else None)


def _dialogue(record: RecordDocument) -> dict[str, Any]:
    dialogue, names = record.get("dialogue") or _NO_DIALOGUE, record.get("names") or _NO_NAMES
    tls = dialogue.get("tls") or _NO_TLS
    certificate = next(iter(tls.get("certificates", ())), _NO_CERTIFICATE)
    return {
        "starttls": dialogue.get("starttls"),
        "tls_version": tls.get("version"),
        "tls_cipher": tls.get("cipher"),
        "certificate_sha256": certificate.get("sha256"),
        "certificate_not_after": certificate.get("not_after"),
        "capabilities": dialogue.get("extensions", []),
        "reverse_names": names.get("ptr", []),
    }


def text_of(value: Any) -> str:
    """Return a value as one text: lists with commas, booleans as true and false, None as nothing."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
