"""The object `smtp` of ECS documents, and of `unmapped` in OCSF events: everything without a field in the schema.

SMTP has no field set in ECS (`email.*` is for messages) and no class in OCSF (Email Activity is for messages, too).
Every name here is ours and fixed, so a server's text is a value and never a key; lists are arrays.
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.formats.suspicion import Suspicion
from scanner.record.document import FindingDocument, RecordDocument

#: Fields of a finding that ECS and OCSF have no place for.
_FINDING_FIELDS: Final = ("verdict", "kev", "attack_path", "smtp_unauthenticated", "condition", "fixed_in", "evidence")

_NOTHING: Final[tuple[object, ...]] = ((), [])


def smtp_fields(record: RecordDocument, suspicions: tuple[Suspicion, ...]) -> dict[str, Any]:
    """Return the object for one record; what is not known is left out."""
    timing = record["timing"]
    fields = {
        "status": record["status"],
        "tries": record["tries"],
        "sample": record.get("sample"),
        "disclosure": record["disclosure"],
        "suspicions": suspicions,
        "first_byte_ms": timing["first_byte_ms"],
        "connect_ms": timing["connect_ms"],
    }
    if (banner := record["banner"]) is not None:
        fields["greeting"] = known(
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
    if (refusal := record.get("refusal")) is not None:
        fields["refusal"] = known(refusal)
    if (software := record["software"]) is not None:
        fields["software"] = known(software)
    if (assessment := record.get("assessment")) is not None:
        fields["assessment"] = known(assessment)
    if (dialogue := record.get("dialogue")) is not None:
        fields["ehlo"] = known(
            {
                "capabilities": dialogue["extensions"],
                "tls_capabilities": dialogue["tls_extensions"],
                "size": dialogue["size"],
                "auth": dialogue["auth"],
                "starttls": dialogue["starttls"],
                "error": dialogue["error"],
            }
        )
    if (names := record.get("names")) is not None:
        fields["names"] = known(names)
    return known(fields)


def finding_fields(finding: FindingDocument) -> dict[str, Any]:
    """Return the object `smtp.finding` of a vulnerability."""
    return {name: value for name in _FINDING_FIELDS if (value := finding.get(name)) is not None}


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None or empty: readers index fields that are there."""
    return {name: value for name, value in fields.items() if value is not None and value not in _NOTHING}
