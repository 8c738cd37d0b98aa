"""The page about the summary and the metrics names what the program writes, and the summary's schema fits it."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jsonschema import Draft202012Validator

import scanner
from scanner import Settings, Summary, api
from scanner.cli.metrics import SweepCollector
from scanner.model import Status
from tests.support.greetings import SENDMAIL_8_14
from tests.support.servers import greets, serving

DOCS = Path(scanner.__file__).parent.parent / "docs"
PAGE = (DOCS / "summary.md").read_text()
SCHEMA = json.loads((DOCS / "summary.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
#: One remote sink, as the relay reports it.
REPORT = {
    "name": "kafka-1", "sequence": 90, "last": 100, "delivered": 88, "dead": 2, "skipped": 0, "duplicates": 3,
    "in_flight": 1, "retries": {"try_later": 4}, "breaker": "open", "oldest_s": 2.5,
}  # fmt: skip


def metric_names() -> set[str]:
    pool = SimpleNamespace(started=1, retried=0, local_errors=0, no_way=0)
    counts = SimpleNamespace(planned=1, excluded=0, statuses={Status.READY: 1}, records=1, pending=0, pool=pool)
    sweep: Any = SimpleNamespace(statistics=lambda: counts)
    remote: Any = SimpleNamespace(reports=[REPORT], full=False, waited_s=0.0)
    families = SweepCollector(sweep, remote).collect()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_the_schema_is_one_and_the_example_on_the_page_fits_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    VALIDATOR.validate(json.loads(example))


def test_the_page_has_a_row_for_every_field_of_a_summary() -> None:
    (table,) = re.findall(r"\n\| field \|.*?\n\n", PAGE, re.DOTALL)
    cells = [row.split("|")[1] for row in table.strip().splitlines()]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(SCHEMA["properties"]) - {"schema"}


def test_the_page_has_a_row_for_every_metric_and_no_other() -> None:
    assert set(re.findall(r"^\| `(smtpsweep_\w+)", PAGE, re.MULTILINE)) == metric_names()


async def test_the_summary_of_a_sweep_fits_the_schema() -> None:
    summaries: list[Summary] = []
    with serving(greets(SENDMAIL_8_14)) as server:
        settings = Settings(ports=(server.port,), rate=0, subnet_rate=0, samples=2)
        sweep = api.sweep(["127.10.0.0/30"], exclude=["127.10.0.1"], settings=settings, on_summary=summaries.append)
        assert len([record async for record in sweep]) == 6
    VALIDATOR.validate(json.loads(json.dumps(summaries[0].document)))
