"""Claims about `scanner.cli.metrics` and JSON logs: what is counted is said, in words of ours, and readable."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scanner.cli import logging as cli_logging
from scanner.cli import metrics
from scanner.errors import InputError
from scanner.files.places import FilePlace
from scanner.model import Status
from scanner.sweeps.pipeline import SweepStatistics

REPORT = {
    "name": "kafka-1", "state": "retrying", "policy": "spool", "sequence": 90, "last": 100, "delivered": 88, "dead": 2,
    "skipped": 0, "duplicates": 3, "in_flight": 1, "retries": {"try_later": 4, "split": 1}, "breaker": "open",
    "oldest_s": 2.5, "trouble": "HTTP 503",
}  # fmt: skip


def fake_sweep() -> Any:
    counts = SweepStatistics(
        elapsed_s=1.0, planned=100, excluded=10, finished=80, finished_before=0, records=70, pending=5,
        statuses={Status.READY: 60, Status.SILENT: 20}, pool=None,
    )  # fmt: skip
    return SimpleNamespace(statistics=lambda: counts)


def fake_remote() -> Any:
    return SimpleNamespace(reports=[REPORT], full=True, waited_s=1.5)


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("smtpsweep_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


EXPECTED = {
    ("targets_planned",): 100, ("targets_excluded",): 10, ("records_total",): 70, ("results_pending",): 5,
    ("targets_finished_total", "ready"): 60, ("targets_finished_total", "silent"): 20,
    ("sink_lag_records", "kafka-1"): 10, ("sink_records_delivered_total", "kafka-1"): 88,
    ("sink_dead_letters_total", "kafka-1"): 2, ("sink_duplicates_total", "kafka-1"): 3,
    ("sink_retries_total", "try_later", "kafka-1"): 4, ("sink_retries_total", "split", "kafka-1"): 1,
    ("sink_breaker", "kafka-1", "open"): 1, ("sink_breaker", "kafka-1", "closed"): 0,
    ("sink_breaker", "kafka-1", "half_open"): 0, ("sink_oldest_seconds", "kafka-1"): 2.5,
    ("sink_batches_in_flight", "kafka-1"): 1, ("sink_records_skipped_total", "kafka-1"): 0,
    ("log_waiting",): 1, ("log_waited_seconds_total",): 1.5,
}  # fmt: skip


async def test_a_file_says_everything_in_a_form_that_prometheus_reads(tmp_path: Path) -> None:
    file = tmp_path / "x.prom"
    async with metrics.served(fake_sweep(), fake_remote(), None, FilePlace(file)):
        pass
    assert samples(file.read_text()) == EXPECTED


@pytest.mark.parametrize("before", [None, ""])
async def test_a_sweep_that_is_refused_leaves_the_file_as_it_was(tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "x.prom"
    if before is not None:
        file.write_text(before)
    with pytest.raises(InputError, match="no such output"):
        async with metrics.served(fake_sweep(), None, None, FilePlace(file)):
            raise InputError("no such output")
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}  # noqa: ASYNC240  a test
    assert left == ({"x.prom": before} if before is not None else {})


async def test_the_same_over_http(unused_tcp_port: int) -> None:
    async with metrics.served(fake_sweep(), fake_remote(), ("127.0.0.1", unused_tcp_port), None):
        with urlopen(f"http://127.0.0.1:{unused_tcp_port}/metrics", timeout=10) as answer:  # noqa: ASYNC210  a test
            text = answer.read().decode()

    assert samples(text) == EXPECTED


async def test_an_address_in_use_is_one_clear_line(unused_tcp_port: int) -> None:
    address = ("127.0.0.1", unused_tcp_port)
    async with metrics.served(fake_sweep(), None, address, None):
        with pytest.raises(InputError, match=rf"--metrics 127.0.0.1:{unused_tcp_port}: cannot listen on this address"):
            async with metrics.served(fake_sweep(), None, address, None):
                pass


async def test_a_disk_that_fails_later_is_a_warning_and_not_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "x.prom"
    async with metrics.served(fake_sweep(), None, None, FilePlace(file)):
        file.write_text("somebody else's")
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: cannot be written (somebody else made it meanwhile)"
    ]
    assert file.read_text() == "somebody else's"


def test_json_logs_are_one_neutral_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    cli_logging.configure("info", "json")
    logging.getLogger("scanner.x").warning(
        "greeting %s", '\x1b[31m\u2028"}\n{"forged": true}', extra={"peer": "a\x9bb"}
    )
    logging.getLogger("scanner.x").debug("not shown")

    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event["event"] == 'greeting \\x1b[31m\\u2028"}\\n{"forged": true}'
    assert (event["level"], event["logger"], event["peer"]) == ("warning", "scanner.x", "a\\x9bb")
    assert event["timestamp"].endswith("Z")
    assert line.isascii()
