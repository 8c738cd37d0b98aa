"""Claims about records from elsewhere: of earlier versions, and with fields that are not what the schema promises."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.errors import InputError
from scanner.model import Software
from scanner.record import decode, encode
from tests.support.command_line import smtpsweep
from tests.support.records import VALIDATOR, full_record


def written(**assessment: object) -> dict[str, Any]:
    line: dict[str, Any] = orjson.loads(encode(full_record()))
    line["assessment"] = {
        "answer": "none_known",
        "covered_since": "8.8.0",
        "facts": 41,
        "facts_of": "2026-11-22",
    } | assessment
    return line


WRONG: list[dict[str, object]] = [
    {"facts_of": "x"},
    {"facts_of": "2026-13-45"},
    {"facts_of": "2026-02-30"},
    {"facts_of": "20261122"},
    {"facts_of": 5},
    {"facts_of": None},
    {"facts": "x"},
    {"facts": True},
    {"facts": -1},
    {"facts": 1.5},
    {"covered_since": {"a": 1}},
    {"covered_since": 8},
    {"answer": "fine"},
]


def test_a_line_of_an_earlier_version_is_still_a_record() -> None:
    line = written()
    del line["assessment"], line["software"]["kind"]

    assert list(VALIDATOR.iter_errors(line)) == []
    record = decode(orjson.dumps(line))
    assert record.assessment is None
    assert isinstance(record.software, Software)
    assert record.software.kind is None


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_assessment_that_the_schema_does_not_promise_is_not_a_record(wrong: dict[str, object]) -> None:
    decode(orjson.dumps(written()))

    with pytest.raises(InputError, match="not a record"):
        decode(orjson.dumps(written(**wrong)))


@pytest.mark.parametrize("kind", [5, {"a": 1}, "", "\x1b[2J", "Software", "software\n"], ids=repr)
def test_a_kind_that_is_not_a_word_is_not_a_record(kind: object) -> None:
    line = written()
    line["software"]["kind"] = kind

    with pytest.raises(InputError, match="not a record"):
        decode(orjson.dumps(line))


@pytest.mark.parametrize(
    "command",
    [["policy", "check"], ["convert", "--format", "ecs", "-o", "out"], ["remedy", "-o", "out"]],
    ids=lambda each: each[0],
)
def test_a_command_names_the_line_and_ends_in_order(command: list[str], tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    records.write_bytes(orjson.dumps(written(facts_of="2026-13-45")) + b"\n")

    done = smtpsweep(*command, records, cwd=tmp_path)

    assert (done.code in {2, 3}, "Traceback" in done.err) == (True, False)
    assert "not a record" in done.err
