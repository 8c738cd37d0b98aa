"""Claims about `scanner.record.schema` and what the documentation says of a record."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from scanner.model import RefusalKind, Status
from scanner.record import SCHEMA, EventIds, decode, encode, json_schema
from scanner.record.schema_terms import schema_text
from scanner.smtp import Flag, parse_banner
from tests.support.records import VALIDATOR, full_record

DOCS = Path(__file__).parents[2] / "docs"
SCANNER = DOCS.parent / "scanner"


def test_the_schema_is_itself_valid_and_strict_everywhere() -> None:
    Draft202012Validator.check_schema(json_schema())

    objects = [node for node in _nodes(json_schema()) if "properties" in node and "description" in node]

    assert len(objects) == 13
    assert all(node["additionalProperties"] is False for node in objects)
    optional = [name for node in objects for name in node["properties"] if name not in node["required"]]
    assert sorted(optional) == ["assessment", "incomplete", "kind"]  # lines of earlier versions do not have them


def test_every_field_is_described() -> None:
    fields = [
        (name, field)
        for node in _nodes(json_schema())
        if "additionalProperties" in node
        for name, field in node["properties"].items()
    ]

    assert [name for name, field in fields if not field.get("description", "").endswith((".", "..."))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "odd"},
        {"extra": 1},
        {"event_id": "0" * 31},
        {"event_id": "G" * 32},
        {"ip": "192.0.2.256"},
        {"port": 0},
        {"observed_at": "2026-11-22T10:16:56Z"},
        {"schema": "smtpsweep.record/2"},
        {"banner": None},
        {"status": "silent"},
        {"status": "busy"},
        {"tries": None},
        {"ip": None},
        {"port": None},
        {"observed_at": None},
        {"timing": {"connect_ms": None, "first_byte_ms": None, "total_ms": None}},
        {"refusal": {"kind": "policy", "refused_us": True, "evidence": None}},
        {"status": "rejected", "refusal": None},
        {"status": "rejected", "refusal": {"kind": "odd", "refused_us": True, "evidence": None}},
        {"disclosure": ["<b>"]},
    ],
)
def test_the_schema_refuses(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(orjson.loads(encode(full_record())) | change)


@pytest.mark.parametrize("text", ["\u001b[2J", "\n", "\\", "\\x0", "\\xZZ", "\u00e9", "\\\\\\"])
def test_the_schema_refuses_a_text_that_is_not_escaped(text: str) -> None:
    data = orjson.loads(encode(full_record()))
    data["banner"]["text"] = text

    assert not VALIDATOR.is_valid(data)


def test_the_schema_in_the_documentation_is_current() -> None:
    assert (DOCS / "record.schema.json").read_bytes() == schema_text(json_schema())


def test_the_documentation_names_every_field_status_and_flag() -> None:
    document = (DOCS / "record-schema.md").read_text("utf-8")
    names = {name for node in _nodes(json_schema()) for name in node.get("properties", ())}

    assert (
        sorted(name for name in names | set(Status) | set(Flag) | set(RefusalKind) if f"`{name}`" not in document) == []
    )


def test_the_documentation_lists_the_ids_of_every_finding_of_ours() -> None:
    paragraphs = (DOCS / "record-schema.md").read_text("utf-8").split("\n\n")
    listed = next(paragraph for paragraph in paragraphs if "`CONFIG-SKEW`" in paragraph)
    sources = [*SCANNER.glob("assess/*.py"), SCANNER / "identify" / "combine.py"]
    named = {name for file in sources for name in re.findall(r'"([A-Z]+(?:-[A-Z]+)+)"', file.read_text("utf-8"))}

    assert sorted(re.findall(r"`([A-Z]+(?:-[A-Z]+)+)`", listed)) == sorted(named - {"CVE-RECORD"})


def test_the_example_in_the_documentation_is_a_record_in_every_detail() -> None:
    document = (DOCS / "record-schema.md").read_text("utf-8")
    example = document.split("```json\n")[1].split("```")[0]
    record = decode(example.encode())

    VALIDATOR.validate(json.loads(example))
    assert json.loads(encode(record)) == json.loads(example)
    assert list(json.loads(encode(record))) == list(json.loads(example))
    assert record.event_id == EventIds(record.scan_id).of(str(record.ip), record.port or 0)
    assert record.banner == parse_banner(record.banner.raw if record.banner else b"")


def test_the_schema_says_its_name() -> None:
    assert json_schema()["title"] == SCHEMA == "smtpsweep.record/1"


def _nodes(node: object) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node, *(found for value in node.values() for found in _nodes(value))]
    if isinstance(node, list):
        return [found for value in node for found in _nodes(value)]
    return []
