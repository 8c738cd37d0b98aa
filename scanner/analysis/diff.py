"""Compare two stored sweeps: a stream of changes, sorted by address, in memory that does not grow with them.

    two files -> Observation for each record -> sorted by target, sweep, visit -> TargetHistory, both sides -> Change

Both files are read completely, and every line must be a record, before the first change is yielded.
`scanner.analysis.changes` judges one target, `history` reads records, `comparable` tells whether the sweeps fit.

Left out: following a host name from one address to another; its old address is gone, its new one is new.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from scanner.analysis import comparable
from scanner.analysis.changes import NO_RECORD, Change, ChangeKind, TargetComparison, judge, states
from scanner.analysis.comparable import Absence, FileFacts, SweepSummary
from scanner.analysis.diff_query import MEMORY_LIMIT, ObservationRow, ObservationTable, observation_table
from scanner.analysis.history import Observation, TargetHistory, target_key, target_of
from scanner.analysis.stored import name_of, read_numbered
from scanner.errors import InputError


@dataclass(slots=True)
class Counts:
    """The counts of a comparison. Every target of either file is compared, or not compared for a counted reason.

    `not_compared` counts by side and reason. `in_part` are compared targets whose several answers differ only in part
    (pools of servers); `several_scans` are targets that one file has from more than one scan.
    """

    compared: int = 0
    not_compared: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[ChangeKind] = field(default_factory=Counter)
    in_part: int = 0
    several_scans: int = 0

    def add(self, verdict: TargetComparison) -> None:
        """Count one target."""
        if verdict.why_not is not None:
            self.not_compared[verdict.why_not] += 1
        else:
            self.compared += 1
        self.in_part += verdict.in_part
        self.kinds.update(verdict.kinds)


class Comparison:
    """Two sweeps that were read. `warnings` are for people; `counts` are complete after the last of `changes`."""

    def __init__(
        self,
        table: ObservationTable,
        files: tuple[FileFacts, FileFacts],
        absences: tuple[Absence, Absence],
        warnings: list[str],
    ) -> None:
        self.counts = Counts()
        self.files = files
        self.warnings = warnings
        self.absences = absences
        self._table = table

    @property
    def why_nothing(self) -> str | None:
        """Why no target was compared, after the last of `changes`; None when some were, or neither sweep found any.

        That nothing was compared does not mean that nothing has changed.
        """
        if self.counts.compared or all(absence.negative for absence in self.absences):
            return None
        empty = [file.name for file in self.files if not file.records - file.unplaced]
        if empty:
            return f"{' and '.join(dict.fromkeys(empty))}: no record of a target"
        if all(why == NO_RECORD for _, why in self.counts.not_compared):
            return "no target has a record in both files"
        return "no target has a conclusive record in both files"

    def changes(self) -> Iterator[Change]:
        """Yield every change, by address and port. Once only."""
        absent_is_negative = (self.absences[0].negative, self.absences[1].negative)
        for target, rows in groupby(self._table.in_order(), itemgetter(0)):
            before, after = _seen(rows)
            self.counts.several_scans += any(seen is not None and len(seen.scans) > 1 for seen in (before, after))
            verdict = judge(before, after, absent_is_negative=absent_is_negative)
            self.counts.add(verdict)
            if verdict.kinds:
                yield from _changes(verdict, target, before, after)


@contextmanager
def compare(
    before: str | Path,
    after: str | Path,
    *,
    summaries: tuple[Path, Path] | None = None,
    force: bool = False,
    time_out_is_gone: bool = False,
    memory_limit: str = MEMORY_LIMIT,
) -> Iterator[Comparison]:
    """Read two files of records and compare them; `-` is standard input, for one of them.

    Args:
        before: the records of the earlier sweep: JSON Lines, plain, `.gz` or `.zst`.
        after: those of the later one.
        summaries: the summaries of both sweeps (`--summary`), which tell what a missing record means.
        force: compare even sweeps of different targets or shards.
        time_out_is_gone: take a connection that timed out as a negative answer.
        memory_limit: what the sorting may hold in memory, as DuckDB writes it.

    Raises:
        InputError: when a file cannot be read, a line is not a record, the sweeps must not be compared, or DuckDB is
            not installed.
        LocalError: when there is no room for the sorting.
    """
    if str(before) == "-" == str(after):
        raise InputError("standard input: can be read only once: name a file for the other sweep")
    read = None if summaries is None else (SweepSummary(summaries[0]), SweepSummary(summaries[1]))
    with observation_table(memory_limit) as table:
        facts = tuple(
            _read(table, side, file, time_out_is_gone=time_out_is_gone) for side, file in enumerate((before, after))
        )
        old, new = facts
        warnings = list(comparable.record_warnings(old, new))
        absences = (comparable.UNKNOWN, comparable.UNKNOWN)
        if read is not None:
            absences = _absences(read, (old, new), warnings, force=force, time_out_is_gone=time_out_is_gone)
        yield Comparison(table, (old, new), absences, warnings)


def _read(table: ObservationTable, side: int, file: str | Path, *, time_out_is_gone: bool) -> FileFacts:
    """Put every record of a file into the table."""
    facts = FileFacts(name_of(file))
    for number, record in read_numbered(file):
        facts.add(record)
        if record.ip is None or record.port is None:
            facts.unplaced += 1
            continue
        try:
            target, observation = (
                target_key(record.ip, record.port),
                Observation.of(record, time_out_is_gone=time_out_is_gone),
            )
            table.add(ObservationRow(target, side, observation.event_id, number, observation.packed()))
        except (InputError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{facts.name}:{number}: not a record: {error}") from None
    return facts


def _absences(
    read: tuple[SweepSummary, SweepSummary],
    facts: tuple[FileFacts, FileFacts],
    warnings: list[str],
    *,
    force: bool,
    time_out_is_gone: bool,
) -> tuple[Absence, Absence]:
    """Decide what a missing record means on each side; refuse sweeps that do not belong together."""
    for reason in comparable.refusals(*read, facts):
        if not force:
            raise InputError(f"{reason}; --force compares them all the same")
        warnings.append(reason)
    warnings.extend(comparable.warnings(*read))
    if comparable.same_targets(*read) is not True or any(comparable.refusals(*read, facts)):
        unknown = Absence(negative=False, why_not="a missing record may be a target that was not visited")
        return unknown, unknown
    before, after = (
        summary.absence(file, time_out_is_negative=time_out_is_gone) for summary, file in zip(read, facts, strict=True)
    )
    return before, after


def _seen(rows: Iterator[tuple[str, int, str, str]]) -> tuple[TargetHistory | None, TargetHistory | None]:
    """Fold the observations of one target; where the file repeats a visit, the last line counts."""
    sides: list[TargetHistory | None] = [None, None]
    for (_, side, _), repeats in groupby(rows, itemgetter(0, 1, 2)):
        *_, (_, _, _, text) = repeats
        observation = Observation.unpacked(text)
        seen = sides[side] = sides[side] or TargetHistory(observation)
        seen.add(observation)
    before, after = sides
    return before, after


def _changes(
    verdict: TargetComparison, target: str, before: TargetHistory | None, after: TargetHistory | None
) -> Iterator[Change]:
    ip, port = target_of(target)
    old, new = states(before, after)
    hosts = [seen.last.host for seen in (after, before) if seen is not None and seen.last.host is not None]
    for kind in verdict.kinds:
        yield Change(kind, ip, port, hosts[0] if hosts else None, old, new, None if new is None else new.observed_at)
