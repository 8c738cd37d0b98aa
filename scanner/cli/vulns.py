"""`smtpsweep vulns`: show the known flaws of one release, and import newer facts from files."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import orjson

from scanner.assess import Assessed, Assessor, Facts, load_facts, user_data_file, version_key
from scanner.assess.vulnerabilities import VERSION_UNKNOWN
from scanner.cli.entry import complain
from scanner.errors import InputError
from scanner.model import Assessment, Finding, Software
from scanner.text.counted import counted
from scanner.text.nearest import hint

if TYPE_CHECKING:
    from scanner.assess.update import UpdateOutcome

#: Changes of an update that are listed one by one.
_MOST_CHANGES: Final = 50


@click.command()
@click.argument("product", required=False)
@click.argument("version", required=False)
@click.option("--package", metavar="REVISION", help="Revision of the distribution's package, such as Debian-2+deb12u2.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--update",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    help="First import this NVD, CVE or KEV file, or a folder of them; may be repeated.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="Keep newer facts in this file instead of your own."
)
def vulns(
    product: str | None,
    version: str | None,
    *,
    package: str | None,
    as_json: bool,
    sources: tuple[Path, ...],
    data: Path | None,
) -> None:
    """Show the known flaws of a release: smtpsweep vulns sendmail 8.14.7.

    VERSION is what a greeting shows, including both halves of Sendmail's, such as 8.14.7/8.13.8. A verdict is not
    proof: a distribution may have fixed a flaw without a new version, and a flaw may need a condition that no greeting
    shows.

    Exit codes: 0 done, even if flaws are known, 2 usage or input error.
    """
    if product is None and not sources:
        raise click.UsageError("name a product and a version, or files with --update")
    if (product is None) != (version is None):
        raise click.UsageError("name a product and a version, such as: sendmail 8.14.7")
    if sources:
        from scanner.assess.update import require_usable, update  # noqa: PLC0415  only then

        user_file = user_data_file() if data is None else data
        for source in sources:
            require_usable(source, user_file)
        today = datetime.now(UTC).date()
        _report(update(sources, user_file, load_facts(user_file), today), user_file)
    if product is not None and version is not None:
        _show(Assessor.installed(data), product, version, package, as_json=as_json)


def _show(assessor: Assessor, name: str, version: str, package: str | None, *, as_json: bool) -> None:
    facts, today = assessor.facts, datetime.now(UTC).date()
    known, (key, said) = facts.product(name), _named(facts, name)
    binary, _, config = version.partition("/")
    if version_key(key, binary) is None:
        raise InputError(f"{version!r} is not a version of {said}: write it as a greeting shows it, such as 8.14.7")
    product = said if known is None else known.facts["names"][0]
    lines = () if known is None else known.facts.get("lines", ())
    line = next((each for each in lines if each == name.casefold() != product.casefold()), None)
    software = Software(
        product=product, product_line=line, version=binary, config_version=config or None, package=package
    )
    assessed = assessor.answer(software)
    if warning := facts.maybe_warning(today):
        complain(warning)
    if as_json:
        _print_json(software, facts.age_days(today), assessed)
    else:
        _print_table(f"{said} {version}{f' ({package})' if package else ''}", assessed)


def _named(facts: Facts, name: str) -> tuple[str, str]:
    """Return key and name of a product that has facts, or that is recognised by its greeting.

    Raises:
        InputError: if it is neither.
    """
    if (product := facts.product(name)) is not None:
        return product.key, product.name
    from scanner.identify.rules import shipped_rules  # noqa: PLC0415  for a product without facts

    products = (rule.fixed["product"] for rule in shipped_rules() if "product" in rule.fixed)
    recognised = {product.casefold(): product for product in products}
    if name.casefold() in recognised:
        return name.casefold(), recognised[name.casefold()]
    raise InputError(
        f"unknown product {name!r}: known products are {', '.join(facts.names())}"
        + hint(name, [*facts.names(), *recognised.values()])
    )


def _report(outcome: "UpdateOutcome", user_file: Path) -> None:
    for line in _account(outcome, user_file):
        complain(line)


def _account(outcome: "UpdateOutcome", user_file: Path) -> Iterator[str]:
    """Yield what an update has changed, and what its files lacked."""
    yield (
        f"{counted(outcome.files, 'file')}, {counted(outcome.records, 'record')}: "
        f"{len(outcome.new)} new, {len(outcome.changed)} changed, "
        f"{outcome.unusable} without usable versions, {counted(outcome.unknown_files, 'file')} of other kinds; "
        f"written to {user_file}"
    )
    yield from outcome.changes[:_MOST_CHANGES]
    if (more := len(outcome.changes) - _MOST_CHANGES) > 0:
        yield f"... and {counted(more, 'more change')}"
    for flaw in sorted(outcome.left_open)[:_MOST_CHANGES]:
        yield (
            f"left open: {flaw} names a product of ours without a version that can be compared: "
            "it stays undecided for every release until a record says more"
        )
    yield from _missing(outcome)
    before, after = outcome.compiled
    yield f"the facts are from {after}" + ("" if before == after else f"; they were from {before}")


def _missing(outcome: "UpdateOutcome") -> Iterator[str]:
    if outcome.missing:
        yield (
            f"incomplete: {counted(outcome.missing, 'record')} of NVD's answer missing from the given files: "
            "fetch the other pages (startIndex) and import them, too"
        )
    if outcome.in_future:
        whose, day = min(outcome.in_future.items())
        yield (
            f"{counted(len(outcome.in_future), 'date')} in the future replaced by today's, "
            f"such as that of {whose}: {day} (is this machine's clock right?)"
        )


def _print_json(software: Software, age_days: int, assessed: Assessed) -> None:
    document = {
        "product": software.product,
        "version": software.version,
        "config_version": software.config_version,
        "package": software.package,
        "data": {"compiled": assessed.assessment.facts_of, "age_days": age_days},
        "assessment": assessed.assessment._asdict(),
        "findings": [asdict(finding) for finding in assessed.findings],
    }
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def _print_table(title: str, assessed: Assessed) -> None:
    from rich.table import Table  # noqa: PLC0415  JSON needs none of it

    from scanner.cli.console import Console  # noqa: PLC0415  likewise

    console = Console(markup=False, highlight=False, emoji=False)
    flaws = [finding for finding in assessed.findings if finding.verdict is not None]
    console.print(f"{title}: {_counted(flaws, assessed.assessment)}", soft_wrap=True)
    if flaws:
        table = Table(header_style="bold", expand=False)
        table.add_column("flaw", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("fixed in", no_wrap=True)
        table.add_column("what it is, how it is reached, what it needs")
        for flaw in flaws:
            table.add_row(*_row(flaw))
        console.print(table)
    for finding in assessed.findings:
        if finding.verdict is None:
            text = finding.evidence if finding.id == VERSION_UNKNOWN else finding.title
            console.print(f"{finding.id}: {text}", soft_wrap=True)
        elif finding.verdict != "possible":
            console.print(f"{finding.id}: {finding.evidence}. {finding.note or ''}".rstrip(), soft_wrap=True)


def _counted(flaws: list[Finding], assessment: Assessment) -> str:
    """Return the number of flaws by verdict, and how complete that is."""
    if not flaws:
        return str(assessment)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(flaw.verdict for flaw in flaws).items())
    return f"{counts} ({assessment.basis})" if assessment.is_known else f"{counts}; there may be more: {assessment}"


def _row(flaw: Finding) -> tuple[str, ...]:
    score = "" if flaw.cvss_score is None else f"{flaw.cvss_score:.1f}"
    reached = {None: "", "unspecified": ""}.get(flaw.attack_path, f" By: {flaw.attack_path}")
    if reached and flaw.smtp_unauthenticated:
        reached += ", no login"
    details = (
        f"{reached}." if reached else "",
        f" Only when: {flaw.condition}." if flaw.condition else "",
        f" Exploited (KEV since {flaw.kev_added})." if flaw.kev else "",
    )
    return flaw.id, str(flaw.verdict), score, flaw.fixed_in or "", flaw.title + "".join(details)
