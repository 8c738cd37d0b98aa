"""The object `smtp` of ECS documents, and of `unmapped` in OCSF events: everything without a field in the schema.

SMTP has no field set in ECS (`email.*` is for messages) and no class in OCSF (Email Activity is for messages, too).
Every name here is ours and fixed, so a server's text is a value and never a key; lists are arrays.
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.formats.suspicion import Suspicion
from scanner.record.document import BannerDocument, DialogueDocument, FindingDocument, RecordDocument

#: Fields of a finding that ECS and OCSF have no place for.
_FINDING_FIELDS: Final = ("verdict", "kev", "attack_path", "smtp_unauthenticated", "condition", "fixed_in", "evidence")

_NOTHING: Final[tuple[object, ...]] = ((), [])


def smtp_fields(record: RecordDocument, suspicions: tuple[Suspicion, ...]) -> dict[str, Any]:
    """Return the object for one record; what is not known is left out."""
    timing, banner, dialogue = record["timing"], record["banner"], record.get("dialogue")
    return known(
        {
            "status": record["status"],
            "tries": record["tries"],
            "sample": record.get("sample"),
            "disclosure": record["disclosure"],
            "suspicions": suspicions,
            "first_byte_ms": timing["first_byte_ms"],
            "connect_ms": timing["connect_ms"],
            "greeting": None if banner is None else _banner_fields(banner),
            "refusal": _maybe_known(record.get("refusal")),
            "software": _maybe_known(record["software"]),
            "assessment": _maybe_known(record.get("assessment")),
            "ehlo": None if dialogue is None else _ehlo_fields(dialogue),
            "names": _maybe_known(record.get("names")),
        }
    )


def _banner_fields(banner: BannerDocument) -> dict[str, Any]:
    return known(
        {
            "text": banner["text"],
            "code": banner["code"],
            "bytes": banner["bytes"],
            "hostname": banner["hostname"],
            "esmtp": banner["esmtp"],
            "enhanced_code": banner["enhanced_code"],
            "server_time": banner["server_time"],
            "clock_skew_s": banner.get("clock_skew_s"),
            "flags": banner["flags"],
        }
    )


def _ehlo_fields(dialogue: DialogueDocument) -> dict[str, Any]:
    return known(
        {
            "capabilities": dialogue["extensions"],
            "tls_capabilities": dialogue["tls_extensions"],
            "size": dialogue["size"],
            "auth": dialogue["auth"],
            "starttls": dialogue["starttls"],
            "error": dialogue["error"],
        }
    )


def _maybe_known(part: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if part is None else known(part)


def finding_fields(finding: FindingDocument) -> dict[str, Any]:
    """Return the object `smtp.finding` of a vulnerability."""
    return {name: value for name in _FINDING_FIELDS if (value := finding.get(name)) is not None}


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None or empty: readers index fields that are there."""
    return {name: value for name, value in fields.items() if value is not None and value not in _NOTHING}
