"""The output contract: one JSON object a line, its schema, its ids."""

from scanner.record.encoding import EventIds, decode, encode, encode_findings, event_id
from scanner.record.schema import SCHEMA, json_schema

__all__ = ["SCHEMA", "EventIds", "decode", "encode", "encode_findings", "event_id", "json_schema"]
