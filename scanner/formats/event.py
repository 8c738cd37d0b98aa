"""Events: a format makes one or more of a record, each with its own id, and a receiver takes them."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from scanner.formats.severity import worst
from scanner.record.document import LineDocument, RecordDocument


class Event(NamedTuple):
    """One event to deliver.

    `id` is the same whenever the same scan emits the same event again; receivers that can, drop repeats by it. `key`
    names the target ("192.0.2.1 25"): receivers with an order keep it among events of the same key. `time_s` is
    Unix seconds, None when the record has no time. `severity` is syslog's (RFC 5424, 6.2.1: 3 error, 4 warning,
    5 notice, 6 informational). `body` is the event as it goes out: one JSON object or one line of text, UTF-8, without
    a line end, and with no control character inside. `sequence` is the record's number in the spool; the relay sets it.
    """

    id: str
    key: str
    time_s: float | None
    severity: int
    body: bytes
    sequence: int = 0


class Format(Protocol):
    """A way to write records."""

    @property
    def name(self) -> str:
        """What the user calls it: `?format=NAME`."""
        ...

    @property
    def is_json(self) -> bool:
        """Whether every body is one JSON object."""
        ...

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the events for one line of the spool; none for a kind of line that the format does not have.

        Args:
            document: the line, decoded: a record (`smtpsweep.record/1`), or the start or end of a run
                (`smtpsweep.run/1`).
            line: the same as bytes, without its line end.
        """
        ...


def key_of(record: RecordDocument) -> str:
    """Return the target of a record."""
    return f"{record.get('ip')} {record.get('port')}"


def time_of(record: RecordDocument) -> float | None:
    """Return when the target was visited, in Unix seconds."""
    text = record.get("observed_at")
    return None if text is None else datetime.fromisoformat(text).timestamp()


def severity_of(record: RecordDocument) -> int:
    """Return the syslog severity of the worst finding."""
    return worst(record.get("findings") or []).syslog
