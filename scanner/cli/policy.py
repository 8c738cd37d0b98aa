"""`smtpsweep policy`: judge stored records by a policy, for pipelines, without a network."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import click

from scanner.analysis import read_records
from scanner.analysis.expected_hosts import ExpectedHosts
from scanner.cli.commands import complete_files
from scanner.cli.entry import complain
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.policy.check import PolicyCheck, Verdict, VerdictTally
from scanner.policy.file import default_document
from scanner.policy.loading import load_policy
from scanner.policy.policy import Policy, rule_texts
from scanner.policy.reports import (
    JunitReport,
    NotJudged,
    SarifReport,
    VerdictTable,
    json_line,
    maybe_annotation,
    maybe_not_judged,
)
from scanner.policy.rules import Level
from scanner.text.counted import counted

CLEAN, VIOLATIONS, NOT_COVERED = 0, 1, 3
_PATH = click.Path(path_type=Path)


class _Report(Protocol):
    def add(self, verdict: Verdict) -> None:
        """Take one verdict."""


@click.group()
def policy() -> None:
    """Judge the records of a sweep by a policy, without a network."""


@policy.command()
def init() -> int:
    """Print the default policy, with every key explained.

    To start your own: smtpsweep policy init > policy.toml
    """
    click.echo(default_document(), nl=False)
    return 0


@policy.command(short_help="Judge stored records; exit with 1 if there are violations.")
@click.argument("files", nargs=-1, required=True, metavar="FILE|-...", shell_complete=complete_files)
@click.option(
    "--policy", "policy_file", type=_PATH, metavar="FILE", help="Policy (TOML; default: that of 'policy init')."
)
@click.option("--summary", "summaries", type=_PATH, metavar="FILE", multiple=True,
              help="Summary of the sweep (sweep --summary), to find missing hosts; may be repeated.")  # fmt: skip
@click.option("--junit", type=_PATH, metavar="FILE", help="Write a JUnit XML report.")
@click.option("--sarif", type=_PATH, metavar="FILE", help="Write a SARIF 2.1.0 report.")
@click.option("--overwrite", is_flag=True, help="Replace reports that exist.")
@click.option("--github", is_flag=True, help="Print annotations for GitHub Actions instead of the table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each verdict instead of the table.")
@click.option(
    "--date", "day", metavar="YYYY-MM-DD", help="Judge waivers and certificates as of this day (default: today)."
)
def check(
    files: tuple[str, ...],
    policy_file: Path | None,
    summaries: tuple[Path, ...],
    junit: Path | None,
    sarif: Path | None,
    day: str | None,
    *,
    overwrite: bool,
    github: bool,
    as_json: bool,
) -> int:
    """Judge the records in FILE (JSON Lines, also compressed; - for standard input).

    Exit codes: 0 clean, 1 violations, 2 usage or input error, 3 no violations but too many hosts not seen or not
    judged, or a report could not be written. Warnings do not change the exit code. Violations with too little coverage
    exit with 1, and both are reported.
    """
    if github and as_json:
        raise click.UsageError("--github and --json contradict each other: use one of them")
    if files.count("-") > 1:
        raise click.UsageError("standard input can be read only once: name a file for the other use")
    own = Policy() if policy_file is None else load_policy(policy_file)
    judged = PolicyCheck(own, _day(day))
    expected = ExpectedHosts(summaries, own.ignore)
    tally = VerdictTally()
    with ExitStack() as stack:
        reports: list[_Report] = [tally]
        reads = [*named("FILE", *files), *named("--summary", *summaries), *named("--policy", policy_file)]
        refuse_clashes([*named("--junit", junit), *named("--sarif", sarif), *standard_output()], reads)
        if junit is not None:
            reports.append(stack.enter_context(JunitReport(junit, suite="smtpsweep.policy", overwrite=overwrite)))
        if sarif is not None:
            reports.append(stack.enter_context(SarifReport(sarif, rules=rule_texts(own), overwrite=overwrite)))
        shown = _Lines(github=github) if github or as_json else VerdictTable()
        for verdict in _verdicts(files, judged, expected):
            for report in (*reports, shown):
                report.add(verdict)
    shown.print()
    return _end(tally)


def _verdicts(files: Sequence[str], judged: PolicyCheck, expected: ExpectedHosts) -> Iterator[Verdict]:
    for file in files:
        for record in read_records(file):
            expected.require(record.scan_id, file)
            yield from judged.judge(record)
    yield from judged.finish(expected.hosts)


class _Lines:
    """Prints verdicts on standard output as they come, a line each."""

    def __init__(self, *, github: bool) -> None:
        self._github = github
        self._not_judged = NotJudged()

    def add(self, verdict: Verdict) -> None:
        """Print one verdict, where it has a line."""
        if self._github:
            self._not_judged.add(verdict)
            line = maybe_annotation(verdict)
            sys.stdout.buffer.write(b"" if line is None else line.encode() + b"\n")
        else:
            sys.stdout.buffer.write(json_line(verdict))

    def print(self) -> None:
        """Print what is still held back, and what was not judged."""
        line = maybe_not_judged(self._not_judged)
        sys.stdout.buffer.write(b"" if line is None else line.encode() + b"\n")
        sys.stdout.buffer.flush()


def _day(text: str | None) -> date:
    try:
        return datetime.now(UTC).date() if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--date {text!r} is not a date: write it as 2026-11-23") from None


def _end(tally: VerdictTally) -> int:
    """Print the totals to stderr, and return the exit code."""
    violations, warnings = tally.failed(Level.ERROR), tally.failed(Level.WARNING)
    complain(
        f"{counted(violations, 'violation')}, {counted(warnings, 'warning')}"
        + ("" if tally.covered else ", NOT ENOUGH COVERAGE")
    )
    if violations:
        return VIOLATIONS
    return CLEAN if tally.covered else NOT_COVERED
