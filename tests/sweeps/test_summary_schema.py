"""The schema of a summary: every summary that `tests.support.pipelines.run` gets is held against it, too."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from scanner.analysis.change_schema import change_schema
from scanner.cli.entry import smtpsweep
from scanner.record import json_schema
from scanner.record.schema_terms import schema_text
from scanner.sweeps.summary_schema import SummaryDocument, summary_schema

DOCS = Path(__file__).parents[2] / "docs"


def test_the_schema_is_valid_strict_and_described() -> None:
    schema = summary_schema()

    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(SummaryDocument.__annotations__)
    assert schema["additionalProperties"] is False
    assert [name for name, each in schema["properties"].items() if not each["description"].endswith(".")] == []


def test_the_schema_in_the_documentation_is_current() -> None:
    assert (DOCS / "summary.schema.json").read_bytes() == schema_text(summary_schema())


@pytest.mark.parametrize(
    ("kind", "schema"),
    [([], json_schema()), (["record"], json_schema()), (["summary"], summary_schema()), (["change"], change_schema())],
    ids=["default", "record", "summary", "change"],
)
def test_the_command_prints_each_schema(kind: list[str], schema: dict[str, Any]) -> None:
    result = CliRunner().invoke(smtpsweep, ["schema", *kind])

    assert (result.exit_code, result.stdout_bytes) == (0, schema_text(schema))
