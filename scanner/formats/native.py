"""Deliver records as they are: one event a record, with unchanged bytes."""

from collections.abc import Iterator

from scanner.formats.event import Event, key_of, severity_of, time_of
from scanner.record.document import LineDocument


class Native:
    """`format=native`: the line of the spool."""

    name = "native"
    is_json = True

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the record; receivers of records do not get lines about the run."""
        if "event_id" in document:
            yield Event(document["event_id"], key_of(document), time_of(document), severity_of(document), line)
