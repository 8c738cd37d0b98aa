"""The bodies of OCSF's Network Activity (4001) and Software Inventory Info (5020)."""

from collections.abc import Mapping
from typing import Any, Final

from scanner.formats.banner import banner_sha256
from scanner.formats.certificate import maybe_ocsf_tls
from scanner.formats.ocsf_classes import EventSubject, device, endpoint
from scanner.formats.outcome import Result, outcome_of, sentence
from scanner.formats.severity import INFO
from scanner.formats.smtp_fields import known, smtp_fields
from scanner.record.document import BannerDocument, SoftwareDocument

_STATUS: Final = {Result.SUCCESS: (1, "Success"), Result.FAILURE: (2, "Failure"), Result.UNKNOWN: (0, "Unknown")}
_SHA256: Final = {"algorithm_id": 3, "algorithm": "SHA-256"}
_IP_OBSERVABLE: Final = {"name": "dst_endpoint.ip", "type_id": 2, "type": "IP Address"}
_NAME_OBSERVABLE: Final = {"name": "dst_endpoint.hostname", "type_id": 1, "type": "Hostname"}


def network_activity(subject: EventSubject) -> dict[str, Any]:
    """Return the body of the connection and of the conversation in it."""
    record = subject.record
    outcome, banner, dialogue = outcome_of(record), record["banner"], record.get("dialogue")
    status_id, status = _STATUS[outcome.result]
    target = endpoint(record)
    body: dict[str, Any] = {
        "activity_id": outcome.ocsf_activity,
        "severity": INFO,
        "status_id": status_id,
        "status": status,
        "status_detail": record["error"] or record["status"],
        "message": sentence(record),
        "app_protocol_name": "smtp",
        "connection_info": _connection(record["ip"]),
        "dst_endpoint": target,
        "observables": _observables(target),
        "tls": None if dialogue is None or dialogue["tls"] is None else maybe_ocsf_tls(dialogue["tls"]),
        "unmapped": {"smtp": smtp_fields(record, subject.suspicions)},
    }
    total_ms = record["timing"]["total_ms"]
    if total_ms is not None and record["observed_at"] is not None:
        duration = round(total_ms)
        body |= {"start_time": subject.time_ms, "end_time": subject.time_ms + duration, "duration": duration}
    if banner is not None:
        body |= _raw(banner)
        body["status_code"] = None if banner["code"] is None else f"{banner['code']:03d}"
    return known(body)


def _connection(ip: str | None) -> dict[str, Any]:
    connection: dict[str, Any] = {
        "direction_id": 2,
        "direction": "Outbound",
        "protocol_name": "tcp",
        "protocol_num": 6,
    }
    if ip is not None:
        connection["protocol_ver_id"] = 6 if ":" in ip else 4
    return connection


def _observables(target: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = (_IP_OBSERVABLE, target.get("ip")), (_NAME_OBSERVABLE, target.get("hostname"))
    return [{**observable, "value": value} for observable, value in found if value is not None]


def _raw(banner: BannerDocument) -> dict[str, Any]:
    """Return the greeting: `raw_data` is escaped, size and check sum are those of the bytes."""
    return {
        "raw_data": banner["text"],
        "raw_data_size": banner["bytes"],
        "raw_data_hash": {**_SHA256, "value": banner_sha256(banner)},
    }


def inventory(subject: EventSubject, software: SoftwareDocument) -> dict[str, Any]:
    """Return the body of the software that the target runs, whose version is known."""
    named = {"name": software["product"], "version": software["version"]}
    package = {**named, "vendor_name": software["vendor"], "cpe_name": software["cpe"], "release": software["package"]}
    product = {**named, "vendor_name": software["vendor"], "cpe_name": software["cpe"]}
    return {
        "activity_id": 2,
        "severity": INFO,
        "status_id": 1,
        "status": "Success",
        "message": f"{subject.where}: {software['product']} {software['version']}",
        "device": device(subject.record),
        "product": known(product),
        "sbom": {"package": known(package), "software_components": [named]},
        "unmapped": {"software": known(software)},
    }
