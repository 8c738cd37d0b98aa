"""The JSON Schema of one line of `smtpsweep diff --json`, strict, in the dialect 2020-12.

`docs/change.schema.json` is a copy for people without the program; a test keeps it equal.
"""

from typing import Any

import orjson

from scanner.analysis.changes import CHANGE_SCHEMA, ChangeKind
from scanner.record.schema_terms import Schema, maybe, object_of, text

_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"


def change_schema() -> dict[str, Any]:
    """Return the JSON Schema of one change as a new dict."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:smtpsweep:change:1",
        "title": CHANGE_SCHEMA,
        **object_of("One thing that changed at one target between two sweeps.", _change()),
    }


def change_schema_text() -> bytes:
    """Return the schema as indented JSON, as docs/change.schema.json holds it."""
    return orjson.dumps(change_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _change() -> Schema:
    address = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
    return {
        "schema": {"const": CHANGE_SCHEMA, "description": "Name and version of this schema."},
        "kind": {"enum": [kind.value for kind in ChangeKind], "description": "What happened."},
        "ip": {**address, "description": "The address, in its canonical form; IPv4-mapped ones as IPv4."},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "The TCP port."},
        "host": maybe(text("The name that led to the address; null for plain addresses.")),
        "before": maybe(object_of("The earlier sweep; null when it has no record of the target.", _state())),
        "after": maybe(object_of("The later sweep; null when it has no record of the target.", _state())),
        "at": maybe(text("When the later sweep saw it; null without a record.", pattern=_TIME, format="date-time")),
    }


def _state() -> Schema:
    def values(description: str) -> Schema:
        return {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "description": description}

    return {
        "status": values("How the visits ended."),
        "product": values("The software, as far as both sweeps looked for it."),
        "version": values("What is shown of its version: 8.14.7/8.13.8, with patch and package."),
        "certificate": values("SHA-256 of the certificates in STARTTLS."),
        "observed_at": maybe(text("The time of the latest visit.", pattern=_TIME, format="date-time")),
        "event_id": text("The record of the latest visit."),
    }
