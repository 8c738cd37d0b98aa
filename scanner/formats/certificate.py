"""Write TLS sessions and certificates in the fields of ECS and OCSF.

The names in a certificate are chosen by its owner, and escaped like a greeting. Both schemas have a field for the name
of the key and one for its size; a record has both in one text ("RSA 2048", "EC secp256r1").
"""

import re
from datetime import datetime
from typing import Any, Final

from scanner.formats.smtp_fields import known
from scanner.record.document import CertificateDocument, TlsDocument

_PROTOCOL: Final = re.compile(r"(TLS|SSL)v([0-9](?:\.[0-9])?)")
_SHA256: Final = 3  # OCSF's algorithm_id of fingerprints


def ecs_tls(tls: TlsDocument) -> dict[str, Any]:
    """Return ECS's `tls`: established or not, then version, cipher and the server's certificate."""
    fields: dict[str, Any] = {
        "established": tls["error"] is None and tls["version"] is not None,
        "cipher": tls["cipher"],
    }
    if (protocol := _PROTOCOL.fullmatch(tls["version"] or "")) is not None:
        # ECS: "1.0", where OpenSSL says "TLSv1".
        number = protocol[2] if "." in protocol[2] else f"{protocol[2]}.0"
        fields |= {"version_protocol": protocol[1].lower(), "version": number}
    if tls["certificates"]:
        fields["server"] = _ecs_server(tls["certificates"][0])
    return known(fields)


def _ecs_server(certificate: CertificateDocument) -> dict[str, Any]:
    algorithm, _, detail = (certificate["key"] or "").partition(" ")
    dates = {"not_before": certificate["not_before"], "not_after": certificate["not_after"]}
    subject, issuer = certificate["subject"], certificate["issuer"]
    x509 = known(
        {
            "subject": None if subject is None else {"distinguished_name": subject},
            "issuer": None if issuer is None else {"distinguished_name": issuer},
            "alternative_names": certificate["names"],
            "serial_number": None if certificate["serial"] is None else certificate["serial"].upper(),
            "signature_algorithm": certificate["signature"],
            "public_key_algorithm": algorithm or None,
            "public_key_size": int(detail) if detail.isdecimal() else None,
            "public_key_curve": detail if detail and not detail.isdecimal() else None,
            **dates,
        }
    )
    hashes = {"sha256": certificate["sha256"].upper()}
    return known({"subject": subject, "issuer": issuer, **dates, "hash": hashes, "x509": x509 or None})


def maybe_ocsf_tls(tls: TlsDocument) -> dict[str, Any] | None:
    """Return OCSF's `tls`; None for a handshake that failed, since the version is required."""
    if tls["version"] is None:
        return None
    certificates = tls["certificates"]
    return known(
        {
            "version": tls["version"],
            "cipher": tls["cipher"],
            "certificate": maybe_ocsf_certificate(certificates[0]) if certificates else None,
        }
    )


def maybe_ocsf_certificate(certificate: CertificateDocument) -> dict[str, Any] | None:
    """Return OCSF's `certificate`; None for one that cannot be read, since issuer and serial number are required."""
    if certificate["issuer"] is None or certificate["serial"] is None:
        return None
    return known(
        {
            "subject": certificate["subject"],
            "issuer": certificate["issuer"],
            "serial_number": certificate["serial"],
            "is_self_signed": certificate["self_signed"],
            "created_time": _maybe_milliseconds(certificate["not_before"]),
            "expiration_time": _maybe_milliseconds(certificate["not_after"]),
            "fingerprints": [{"algorithm_id": _SHA256, "algorithm": "SHA-256", "value": certificate["sha256"]}],
            "sans": [{"name": name, "type": "IP" if _is_address(name) else "DNS"} for name in certificate["names"]],
        }
    )


def _maybe_milliseconds(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdecimal()
