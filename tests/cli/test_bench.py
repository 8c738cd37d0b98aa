"""`smtpsweep bench`: its judgement of recall can fail, and the command runs to its end."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from click.testing import CliRunner

from scanner.cli.bench import TruthCheck, bench, judge
from scanner.lab import expected

FIRST = IPv4Address("127.1.0.0")


def record_of(ip: str) -> dict[str, Any]:
    """The least that a right record of a dense host says, taken from the truth."""
    truth = expected(ip, 1, "dense")
    return {
        "ip": ip,
        "status": str(truth.status),
        "banner": {**truth.banner, "flags": list(truth.flags)},
        "software": dict(truth.software),
    }


def verdict_on(records: list[dict[str, Any]], hosts: int = 3) -> TruthCheck:
    return judge(records, FIRST, hosts, seed=1, profile="dense")


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return [record_of(f"127.1.0.{number}") for number in range(3)]


def test_all_hosts_once_and_right_is_perfect(records: list[dict[str, Any]]) -> None:
    verdict = verdict_on(records)

    assert verdict == TruthCheck(3, 0, 0, ())
    assert verdict.perfect
    assert verdict.recall == 1.0


def test_a_host_without_a_record_is_lost(records: list[dict[str, Any]]) -> None:
    verdict = verdict_on(records[:2])

    assert (verdict.lost, verdict.perfect) == (1, False)
    assert verdict.recall == pytest.approx(2 / 3)


def test_a_host_with_two_records_is_repeated(records: list[dict[str, Any]]) -> None:
    verdict = verdict_on([*records, records[0]])

    assert (verdict.repeated, verdict.lost, verdict.perfect) == (1, 0, False)


def test_a_wrong_field_is_told(records: list[dict[str, Any]]) -> None:
    records[1]["banner"]["code"] = 250

    (sentence,) = verdict_on(records).wrong

    assert sentence.startswith("127.1.0.1: banner.code is 250, not 220")


def test_a_host_that_was_not_asked_for_is_wrong(records: list[dict[str, Any]]) -> None:
    verdict = verdict_on([*records, record_of("127.1.0.3")])

    assert verdict.wrong == ("127.1.0.3: was not asked for",)


def test_no_record_at_all_is_no_recall() -> None:
    assert verdict_on([]).recall == 0.0


@pytest.mark.slow
def test_the_command_prints_its_table_and_finds_everything() -> None:
    result = CliRunner().invoke(bench, ["--hosts", "100", "--runs", "1"], standalone_mode=False)

    assert result.return_value == 0
    assert "100.00%" in result.output
    assert "planning a /8: peak memory, MB" in result.output
