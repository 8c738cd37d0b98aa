"""`smtpsweep diff`: what changed between two stored sweeps, as a table or as JSON Lines; no network."""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from scanner.analysis.changes import NO_RECORD, Change, ChangeKind, ChangeSide, encode_change
from scanner.analysis.diff import Comparison, compare
from scanner.cli.commands import complete_files
from scanner.cli.console import Console
from scanner.cli.entry import complain
from scanner.errors import InputError
from scanner.files.clashes import named, refuse_clashes, standard_output
from scanner.text.counted import counted
from scanner.text.visible import visible_ascii

SAME, CHANGES, NOTHING_COMPARED = 0, 1, 3
#: Rows of a table, which is in memory until it is printed. JSON Lines have no such limit.
MAX_ROWS = 1_000
#: Characters of a value in a cell; the whole value is in the JSON Lines.
_MOST_SHOWN = 60
_KINDS = click.Choice([kind.value for kind in ChangeKind])
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("before", metavar="BEFORE", shell_complete=complete_files)
@click.argument("after", metavar="AFTER", shell_complete=complete_files)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each change instead of a table.")
@click.option("--summary-before", type=_FILE, help="Summary of the earlier sweep (sweep --summary).")
@click.option("--summary-after", type=_FILE, help="Summary of the later sweep; give both or none.")
@click.option("--ignore", multiple=True, type=_KINDS, metavar="KIND",
              help=f"Leave out changes of this kind; may be repeated. Kinds: {', '.join(ChangeKind)}.")  # fmt: skip
@click.option("--fail-on", multiple=True, type=_KINDS, metavar="KIND",
              help="Exit with 1 only for this kind; may be repeated (default: all kinds shown).")  # fmt: skip
@click.option("--time-out-is-gone", is_flag=True, help="Treat a connect timeout as a host that is gone.")
@click.option("--force", is_flag=True, help="Compare sweeps even if their targets or shards differ.")
def diff(
    before: str,
    after: str,
    summary_before: Path | None,
    summary_after: Path | None,
    ignore: tuple[str, ...],
    fail_on: tuple[str, ...],
    *,
    as_json: bool,
    time_out_is_gone: bool,
    force: bool,
) -> int:
    """Show what changed between the sweeps in BEFORE and AFTER (JSON Lines, also compressed; - for standard input).

    Exit codes: 0 no changes (with --fail-on: none of those kinds), 1 changes, 2 usage or input error, 3 nothing could
    be compared (an empty file, other targets), 4 no disk space to sort.
    """
    refuse_clashes(standard_output(), [*named("BEFORE", before), *named("AFTER", after)])
    summaries = _both(summary_before, summary_after)
    if both := sorted(set(ignore) & set(fail_on)):
        raise InputError(f"--ignore {both[0]} and --fail-on {both[0]} contradict each other: use one of them")
    with compare(before, after, summaries=summaries, force=force, time_out_is_gone=time_out_is_gone) as comparison:
        for warning in comparison.warnings:
            complain(f"warning: {warning}")
        shown = (change for change in comparison.changes() if change.kind not in ignore)
        if as_json:
            sys.stdout.buffer.writelines(map(encode_change, shown))
            sys.stdout.buffer.flush()
        else:
            print_changes(shown)
        for line in _account(comparison, ignore):
            complain(line)
        if (why := comparison.why_nothing) is not None:
            complain(f"nothing was compared: {why}")
            return NOTHING_COMPARED
        failing = set(fail_on) or {kind.value for kind in ChangeKind}.difference(ignore)
        return CHANGES if any(comparison.counts.kinds[ChangeKind(kind)] for kind in failing) else SAME


def _both(before: Path | None, after: Path | None) -> tuple[Path, Path] | None:
    if before is not None and after is not None:
        return before, after
    if before is None and after is None:
        return None
    raise InputError("--summary-before and --summary-after: give both or none")


def print_changes(changes: Iterable[Change]) -> None:
    """Print a table of the first changes, and how many more there are. Print nothing if there are none."""
    rows = iter(changes)
    first = list(islice(rows, MAX_ROWS))
    if not first:
        return
    table = Table(header_style="bold", expand=False)
    for name in ("address", "port", "change"):
        table.add_column(name, no_wrap=True, justify="right" if name == "port" else "left")
    for name in ("before", "after", "host"):
        table.add_column(name, overflow="fold")
    for change in first:
        open_side = {ChangeKind.NOW_HIDDEN: 0, ChangeKind.NOW_DISCLOSED: 1}.get(change.kind)
        states = enumerate((change.before, change.after))
        sides = (_cell(change.kind, state, shows_more=side == open_side) for side, state in states)
        cells = (change.ip, str(change.port), change.kind.value, *sides, visible_ascii(change.host or ""))
        table.add_row(*map(Text, cells))
    Console(markup=False, highlight=False, emoji=False).print(table)
    if more := sum(1 for _ in rows):
        complain(f"{counted(more, 'more change')} not in the table: --json prints all of them")


def _cell(kind: ChangeKind, state: ChangeSide | None, *, shows_more: bool) -> str:
    """Describe one side of a change of this kind; `shows_more` is true of the side that hides less."""
    if state is None:
        return f"({NO_RECORD})"
    match kind:
        case ChangeKind.NEW | ChangeKind.GONE | ChangeKind.STATUS_CHANGED:
            values = state.status
        case ChangeKind.CERTIFICATE_CHANGED:
            values = tuple(digest[:16] for digest in state.certificate)
        case _:
            names, versions = ", ".join(state.product), state.version
            values = tuple(f"{names} {version}".strip() for version in versions) or (names or "(not named)",)
            if shows_more and not versions:
                values = (f"{names} (shows a version)".strip(),)
    text = visible_ascii(", ".join(values))
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _account(comparison: Comparison, ignored: Iterable[str]) -> Iterator[str]:
    """Yield what people should know about a finished comparison."""
    counts, dropped = comparison.counts, {ChangeKind(kind) for kind in ignored}
    kinds = ", ".join(f"{kind.value} {counts.kinds[kind]:,}" for kind in ChangeKind if counts.kinds[kind])
    found = f": {kinds or 'no changes'}" if counts.compared else ""
    yield f"{counted(counts.compared, 'target')} compared{found}" + (
        f" (ignored: {', '.join(kind.value for kind in ChangeKind if kind in dropped)})" if dropped else ""
    )
    if counts.not_compared:
        reasons = ", ".join(f"{why} {side} {count:,}" for (side, why), count in counts.not_compared.most_common())
        yield f"{counted(counts.not_compared.total(), 'target')} not compared: {reasons}"
    for side, absence in zip(("before", "after"), comparison.absences, strict=True):
        if absence.why_not is not None and counts.not_compared[side, NO_RECORD]:
            yield f"targets without a record {side} are not reported: {absence.why_not}"
    if counts.in_part:
        targets = counted(counts.in_part, "target differs", "targets differ")
        yield f"{targets} only in part (in one of several answers, or in what only one sweep recorded)"
    if counts.several_scans:
        targets = counted(counts.several_scans, "target")
        yield f"{targets} with records from several scans in one file: all of them count"
