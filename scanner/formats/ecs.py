"""Write records in the Elastic Common Schema 9.4: a document for the visit, and one for each known vulnerability.

The document of the visit has the target (`destination` for the flow and `server` for the role, as the schema demands),
its software (`service`), and under `smtp` what ECS has no fields for. Each vulnerability has its own document, because
an ECS document holds only one. `event.id` is the document's id: the record's own, or that and the id of the flaw.

`data_stream.*` is left out: it has to name the stream that the receiver puts the document into, which is the user's
choice. Unknown values are left out, too. An imported banner without a time gets the time of the conversion, as the
schema demands for such events, and the tag `time_unknown`.

Source: Elastic Common Schema 9.4.0 (elastic.co/guide/en/ecs). Mappings: docs/formats.md, data/index-template.json.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scanner.formats.banner import banner_sha256
from scanner.formats.certificate import ecs_tls
from scanner.formats.event import Event, key_of, time_of
from scanner.formats.outcome import outcome_of, sentence
from scanner.formats.plain import plain
from scanner.formats.severity import severity_of_finding, worst
from scanner.formats.smtp_fields import finding_fields, known, smtp_fields
from scanner.formats.suspicion import Suspicion, suspicions
from scanner.record.document import DialogueDocument, FindingDocument, LineDocument, RecordDocument
from scanner.version import VERSION

ECS_VERSION: Final = "9.4.0"
_PROGRAM: Final = "smtpsweep"
_OBSERVER: Final = {"type": "scanner", "vendor": _PROGRAM, "product": _PROGRAM, "version": VERSION}
_NS_PER_MS: Final = 1_000_000


class Ecs:
    """`format=ecs`."""

    name = "ecs"
    is_json = True

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the document of the visit, then those of the vulnerabilities."""
        if "event_id" not in document:
            return
        visit = plain(document, line)
        event_id, key, time_s = visit["event_id"], key_of(visit), time_of(visit)
        shared = _shared(visit)
        observation = shared | _observation(visit, suspicions(visit, line))
        yield Event(event_id, key, time_s, worst(visit["findings"]).syslog, orjson.dumps(observation))
        flaws = [each for each in visit["findings"] if each.get("verdict") is not None]
        if flaws:
            # What all documents of the flaws share is encoded once: an old server has thirty of them.
            common = orjson.dumps(shared | _asset(visit))[:-1] + b","
            for flaw in flaws:
                own_id = f"{event_id}-{flaw['id']}"
                own = orjson.dumps(_vulnerability(visit, flaw, own_id))
                yield Event(own_id, key, time_s, severity_of_finding(flaw).syslog, common + own[1:])


def _shared(record: RecordDocument) -> dict[str, Any]:
    ip, port, host, software = record["ip"], record["port"], record["host"], record["software"]
    at = record["observed_at"]
    endpoint = known({"ip": ip, "port": port, "address": host or ip, "domain": host})
    shared = {
        "@timestamp": at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ecs": {"version": ECS_VERSION},
        "observer": _OBSERVER,
        "destination": endpoint,
        "server": endpoint,
        "service": known(
            {
                "type": "smtp",
                "name": None if software is None else software["product"],
                "version": None if software is None else software["version"],
                "address": None if ip is None else f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}",
                "state": "open" if record["banner"] is not None else None,
            }
        ),
        "labels": {"scan_id": record["scan_id"]},
        "related": _related(record),
    }
    if not endpoint:
        del shared["destination"], shared["server"]
    return shared


def _observation(record: RecordDocument, suspicious: tuple[Suspicion, ...]) -> dict[str, Any]:
    ip, error, dialogue = record["ip"], record["error"], record.get("dialogue")
    network = {"transport": "tcp", "protocol": "smtp", "direction": "outbound", "iana_number": "6"}
    if ip is not None:
        network["type"] = "ipv6" if ":" in ip else "ipv4"
    fields: dict[str, Any] = {
        "message": sentence(record),
        "event": _event(record),
        "network": network,
        "smtp": smtp_fields(record, suspicious),
    }
    if suspicious or record["observed_at"] is None:
        fields["tags"] = [f"banner.{each}" for each in suspicious]
        if record["observed_at"] is None:
            fields["tags"].append("time_unknown")
    if dialogue is not None and dialogue["tls"] is not None:
        fields["tls"] = ecs_tls(dialogue["tls"])
    if error is not None:
        fields["error"] = {"code": error, "message": error}
    return fields


