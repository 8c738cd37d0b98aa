"""The words that JSON Schemas of ours are made of: strict objects, described texts, null where nothing is known."""

from typing import Any

#: Printable ASCII; a backslash only as the start of a written-out backslash or byte. The look-ahead is for validators
#: with the regular expressions of Python or Perl, where `$` also matches before a last line feed.
ESCAPED = r"^(?:[ -\[\]-~]|\\\\|\\x[0-9a-f]{2})*(?!\n)$"
WORD = r"^[a-z][a-z0-9_]*$"

Schema = dict[str, Any]


def object_of(description: str, properties: Schema, *, later: tuple[str, ...] = ()) -> Schema:
    """Return an object with exactly these properties; lines of earlier versions do not have those named `later`."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in later],
        "additionalProperties": False,
    }


def text(description: str, **constraints: str | int) -> Schema:
    """Return a string; `constraints` are keywords of JSON Schema."""
    return {"type": "string", **constraints, "description": description}


def words(description: str) -> Schema:
    """Return a list of different words of ours."""
    items = {"type": "string", "pattern": WORD}
    return {"type": "array", "items": items, "uniqueItems": True, "description": description}


def maybe(schema: Schema) -> Schema:
    """Return the same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def escaped_list(description: str) -> Schema:
    """Return a list of texts of a peer, escaped."""
    return {"type": "array", "items": {"type": "string", "pattern": ESCAPED}, "description": description}
