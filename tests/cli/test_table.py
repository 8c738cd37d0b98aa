"""Claims about the table of a file of records: what it says of flaws, and from facts of which day."""

from typing import Any

import pytest

from scanner.cli.table import print_table
from scanner.model import Answer, Assessment, Record, Software
from tests.support.policy_records import record_of

KNOWN = Assessment(Answer.KNOWN_FLAWS, "8.8.0", 41, "2026-11-22")


def host(product: str, answer: Answer | None, **changes: Any) -> Record:
    assessment = None if answer is None else KNOWN._replace(answer=answer, **changes)
    return record_of(software=Software(product, version="8.14.7"), assessment=assessment)


def test_a_product_s_row_counts_what_is_known_of_its_hosts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    answers = [Answer.KNOWN_FLAWS, Answer.KNOWN_FLAWS, Answer.NOT_COVERED, Answer.NO_VERSION]
    print_table([*(host("Sendmail", answer) for answer in answers), host("Exim", None)])

    rows = {line.split("\u2502")[1].strip(): line for line in capsys.readouterr().out.splitlines() if "\u2502" in line}
    assert "2 known, 1 not covered" in rows["Sendmail"]
    assert [cell.strip() for cell in rows["Exim"].split("\u2502")][5] == ""


def test_the_day_of_the_facts_stands_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    print_table([host("Sendmail", Answer.NONE_KNOWN), host("Exim", Answer.NONE_KNOWN, facts_of="2026-12-01")])
    assert "flaw data of 2026-11-22 and 2026-12-01" in capsys.readouterr().out

    print_table([host("Exim", None)])
    assert "flaw data" not in capsys.readouterr().out