def _event(record: RecordDocument) -> dict[str, Any]:
    outcome, banner, total_ms = outcome_of(record), record["banner"], record["timing"]["total_ms"]
    event: dict[str, Any] = {
        "kind": "event",
        "category": ["network"],
        "type": outcome.ecs_types,
        "outcome": outcome.result,
        "action": _action(record.get("dialogue")),
        "module": _PROGRAM,
        "dataset": "smtpsweep.observation",
        "provider": _PROGRAM,
        "id": record["event_id"],
        "reason": record["status"],
    }
    if record["observed_at"] is not None:
        event["start"] = record["observed_at"]
    if total_ms is not None:
        event["duration"] = round(total_ms * _NS_PER_MS)
    if banner is not None:
        event["original"] = banner["text"]
        event["hash"] = banner_sha256(banner)
        if banner["code"] is not None:
            event["code"] = f"{banner['code']:03d}"
    return event


def _action(dialogue: DialogueDocument | None) -> str:
    """Name the last step of the visit."""
    if dialogue is None:
        return "smtp-banner-grab"
    return "smtp-ehlo" if dialogue["tls"] is None else "smtp-starttls"


def _related(record: RecordDocument) -> dict[str, Any]:
    """Return the values to search for across documents."""
    banner, names, dialogue = record["banner"], record.get("names"), record.get("dialogue")
    hosts = [record["host"], None if banner is None else banner["hostname"]]
    hosts += [] if names is None else names["ptr"]
    tls = None if dialogue is None else dialogue["tls"]
    hashes = [] if tls is None else [each["sha256"].upper() for each in tls["certificates"]]
    return known(
        {
            "ip": [] if record["ip"] is None else [record["ip"]],
            "hosts": list(dict.fromkeys(filter(None, hosts))),
            "hash": list(dict.fromkeys(hashes)),
        }
    )


def _asset(record: RecordDocument) -> dict[str, Any]:
    """Return what was found to be vulnerable."""
    ip, host, software = record["ip"], record["host"], record["software"]
    asset = {
        "host": known({"ip": [] if ip is None else [ip], "name": host or ip}),
        "package": {}
        if software is None
        else known({"name": software["product"], "version": software["version"], "type": "smtp-server"}),
    }
    return {name: fields for name, fields in asset.items() if fields}


def _vulnerability(record: RecordDocument, flaw: FindingDocument, own_id: str) -> dict[str, Any]:
    return {
        "message": f"{sentence(record).partition(': ')[0]}: {flaw['id']}, {flaw['verdict']}: {flaw['title']}",
        "event": {
            "kind": "state",
            "category": ["vulnerability"],
            "type": ["info"],
            "module": _PROGRAM,
            "dataset": "smtpsweep.finding",
            "provider": _PROGRAM,
            "id": own_id,
            "reason": flaw["verdict"],
        },
        "vulnerability": _flaw_fields(record, flaw),
        "smtp": {"finding": finding_fields(flaw)},
    }


def _flaw_fields(record: RecordDocument, flaw: FindingDocument) -> dict[str, Any]:
    """Return ECS's `vulnerability`; only a CVE has an enumeration and a reference."""
    name, score = flaw["id"], flaw.get("cvss_score")
    is_cve = name.startswith("CVE-")
    return known(
        {
            "id": name,
            "enumeration": "CVE" if is_cve else None,
            "reference": f"https://www.cve.org/CVERecord?id={name}" if is_cve else None,
            "category": ["SMTP server"],
            "description": flaw["title"],
            "report_id": record["scan_id"],
            "scanner": {"vendor": _PROGRAM},
            "severity": flaw["severity"].capitalize(),
            "classification": None if score is None else "CVSS",
            "score": None if score is None else {"base": float(score)},
        }
    )
