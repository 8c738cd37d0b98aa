"""The output contract: one JSON object a line, its schema, its ids."""

from typing import TYPE_CHECKING

from scanner import lazy
from scanner.record.decoding import decode
from scanner.record.encoding import RUN_SCHEMA, SCHEMA, encode
from scanner.record.event_ids import EventIds

if TYPE_CHECKING:
    from scanner.record.schema import json_schema

__all__ = ["RUN_SCHEMA", "SCHEMA", "EventIds", "decode", "encode", "json_schema"]

__getattr__ = lazy.names(__name__, {"schema": ("json_schema",)})
