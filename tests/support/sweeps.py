"""Small sweeps for tests of what is done with stored ones: records by a few words, files, summaries."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from scanner.analysis.change_schema import change_schema
from scanner.analysis.changes import Change, encode_change
from scanner.analysis.diff import Comparison, compare
from scanner.model import Certificate, Dialogue, Record, Refusal, RefusalKind, Software, Status, Tls
from scanner.record import EventIds, encode
from scanner.sweeps.summary import SUMMARY_SCHEMA
from tests.support.records import greeting_of, record_of

SILENT = {Status.SILENT, Status.CLOSED, Status.REFUSED, Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.EXCLUDED}
MONDAY, TUESDAY = "monday-scan", "tuesday-scan"
A, B = "192.0.2.1", "192.0.2.2"
VALIDATOR = Draft202012Validator(change_schema(), format_checker=FormatChecker())


def visit(
    ip: str,
    product: str | None = None,
    version: str | None = None,
    *,
    scan: str = MONDAY,
    status: Status = Status.READY,
    port: int = 25,
    refused_us: bool = False,
    sample: int | None = None,
    at: float = 1795342616.123,
    **changes: Any,
) -> Record:
    """Make the record of one visit; the greeting shows product and version when they are given."""
    greeting = None if status in SILENT else greeting_of(b"220 hello\r\n", status)
    software = None if product is None else Software(product=product, version=version, confidence=0.95)
    refuses = refused_us or status in {Status.BUSY, Status.TEMPORARY, Status.REJECTED}
    record = record_of(
        greeting,
        scan_id=scan,
        event_id=EventIds(scan).of(ip, port, sample),
        ip=ip,
        port=port,
        observed_at=at,
        status=status,
        software=software,
        disclosure=tuple(word for word, value in (("product", product), ("version", version)) if value is not None),
        refusal=Refusal(RefusalKind.OTHER, refused_us, None) if refuses else None,
        sample=sample,
    )
    return record._replace(**changes)


def dialogue(certificate: str | None = None, error: str | None = None) -> Dialogue:
    """Make a dialogue that came to its end, or to an error; `certificate` is a digit that its SHA-256 is made of."""
    tls = None if certificate is None else Tls(version="TLSv1.3", certificates=(Certificate(sha256=certificate * 64),))
    return Dialogue(starttls=tls is not None, tls=tls, error=error)


def write(file: Path, records: Iterable[Record]) -> Path:
    """Write records as a sweep does."""
    file.write_bytes(b"".join(map(encode, records)))
    return file


def write_summary(file: Path, scan: str = MONDAY, **changes: Any) -> Path:
    """Write the summary of a complete sweep of some targets, in which nothing timed out."""
    document = {
        "schema": SUMMARY_SCHEMA,
        "scan_id": scan,
        "version": "1.0",
        "complete": True,
        "seed": 7,
        "shard": "1/1",
        "digest": "d" * 32,
        "options": {"ports": [25], "probe": "greeting", "samples": 1, "all_statuses": False, "fingerprints": None},
        "planned": 256,
        "excluded": 0,
        "not_visited": 0,
        "statuses": {"ready": 1, "refused": 255},
        "records": 1,
    }
    file.write_text(json.dumps(document | changes))
    return file


def compared(folder: Path, before: Iterable[Record], after: Iterable[Record], **options: Any) -> list[Change]:
    return finished(folder, before, after, **options)[0]


def finished(
    folder: Path, before: Iterable[Record], after: Iterable[Record], **options: Any
) -> tuple[list[Change], Comparison]:
    files = write(folder / "monday.jsonl", before), write(folder / "tuesday.jsonl", after)
    with compare(*files, **options) as comparison:
        changes = list(comparison.changes())
    for change in changes:
        VALIDATOR.validate(json.loads(encode_change(change)))
    return changes, comparison


def kinds(changes: Iterable[Change]) -> list[str]:
    return [change.kind.value for change in changes]


def with_summaries(folder: Path, before: dict[str, Any] | None = None, **after: Any) -> dict[str, Any]:
    return {
        "summaries": (
            write_summary(folder / "monday.json", **before or {}),
            write_summary(folder / "tuesday.json", TUESDAY, **after),
        )
    }


def later(record: Record) -> Record:
    """Return the same visit of the later sweep."""
    return visit(str(record.ip), scan=TUESDAY, port=record.port or 0, sample=record.sample)._replace(
        **{name: getattr(record, name) for name in record._fields if name not in {"scan_id", "event_id"}}
    )


SENDMAIL_HOST = visit(A, "Sendmail", "8.14.7")
HIDDEN = visit(A)
