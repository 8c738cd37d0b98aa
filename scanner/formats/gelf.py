"""Write records in GELF 1.1 for Graylog: one JSON object a record.

The additional fields are the columns of a row (`scanner.formats.columns`) with a `_` before them. GELF has texts and
numbers only, so lists and booleans become texts. The event's id is `_event_id`, because `_id` is not allowed.

Source: go2docs.graylog.org, "GELF Payload Specification". Mappings: docs/formats.md.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from scanner.formats.columns import row_of, text_of
from scanner.formats.event import Event, key_of, time_of
from scanner.formats.outcome import sentence
from scanner.formats.plain import plain
from scanner.formats.severity import worst
from scanner.formats.suspicion import suspicions
from scanner.record.document import LineDocument


class Gelf:
    """`format=gelf`."""

    name = "gelf"
    is_json = True

    def events(self, document: LineDocument, line: bytes) -> Iterator[Event]:
        """Yield the message of a record; a run has none."""
        if "event_id" not in document:
            return
        visit = plain(document, line)
        time_s, severity = time_of(visit), worst(visit["findings"])
        row = row_of(visit, suspicions(visit, line))
        message: dict[str, Any] = {"version": "1.1", "host": "smtpsweep", "short_message": sentence(visit)}
        if row["banner"]:
            message["full_message"] = row["banner"]
        if time_s is not None:
            message["timestamp"] = time_s
        message["level"] = severity.syslog
        for column, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                message[f"_{column}"] = value
            elif text := text_of(value):
                message[f"_{column}"] = text
        yield Event(visit["event_id"], key_of(visit), time_s, severity.syslog, orjson.dumps(message))
