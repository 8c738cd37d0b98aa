"""Write records in OCSF 1.8, as events of six classes.

    4001 Network Activity         every record
    5020 Software Inventory Info  when the version is known (the schema requires one)
    2002 Vulnerability Finding    each known vulnerability
    2003 Compliance Finding       each weakness: version disclosed, no STARTTLS, end of life (see `weaknesses`)
    2004 Detection Finding        words that are meant for readers of logs (see `suspicion`)
    6007 Scan Activity            start, resumption and end of a run (`smtpsweep.run/1`)

`metadata.uid` is the event's own id, made from the record's; `metadata.original_event_uid` is the record's. Findings
have an id that stays the same from scan to scan (`finding_info.uid`: target and finding). Deprecated fields are not
used: `sbom`, not `package`. A record's score has no version of CVSS, which the schema requires, so it is in `unmapped`.
An imported banner without a time gets the time of the conversion, as the schema allows ("or the event creation time").

Source: schema.ocsf.io/1.8.0. Mappings: docs/formats.md.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, cast

import orjson

from scanner.formats.event import Event, key_of, time_of
from scanner.formats.ocsf_classes import (
    COMPLIANCE_FINDING,
    DETECTION_FINDING,
    NETWORK_ACTIVITY,
    SCAN_ACTIVITY,
    SOFTWARE_INVENTORY,
    VULNERABILITY_FINDING,
    EventClass,
    EventSubject,
    event_of,
)
from scanner.formats.ocsf_findings import compliance, detection, vulnerability
from scanner.formats.ocsf_network import inventory, network_activity
from scanner.formats.outcome import sentence
from scanner.formats.plain import plain
from scanner.formats.severity import INFO, SEVERITIES, Severity, severity_of_finding
from scanner.formats.suspicion import suspicions
from scanner.formats.weaknesses import weaknesses_of
from scanner.record import RUN_SCHEMA
from scanner.record.document import LineDocument, RecordDocument, RunDocument

#: The activities of a run: OCSF's activity_id of Scan Activity.
_RUN_ACTIVITIES: Final = {"started": 1, "resumed": 8, "ended": 2}


class Ocsf:
    """`format=ocsf`."""

    name = "ocsf"
    is_json = True

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the events of a visit, the network activity first; or the one of a run's start or end."""
        if "event_id" in document:
            yield from _of_record(plain(document, line), line)
        elif document.get("schema") == RUN_SCHEMA:
            yield from _of_run(plain(document, line))


def _of_record(record: RecordDocument, line: bytes) -> Iterator[Event]:
    event_id, key, time_s = record["event_id"], key_of(record), time_of(record)
    subject = EventSubject(
        record=record,
        time_ms=round((time.time() if time_s is None else time_s) * 1000),
        where=sentence(record).partition(": ")[0],
        suspicions=suspicions(record, line),
    )
    for suffix, of_class, severity, body in _bodies(subject):
        own_id = event_id + suffix
        yield Event(own_id, key, time_s, severity.syslog, _encoded(subject, of_class, own_id, body))


def _bodies(subject: EventSubject) -> Iterator[tuple[str, EventClass, Severity, dict[str, Any]]]:
    """Yield the parts of each event: the end of its id, its class, its severity and its body."""
    record, software = subject.record, subject.record["software"]
    yield "", NETWORK_ACTIVITY, INFO, network_activity(subject)
    if software is not None and software["version"] is not None:
        yield "-software", SOFTWARE_INVENTORY, INFO, inventory(subject, software)
    for flaw in record["findings"]:
        if flaw.get("verdict") is not None:
            severity = severity_of_finding(flaw)
            yield f"-{flaw['id']}", VULNERABILITY_FINDING, severity, vulnerability(subject, flaw, severity)
    for weakness in weaknesses_of(record):
        yield f"-{weakness.id}", COMPLIANCE_FINDING, weakness.severity, compliance(subject, weakness)
    if subject.suspicions:
        yield "-suspicious", DETECTION_FINDING, SEVERITIES["medium"], detection(subject)


def _encoded(subject: EventSubject, of_class: EventClass, own_id: str, body: dict[str, Any]) -> bytes:
    return orjson.dumps(event_of(subject, of_class, own_id, body))


def _of_run(run: RunDocument) -> Iterator[Event]:
    """Yield the start, the resumption or the end of a run; nothing for an activity of a later version."""
    activity_id = _RUN_ACTIVITIES.get(run["activity"])
    if activity_id is None:
        return
    time_s = datetime.fromisoformat(run["at"]).timestamp()
    time_ms = round(time_s * 1000)
    own_id = f"{run['run']}-{run['activity']}-{time_ms}"
    body = {
        "activity_id": activity_id,
        "severity": INFO,
        "message": f"The sweep {run['run']} has {run['activity']}.",
        "status_id": 1,
        "status": "Success",
        "scan": {"uid": run["run"], "name": "smtpsweep", "type_id": 1, "type": "Manual"},
        "unmapped": {"records": run["records"], "shard": run.get("shard"), "seed": run.get("seed")},
    }
    counts = {"total": run.get("planned"), "num_skipped_items": run.get("excluded")}
    body |= {name: count for name, count in counts.items() if isinstance(count, int)}
    # The metadata of an event needs these three fields; a run has none of the others.
    ids = cast("RecordDocument", {"scan_id": run["run"], "event_id": own_id, "observed_at": run["at"]})
    subject = EventSubject(ids, time_ms, "", ())
    yield Event(own_id, run["run"], time_s, INFO.syslog, _encoded(subject, SCAN_ACTIVITY, own_id, body))
