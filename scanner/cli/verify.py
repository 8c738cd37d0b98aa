"""`smtpsweep verify`: is the finding gone, from every place that showed it?"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import orjson

from scanner.cli import logging, running
from scanner.cli.commands import Command, complete_files, group
from scanner.cli.config import with_configured
from scanner.cli.entry import complain
from scanner.cli.inputs import require_one_reader, sources
from scanner.cli.options import dialogue_options, identity_options, log_level_option, pace_options, waiting_options
from scanner.cli.values import Count, Ports, joined_ports
from scanner.cli.verify_table import print_results
from scanner.errors import InputError
from scanner.files.clashes import Named, named, refuse_clashes, standard_output
from scanner.policy.check import PolicyCheck, Verdict, VerdictTally
from scanner.policy.loading import load_policy
from scanner.policy.policy import Policy, rule_texts
from scanner.policy.reports import JunitReport, SarifReport, VerdictTable
from scanner.policy.reports.file_report import FileReport
from scanner.policy.rules import Level
from scanner.settings import MAX_SAMPLES, Settings
from scanner.sweeps.plan import random_seed
from scanner.targets import parse_exclusions, parse_spec
from scanner.text.counted import counted
from scanner.verification.baseline import read_baseline, read_headers
from scanner.verification.states import VerificationState, Verified
from scanner.verification.verdicts import RULE_TEXT, coverage_verdict, document, seen_of, verdict_of
from scanner.verification.verify import Verification, VerificationProgress, VerificationRequest
from scanner.verification.verify import verify as visit_again

FIXED, NOT_FIXED, NOT_ENOUGH_SEEN = 0, 1, 3
_PATH = click.Path(path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
DEFAULT_SAMPLES: Final = 3
#: Seconds between two lines of progress.
_SAY_EVERY_S: Final = 10.0


@click.command(cls=Command)
@group(
    "Hosts",
    click.argument("targets", nargs=-1),
    click.option("--before", multiple=True, metavar="FILE|-", shell_complete=complete_files,
                 help="Stored sweep, or results of an earlier 'verify --json'; may be repeated."),
    click.option("-p", "--port", "ports", multiple=True, type=Ports(), metavar="PORT[,PORT...]", callback=joined_ports,
                 help="Ports to visit; may be repeated (default: those of the stored sweep; 25 for TARGETS)."),
    click.option("-x", "--exclude", multiple=True, metavar="TARGET", callback=with_configured,
                 help="Never visit this target, in any form that sweep takes; may be repeated."),
    click.option("--exclude-file", multiple=True, type=_FILE, callback=with_configured,
                 help="Never visit the targets in this file; may be repeated."),
    click.option("--confirm-large", is_flag=True,
                 help="Confirm that you are responsible for more than 2^24 addresses."),
)  # fmt: skip
@group(
    "Judgement",
    click.option("--received", multiple=True, type=_FILE, metavar="FILE",
                 help="Also look for versions in the headers of a delivered message, or in 'smoke --json'; may be "
                      "repeated."),
    click.option("--policy", "policy_file", type=_PATH, metavar="FILE",
                 help="Also judge the new records by this policy (TOML)."),
    click.option("--strict", is_flag=True, help="Fail hosts that still name their product."),
    click.option("--samples", type=Count(1, MAX_SAMPLES), default=DEFAULT_SAMPLES, show_default=True,
                 help="Visit each host N times, to reveal server pools."),
    click.option("--agree", type=Count(1), help="Require N of the samples to agree (default: all)."),
    click.option("--second-reader/--no-second-reader", default=True, show_default=True,
                 help="Read each host once more with another SMTP client."),
)  # fmt: skip
@group(
    "Output",
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each host instead of the table."),
    click.option("--junit", type=_PATH, metavar="FILE", help="Write a JUnit XML report."),
    click.option("--sarif", type=_PATH, metavar="FILE", help="Write a SARIF 2.1.0 report."),
    click.option("--overwrite", is_flag=True, help="Replace reports that exist."),
    log_level_option,
)
@pace_options
@waiting_options
@dialogue_options
@identity_options
def verify(
    targets: tuple[str, ...],
    before: tuple[str, ...],
    received: tuple[Path, ...],
    exclude: tuple[str, ...],
    exclude_file: tuple[Path, ...],
    ports: tuple[int, ...],
    agree: int | None,
    log_level: str,
    *,
    second_reader: bool,
    **given: Any,
) -> int:
    """Visit hosts again and report whether each finding is fixed.

    Visits the hosts of --before that answered with SMTP, or TARGETS, in the forms that sweep takes. With both, TARGETS
    are visited and compared with the stored sweep.

    Exit codes: 0 all fixed, 1 some are not, 2 usage or input error, 3 nothing failed but too little was seen, 4 only
    this machine had trouble. A host that could not be reached is never fixed.
    """
    logging.configure(log_level)
    output = _Output(**{field.name: given.pop(field.name) for field in fields(_Output)})
    if agree is not None and agree > given["samples"]:
        raise click.UsageError(f"--agree {agree}: is more than --samples {given['samples']}")
    if not targets and not before:
        raise InputError("nothing to verify: name targets, or a stored sweep with --before")
    require_one_reader((*targets, *exclude, *before))
    request = VerificationRequest(
        settings=Settings(seed=random_seed(), **given).validated(),
        targets=parse_spec(sources(targets)) if targets else None,
        exclude=parse_exclusions(sources(exclude, exclude_file)),
        ports=ports,
        baseline=read_baseline(before),
        agree=agree,
        messages=[read_headers(file) for file in received],
        ask_second_reader=second_reader,
    )
    policy = load_policy(output.policy_file) if output.policy_file is not None else None
    lists = [Named("@", Path(text[1:])) for text in (*targets, *exclude) if text.startswith("@")]
    inputs = (*named("--before", *before), *named("--received", *received), *named("--exclude-file", *exclude_file))
    output.refuse_same_files([*inputs, *lists])
    with ExitStack() as stack:
        reports = output.opened(stack, policy)  # what cannot be written is known before anybody is visited
        fresh = running.run(visit_again(request, _Now().say))
        return _end(fresh, output, policy, reports)


@dataclass(frozen=True, slots=True)
class _Output:
    """What to judge and write beside the states."""

    policy_file: Path | None
    strict: bool
    as_json: bool
    junit: Path | None
    sarif: Path | None
    overwrite: bool

    def refuse_same_files(self, inputs: Iterable[Named]) -> None:
        """Refuse a report that would overwrite another one, or a file that it is made from."""
        outputs = [*named("--junit", self.junit), *named("--sarif", self.sarif), *standard_output()]
        refuse_clashes(outputs, [*inputs, *named("--policy", self.policy_file)])

    def opened(self, stack: ExitStack, policy: Policy | None) -> list[FileReport]:
        """Return the reports, ready to be written; they appear when the stack ends without an error."""
        rules = (RULE_TEXT, *rule_texts(policy or Policy()))
        reports: list[FileReport] = []
        if self.junit is not None:
            report = JunitReport(self.junit, suite="smtpsweep.verify", overwrite=self.overwrite)
            reports.append(stack.enter_context(report))
        if self.sarif is not None:
            reports.append(stack.enter_context(SarifReport(self.sarif, rules=rules, overwrite=self.overwrite)))
        return reports


class _Books:
    """Counts and reports every result on its way to the output."""

    def __init__(self, output: _Output, policy: Policy | None, reports: Sequence[FileReport]) -> None:
        self._output, self._policy, self._reports = output, policy, reports
        self._check = None if policy is None else PolicyCheck(policy, datetime.now(UTC).date())
        self.tally, self.shown = VerdictTally(), VerdictTable()
        self.states: Counter[VerificationState] = Counter()

    def through(self, results: Iterable[Verified]) -> Iterator[Verified]:
        """Yield each result once it is counted; finish the reports after the last."""
        for result in results:
            self.states[result.state] += 1
            self._add(verdict_of(result, strict=self._output.strict))
            if self._check is not None and result.record is not None:
                self._add_policys(self._check.judge(result.record))
            yield result
        # Only a policy can allow that some hosts are not seen.
        self._add(coverage_verdict(seen_of(self.states), 1.0 if self._policy is None else self._policy.min_seen))
        if self._check is not None:
            self._add_policys(self._check.finish(self.states.total()))

    def _add(self, verdict: Verdict) -> None:
        self.tally.add(verdict)
        for report in self._reports:
            report.add(verdict)

    def _add_policys(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self._add(verdict)
            self.shown.add(verdict)


def _end(fresh: Verification, output: _Output, policy: Policy | None, reports: Sequence[FileReport]) -> int:
    """Write results and reports, print the totals to stderr, and return the exit code."""
    books = _Books(output, policy, reports)
    results = books.through(fresh.results)
    if output.as_json:
        sys.stdout.buffer.writelines(orjson.dumps(document(result)) + b"\n" for result in results)
        sys.stdout.buffer.flush()
    else:
        print_results(results)
        if policy is not None:
            books.shown.print()
    _say(fresh, books.states)
    failed = books.tally.failed(Level.ERROR)
    covered = books.tally.covered and not fresh.results.strangers
    if policy is not None and failed:
        complain(f"{failed:,} failed, including the rules of the policy")
    if not covered:
        complain("NOT ENOUGH SEEN: a host that was not seen does not count as fixed")
    return NOT_FIXED if failed else FIXED if covered else NOT_ENOUGH_SEEN


def _say(fresh: Verification, counts: Counter[VerificationState]) -> None:
    states = ", ".join(
        f"{counts[state]:,} {state.value.replace('_', ' ')}" for state in VerificationState if counts[state]
    )
    complain(f"{counts.total():,} verified: {states}")
    if fresh.excluded:
        complain(f"{counted(fresh.excluded, 'host')} of the stored sweep not visited: excluded")
    for message in fresh.results.strangers:
        writers = ", ".join(dict.fromkeys(message.writers)) or "hosts without a name"
        if message.taken_by is not None:
            writers = f"{message.taken_by[0]}, port {message.taken_by[1]}"
        complain(f"--received: no Received: line was written by a verified host, only by {writers}")
    for leak in fresh.unclaimed:
        if leak.version is not None:
            shows = "shows a version" if leak.is_sure else "has a number that may be a version"
            complain(f"a header line that no verified host wrote {shows}: {leak.text}")


class _Now:
    """Prints a line of progress every ten seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _SAY_EVERY_S

    def say(self, now: VerificationProgress) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SAY_EVERY_S
        again = f", {now.read_again:,} of {now.to_read_again:,} hosts read again" if now.to_read_again else ""
        complain(f"{now.visits:,} of {now.to_visit:,} visits{again}")
