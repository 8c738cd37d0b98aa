"""Claims about `scanner.record.schema_terms`: what the annotations of a typed document become in JSON Schema."""

from typing import Annotated, Any, NotRequired, TypedDict

import pytest

from scanner.record.schema_terms import Field, document_schema


class InnerDocument(TypedDict):
    """What is inside.

    Not in the schema.
    """

    each: Annotated[list[str], Field("Words.", uniqueItems=True)]


class OuterDocument(TypedDict):
    """What is outside."""

    kind: Annotated[str, Field(enum=["a", "b"])]
    inner: InnerDocument | None
    counts: dict[str, int]
    anything: NotRequired[dict[str, Any]]


class BytesDocument(TypedDict):
    """JSON has no bytes."""

    raw: bytes


def test_every_annotation_has_its_schema_and_the_document_is_strict() -> None:
    each = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "description": "Words."}

    assert document_schema(OuterDocument, "smtpsweep.test/1") == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:smtpsweep:test:1",
        "title": "smtpsweep.test/1",
        "type": "object",
        "description": "What is outside.",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "inner": {
                "type": ["object", "null"],
                "description": "What is inside.",
                "properties": {"each": each},
                "required": ["each"],
                "additionalProperties": False,
            },
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "anything": {"type": "object"},
        },
        "required": ["kind", "inner", "counts"],
        "additionalProperties": False,
    }


def test_a_type_that_no_document_has_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(TypeError, match="no JSON Schema for <class 'bytes'>"):
        document_schema(BytesDocument, "smtpsweep.test/1")
