"""The record as it is: one event a record, unchanged bytes."""

from collections.abc import Iterator
from typing import Any

from scanner.formats.event import Event, key_of, severity_of, time_of


class Native:
    """`format=native`: the line of the log."""

    name = "native"
    is_json = True

    def events(self, record: dict[str, Any], line: bytes) -> Iterator[Event]:
        """Yield the record; lines about the run are not for those who take records."""
        if "event_id" in record:
            yield Event(record["event_id"], key_of(record), time_of(record), severity_of(record), line)
