"""`smtpsweep policy`: judge stored records by a policy, for pipelines, without a network."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import click
import orjson

from scanner.analysis import read_records
from scanner.analysis.comparable import require_no_records
from scanner.cli.commands import complete_files
from scanner.cli.entry import complain
from scanner.errors import InputError
from scanner.files import toml as safe_toml
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.files.text_input import utf_8
from scanner.model import Status
from scanner.policy.check import Level, Policy, PolicyCheck, Verdict, VerdictTally, rule_texts
from scanner.policy.file import default_document, read_policy
from scanner.policy.reports import (
    JunitReport,
    NotJudged,
    SarifReport,
    VerdictTable,
    json_line,
    maybe_annotation,
    maybe_not_judged,
)
from scanner.sweeps.summary import SUMMARY_SCHEMA
from scanner.targets import COMMAND_LINE, Ranges, TextSource, parse_spec
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
    expected = _Expected(summaries, own.ignore)
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


def load_policy(path: Path) -> Policy:
    """Read a policy file, with addresses written as for a sweep.

    Raises:
        InputError: if it cannot be read, or for the first mistake in it.
    """
    try:
        text = safe_toml.read_text(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not valid TOML: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return read_policy(text, str(path), read_addresses)


def read_addresses(texts: Sequence[str]) -> Ranges:
    """Read addresses, networks, ranges and octet patterns, as a sweep does.

    Raises:
        InputError: for the first text that is not one of these, such as a host name.
    """
    try:
        ranges = parse_spec([TextSource(COMMAND_LINE, texts)], allow_names=False, allow_large_v6=True).ranges
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{COMMAND_LINE}: ")) from None
    if not ranges:
        raise InputError("names no address")
    return ranges


class _Expected:
    """What the summaries say the sweeps were to visit."""

    def __init__(self, files: Iterable[Path], ignore: frozenset[Status]) -> None:
        self._scans: dict[str, int] = {}
        for file in files:
            scan, hosts = _planned(file, ignore)
            if scan in self._scans:
                raise InputError(f"{file}: is a second summary of one sweep: give one for each sweep")
            self._scans[scan] = hosts

    @property
    def hosts(self) -> int | None:
        """The number of planned hosts without those of ignored statuses; None without a summary."""
        return sum(self._scans.values()) if self._scans else None

    def require(self, scan: str, file: str) -> None:
        """Refuse a record of a sweep whose summary was not given: what is missing could not be told."""
        if self._scans and scan not in self._scans:
            raise InputError(f"{file}: has records of the sweep {scan!a}, but no --summary of that sweep was given")


def _planned(file: Path, ignore: frozenset[Status]) -> tuple[str, int]:
    try:
        raw = utf_8(file.read_bytes())
        require_no_records(raw, str(file))
        document: Any = orjson.loads(raw)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("schema") != SUMMARY_SCHEMA:
        raise InputError(f"{file}: is not a summary of a sweep ({SUMMARY_SCHEMA})")
    statuses = document.get("statuses")
    counts = statuses if isinstance(statuses, dict) else {}
    numbers = [document.get("planned"), document.get("excluded"), *(counts.get(status, 0) for status in ignore)]
    if any(type(number) is not int or number < 0 for number in numbers) or not isinstance(statuses, Mapping):
        raise InputError(f"{file}: its counts are damaged")
    planned, *left_out = numbers
    return str(document.get("scan_id")), max(planned - sum(left_out), 0)


def _verdicts(files: Sequence[str], judged: PolicyCheck, expected: _Expected) -> Iterator[Verdict]:
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
