"""The JSON Schema of a record, in the dialect 2020-12, strict: an unknown field is an error.

The fields and their descriptions come from `scanner.record.document`; this module adds which statuses come with a
banner and which with a refusal. Other programs should ignore fields that they do not know: version 1 may get new
fields. A field that changes its meaning, or is removed, makes version 2.

`docs/record.schema.json` is a copy for people without the program; a test keeps it equal.
Source: json-schema.org/draft/2020-12.
"""

from collections.abc import Set as AbstractSet
from typing import Any

from scanner.model import REFUSALS, WITH_BANNER, WITHOUT_BANNER, Status
from scanner.record.document import RecordDocument
from scanner.record.encoding import SCHEMA
from scanner.record.schema_terms import Schema, document_schema


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one record as a new dict."""
    return {
        **document_schema(RecordDocument, SCHEMA),
        "allOf": [
            _when(WITH_BANNER, {"banner": {"type": "object"}}),
            _when(WITHOUT_BANNER, {"banner": {"type": "null"}, "software": {"type": "null"}}),
            _when({Status.READY}, {"banner": {"properties": {"code": {"minimum": 200, "maximum": 299}}}}),
            _when({Status.BUSY}, {"banner": {"properties": {"code": {"const": 421}}}}),
            _when(REFUSALS, {"refusal": {"type": "object"}}),
            _when(WITHOUT_BANNER | {Status.READY}, {"refusal": {"type": "null"}}),
            _when_visited(),
        ],
    }


def _when_visited() -> Schema:
    """Only an imported banner, which took no connection, may lack address and time."""
    string, number = {"type": "string"}, {"type": "number"}
    known = {"observed_at": string, "ip": string, "port": number, "timing": {"properties": {"total_ms": number}}}
    return {"if": {"properties": {"tries": {"minimum": 1}}}, "then": {"properties": known}}


def _when(statuses: AbstractSet[Status], properties: Schema) -> Schema:
    return {
        "if": {"properties": {"status": {"enum": [str(status) for status in Status if status in statuses]}}},
        "then": {"properties": properties},
    }
