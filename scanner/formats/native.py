"""The record as it is: one event a record, unchanged bytes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from scanner.formats.event import Event, key_of, severity_of, time_of

if TYPE_CHECKING:
    from scanner.record.document import RecordDocument


class Native:
    """`format=native`: the line of the log."""

    name = "native"
    is_json = True

    def events(self, record: dict[str, Any], line: bytes) -> Iterator[Event]:
        """Yield the record; receivers of records do not get lines about the run."""
        if "event_id" in record:
            visit = cast("RecordDocument", record)
            yield Event(visit["event_id"], key_of(visit), time_of(visit), severity_of(visit), line)
