"""Encode and decode the description of a run, `run.json`: one sealed line, checked for its shape when it is read.

This file tells which sinks are served, and what in the folder may be removed. So a damaged one is refused and never
replaced by an empty one: a run without sinks would look like a run whose sinks have everything. The names of sinks
become part of file names, so a name that no URL can have counts as damage, too.
"""

from typing import Any

import orjson

from scanner.delivery.receivers.options import is_sink_name
from scanner.files.sealed import seal, unseal

SCHEMA = "smtpsweep.run-log/2"
_EARLIER = "smtpsweep.run-log/1"
_OF_A_SINK = ("name", "url", "shown", "policy")


class EarlierVersionError(ValueError):
    """The run was written by an earlier version, which had no checksum."""


def packed(document: dict[str, Any]) -> bytes:
    """Return the bytes of a description, given without its schema."""
    return seal(orjson.dumps({"schema": SCHEMA, **document})) + b"\n"


def unpacked(raw: bytes) -> dict[str, Any]:
    """Return a description, with its schema and without its checksum.

    Raises:
        ValueError: when it is damaged, or of another schema (`EarlierVersionError` when that is an earlier one).
    """
    document = orjson.loads(raw)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == _EARLIER:
        raise EarlierVersionError(schema)
    if schema != SCHEMA:
        raise ValueError(f"is not of schema {SCHEMA}")
    try:
        made: dict[str, Any] = orjson.loads(unseal(raw.rstrip(b"\n")))
    except ValueError as error:
        raise ValueError(f"is damaged: {error}") from None
    if (wrong := _wrong(made)) is not None:
        raise ValueError(f"is damaged: {wrong}")
    return made


def _wrong(document: dict[str, Any]) -> str | None:
    """Return what is wrong with the shape of a description, None when nothing is."""
    if not isinstance(document.get("run"), str) or not document["run"]:
        return "it has no run id"
    if not isinstance(document.get("state"), str | None):
        return "its state is not the name of a file"
    if not all(isinstance(document.get(flag, False), bool) for flag in ("made", "removing")):
        return "made and removing are true or false"
    sinks = document.get("sinks")
    if not isinstance(sinks, list):
        return "it has no list of sinks"
    if not all(_is_sink(one) for one in sinks):
        return "one of its sinks is not a sink"
    names = [one["name"] for one in sinks]
    return "two of its sinks have the same name" if len(set(names)) < len(names) else None


def _is_sink(one: object) -> bool:
    return (
        isinstance(one, dict)
        and all(isinstance(one.get(member), str) for member in _OF_A_SINK)
        and is_sink_name(one["name"])
    )
