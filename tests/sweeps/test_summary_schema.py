"""The schema of a summary: every summary that `tests.support.pipelines.run` gets is held against it, too."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from scanner.analysis.change_schema import change_schema_text
from scanner.cli.entry import smtpsweep
from scanner.record.schema import schema_text
from scanner.sweeps.summary_schema import SummaryDocument, summary_schema, summary_schema_text

DOCS = Path(__file__).parents[2] / "docs"


def test_the_schema_is_valid_strict_and_described() -> None:
    schema = summary_schema()

    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(SummaryDocument.__annotations__)
    assert schema["additionalProperties"] is False
    assert [name for name, each in schema["properties"].items() if not each["description"].endswith(".")] == []


def test_the_schema_in_the_documentation_is_current() -> None:
    assert (DOCS / "summary.schema.json").read_bytes() == summary_schema_text()


@pytest.mark.parametrize(
    ("kind", "text"),
    [([], schema_text()), (["record"], schema_text()), (["summary"], summary_schema_text()),
     (["change"], change_schema_text())],
    ids=["default", "record", "summary", "change"],
)  # fmt: skip
def test_the_command_prints_each_schema(kind: list[str], text: bytes) -> None:
    result = CliRunner().invoke(smtpsweep, ["schema", *kind])

    assert (result.exit_code, orjson.loads(result.stdout)) == (0, orjson.loads(text))
