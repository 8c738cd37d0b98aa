"""JSON Schema from typed documents: a `TypedDict` becomes a strict object, its annotations become properties.

The types of a document say what a value is (`int`, `str | None`, `list[str]`, another `TypedDict`); a `Field` in
`Annotated` adds the sentence that describes it and further keywords of JSON Schema. So one declaration serves mypy,
validators and people. A property that is `NotRequired` is one that lines of earlier versions do not have.

Left out: everything that our documents do not use, such as unions of two types.
Source: json-schema.org/draft/2020-12.
"""

from types import UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import orjson

#: Printable ASCII; a backslash only as the start of a written-out backslash or byte. The look-ahead is for validators
#: with the regular expressions of Python or Perl, where `$` also matches before a last line feed.
ESCAPED = r"^(?:[ -\[\]-~]|\\\\|\\x[0-9a-f]{2})*(?!\n)$"
WORD = r"^[a-z][a-z0-9_]*$"

Schema = dict[str, Any]

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Field:
    """What a type alone does not say: a description, and keywords of JSON Schema (`minimum`, `pattern`, `enum` ...)."""

    def __init__(self, description: str = "", **keywords: Any) -> None:
        self.keywords = keywords | ({"description": description} if description else {})


#: Text of a peer, escaped.
Escaped = Annotated[str, Field(pattern=ESCAPED)]
#: A word of ours out of a closed or growing list.
Word = Annotated[str, Field(pattern=WORD)]


#: A count of things.
Count = Annotated[int, Field(minimum=0)]
#: A moment in UTC, RFC 3339 with milliseconds.
TIME = Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$", format="date-time")


def document_schema(document: type, name: str) -> Schema:
    """Return the whole JSON Schema of a document as a new dict; `name` is such as `smtpsweep.record/1`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{name.replace('.', ':').replace('/', ':')}",
        "title": name,
        **_object_schema(document),
    }


def schema_text(schema: Schema) -> bytes:
    """Return a schema as indented JSON, as `smtpsweep schema` prints it and docs/ holds it."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _object_schema(document: type) -> Schema:
    """Return the schema of a `TypedDict`: an object with exactly its keys, described by its first line."""
    properties, optional = {}, []
    for name, hint in get_type_hints(document, include_extras=True).items():
        if get_origin(hint) is NotRequired:
            optional.append(name)
            hint = get_args(hint)[0]  # noqa: PLW2901  the type inside
        properties[name] = _schema(hint)
    return {
        "type": "object",
        "description": (document.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _schema(hint: Any) -> Schema:
    """Return the schema of one annotation.

    Raises:
        TypeError: when no document of ours has such a type yet.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _with_fields(_schema(arguments[0]), arguments[1:])
    if origin in (Union, UnionType) and arguments[1:] == (type(None),):
        schema = _schema(arguments[0])
        return {**schema, "type": [schema["type"], "null"]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:  # any keys, values of one type
        return (
            {"type": "object"}
            if arguments[1] is Any
            else {"type": "object", "additionalProperties": _schema(arguments[1])}
        )
    if is_typeddict(hint):
        return _object_schema(hint)
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    raise TypeError(f"no JSON Schema for {hint!r}")


def _with_fields(schema: Schema, metadata: tuple[Any, ...]) -> Schema:
    for field in metadata:
        schema = {**schema, **field.keywords}
    if "enum" in schema or "const" in schema:  # their values have a type
        schema = {name: value for name, value in schema.items() if name != "type"}
    return schema
