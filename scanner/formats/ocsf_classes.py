"""The fields that all OCSF events have in common: class, activity, severity, time, metadata."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from scanner.formats.severity import Severity
from scanner.formats.smtp_fields import known
from scanner.formats.suspicion import Suspicion
from scanner.record.document import RecordDocument
from scanner.version import VERSION

OCSF_VERSION: Final = "1.8.0"
_PRODUCT: Final = {"name": "smtpsweep", "vendor_name": "smtpsweep", "version": VERSION}


class EventClass(NamedTuple):
    """A class of events; `activities` are the captions of the activity_ids that we use."""

    uid: int
    name: str
    category: str
    activities: Mapping[int, str]


_FINDING_ACTIVITIES: Final = {1: "Create"}
VULNERABILITY_FINDING: Final = EventClass(2002, "Vulnerability Finding", "Findings", _FINDING_ACTIVITIES)
COMPLIANCE_FINDING: Final = EventClass(2003, "Compliance Finding", "Findings", _FINDING_ACTIVITIES)
DETECTION_FINDING: Final = EventClass(2004, "Detection Finding", "Findings", _FINDING_ACTIVITIES)
NETWORK_ACTIVITY: Final = EventClass(
    4001, "Network Activity", "Network Activity", {1: "Open", 3: "Reset", 4: "Fail", 5: "Refuse", 99: "Other"}
)
SOFTWARE_INVENTORY: Final = EventClass(5020, "Software Inventory Info", "Discovery", {2: "Collect"})
SCAN_ACTIVITY: Final = EventClass(
    6007, "Scan Activity", "Application Activity", {1: "Started", 2: "Completed", 8: "Resumed"}
)


class EventSubject(NamedTuple):
    """What the events of one line are about. `where` is the target for people, `time_ms` Unix milliseconds."""

    record: RecordDocument
    time_ms: int
    where: str
    suspicions: tuple[Suspicion, ...]


def event_of(subject: EventSubject, of_class: EventClass, own_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Complete an event; `body` has its own fields, with `activity_id` as a number and `severity` as a `Severity`."""
    activity_id, severity = body["activity_id"], body["severity"]
    caption = of_class.activities[activity_id]
    assert isinstance(severity, Severity)  # noqa: S101  tells the type checker what every caller gives
    return {
        **body,
        "activity_name": caption,
        "category_uid": of_class.uid // 1000,
        "category_name": of_class.category,
        "class_uid": of_class.uid,
        "class_name": of_class.name,
        "type_uid": of_class.uid * 100 + activity_id,
        "type_name": f"{of_class.name}: {caption}",
        "severity_id": severity.ocsf,
        "severity": severity.caption,
        "time": subject.time_ms,
        "metadata": _metadata(subject, own_id),
    }


def _metadata(subject: EventSubject, own_id: str) -> dict[str, Any]:
    record = subject.record
    return known(
        {
            "version": OCSF_VERSION,
            "product": _PRODUCT,
            "uid": own_id,
            "original_event_uid": record["event_id"],
            "correlation_uid": record["scan_id"],
            "original_time": record["observed_at"],
            "log_name": "smtpsweep",
            "labels": [f"banner.{each}" for each in subject.suspicions],
        }
    )


def endpoint(record: RecordDocument) -> dict[str, Any]:
    """Return the target as an endpoint; `svc_name` makes it one even when its address is not known."""
    banner = record["banner"]
    name = record["host"] or (None if banner is None else banner["hostname"])
    return known({"ip": record["ip"], "port": record["port"], "hostname": name, "svc_name": "smtp"})


def device(record: RecordDocument) -> dict[str, Any]:
    """Return the target as a device; that of an imported banner has at least the id of the record."""
    target = endpoint(record)
    interface = known({"ip": target.get("ip"), "hostname": target.get("hostname")})
    if interface and record["port"] is not None:
        interface["open_ports"] = [{"port": record["port"], "protocol_name": "tcp", "protocol_num": 6}]
    return known(
        {
            "type_id": 1,
            "type": "Server",
            "uid": None if interface else record["event_id"],
            "ip": target.get("ip"),
            "hostname": target.get("hostname"),
            "network_interfaces": [interface] if interface else [],
        }
    )


def resources(record: RecordDocument) -> list[dict[str, Any]]:
    """Return the target as the one resource that a finding is about."""
    target = endpoint(record)
    fields = {"uid": target_uid(record), "type": "SMTP server", "ip": target.get("ip")}
    return [known(fields | {"hostname": target.get("hostname"), "name": record["host"]})]


def target_uid(record: RecordDocument) -> str:
    """Return an id of the target that stays the same; an imported banner without an address has its record's id."""
    ip = record["ip"]
    if ip is None:
        return str(record["event_id"])
    return f"[{ip}]:{record['port']}" if ":" in ip else f"{ip}:{record['port']}"
