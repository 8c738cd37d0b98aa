"""Claims about `scanner.policy.reports.policy_table` and `json_lines`: short, plain, and harmless on a terminal."""

import io

import orjson
import pytest
from rich.console import Console

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.reports import json_lines, print_verdicts
from scanner.policy.reports.policy_table import MOST_LISTED
from tests.support.verdicts import ALL_KINDS, HOSTILE, hostile, verdict_of


def shown(verdicts: list[Verdict], width: int = 160) -> str:
    out = io.StringIO()
    print_verdicts(verdicts, Console(file=out, width=width, markup=False, highlight=False, emoji=False))
    return out.getvalue()


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip()[1:-1].split("│")] for line in text.splitlines() if "│" in line]


def test_a_count_for_each_rule_and_a_row_for_each_broken_one() -> None:
    counts = [
        ["no-version-in-greeting", "error", "1", "1", "1", "1"],
        ["starttls-offered", "warning", "", "1", "", ""],
    ]
    text = shown(ALL_KINDS)

    assert rows(text)[:2] == counts
    assert [row[:3] for row in rows(text)[2:] if row[0]] == [
        ["error", "no-version-in-greeting", "192.0.2.10:25"],
        ["warning", "starttls-offered", "192.0.2.10:25"],
        ["waived", "no-version-in-greeting", "192.0.2.10:25"],
    ]
    assert "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8" in text
    assert "[waived by mail team until 2027-01-31: appliance]" in text


def test_nothing_broken_is_no_list() -> None:
    text = shown([verdict_of(RuleOutcome.PASSED)] * 3)

    assert rows(text) == [["no-version-in-greeting", "error", "3", "", "", ""]]
    assert "why" not in text


def test_a_long_list_is_cut_and_counted() -> None:
    text = shown([verdict_of(ip=f"192.0.{each // 200}.{each % 200}") for each in range(MOST_LISTED + 1_007)])

    assert text.count("the greeting gives away") == MOST_LISTED
    assert text.splitlines()[-1] == "... and 1,007 more"
    assert rows(text)[0][3] == f"{MOST_LISTED + 1_007:,}"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [40, 200])
def test_hostile_text_stays_in_its_cell(text: str, width: int) -> None:
    out = shown(hostile(text), width)

    assert out.replace("\n", "").isprintable()
    assert "##[" not in out
    assert [line for line in out.splitlines() if line.lstrip().startswith("::")] == []
    if text.isprintable() and width == 200:
        assert text in out


@pytest.mark.parametrize("text", HOSTILE)
def test_a_json_line_is_one_line_of_plain_text(text: str) -> None:
    lines = list(json_lines(hostile(text)))

    assert len(lines) == 7
    for line in lines:
        document = orjson.loads(line)
        assert line.endswith(b"}\n")
        assert line[:-1].decode().isprintable()
        assert not text.isprintable() or document["evidence"] == text


def test_a_json_line_has_all_that_the_verdict_has() -> None:
    waived, bare = (orjson.loads(line) for line in json_lines([ALL_KINDS[2], verdict_of(ip=None, evidence=None)]))

    assert waived == {
        "schema": "smtpsweep.verdict/1",
        "rule": "no-version-in-greeting",
        "level": "error",
        "outcome": "waived",
        "ip": "192.0.2.10",
        "port": 25,
        "host": None,
        "message": "the greeting gives away version (Sendmail 8.14.7)",
        "evidence": "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8",
        "waiver": {"owner": "mail team", "reason": "appliance", "expires": "2027-01-31"},
    }
    assert (bare["ip"], bare["evidence"], bare["waiver"]) == (None, None, None)
