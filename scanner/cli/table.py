"""A table of records for people: the software, its number of hosts, the versions that it reveals, its flaws."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from scanner.cli.console import Console
from scanner.model import Answer, Record, Software, Status

#: Versions listed in a row; the file has them all.
_MOST_VERSIONS = 4


@dataclass(slots=True)
class _Row:
    hosts: int = 0
    example: str = ""
    versions: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)


def print_table(records: Iterable[Record]) -> None:
    """Print one row for each product, most hosts first, then one for each status of hosts without a product."""
    rows: dict[str, _Row] = {}
    facts_of = set[str]()
    for record in records:
        row = rows.setdefault(_name(record), _Row(example=record.ip or ""))
        row.hosts += 1
        if record.software is not None and record.software.version is not None:
            row.versions[_version(record.software)] += 1
        if record.assessment is not None:
            facts_of.add(record.assessment.facts_of)
            if record.assessment.answer is not Answer.NO_VERSION:
                row.answers[record.assessment.words] += 1
    table = Table("software", header_style="bold", expand=False)
    table.add_column("hosts", justify="right")
    table.add_column("give version", justify="right")
    table.add_column("versions, most hosts first")
    table.add_column("flaws, by hosts")
    table.add_column("for example")
    for name, row in sorted(rows.items(), key=lambda item: (item[0].startswith("("), -item[1].hosts)):
        giving = f"{row.versions.total():,}" if row.versions else ""
        table.add_row(name, f"{row.hosts:,}", giving, _versions(row.versions), _answers(row.answers), row.example)
    if facts_of:
        table.caption = f"flaw data of {' and '.join(sorted(facts_of))}"
    Console(markup=False, highlight=False, emoji=False).print(table)


def _name(record: Record) -> str:
    if record.software is not None:
        return record.software.product
    return f"({record.status.value})" if record.status is not Status.READY else "(ready, not named)"


def _version(software: Software) -> str:
    if software.config_version in {None, software.version}:
        return str(software.version)
    return f"{software.version}/{software.config_version}"


def _answers(answers: Counter[str]) -> str:
    return ", ".join(f"{count:,} {words}" for words, count in answers.most_common())


def _versions(versions: Counter[str]) -> str:
    shown = [version for version, _ in versions.most_common(_MOST_VERSIONS)]
    left = len(versions) - len(shown)
    return ", ".join(shown) + (f", {left} more" if left else "")
