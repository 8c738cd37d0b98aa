"""Decide whether two sweeps can be compared, and what a missing record means, from their summaries or records.

A sweep writes no record of a target that did not answer (unless with `--all`). So "missing from the file" is "visited,
and nothing there" only when the summaries prove it: the same targets, a sweep that was complete, a file that holds all
of its records, and no target that merely timed out, because it could be this one.

Sweeps of different targets or shards are refused: a difference would come from the choice of targets. A different
dialogue or program version is a warning, and the comparison uses only what both sweeps looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scanner.errors import InputError
from scanner.files.text_input import utf_8
from scanner.model import Record, Status
from scanner.record import SCHEMA
from scanner.sweeps.summary import SUMMARY_SCHEMA

#: At most that many scans and ports are named in a message, and that many scans are told apart in one file.
_MOST_NAMED, _MOST_SCANS = 8, 1_000
#: Where a file says what it is.
_START_BYTES: Final = 512
#: Options that change what a sweep can see.
_TELLING_OPTIONS: Final = ("probe", "samples", "fingerprints", "passive", "connect_timeout_s", "greeting_timeout_s")


@dataclass(slots=True)
class FileFacts:
    """What the records of one file tell about its sweep. `add` each record."""

    name: str
    records: int = 0
    unplaced: int = 0
    with_dialogue: int = 0
    scans: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    first_at: float | None = None
    last_at: float | None = None

    def add(self, record: Record) -> None:
        """Add one record."""
        self.records += 1
        self.with_dialogue += record.dialogue is not None
        if len(self.scans) < _MOST_SCANS:
            self.scans.add(record.scan_id)
        if record.port is not None:
            self.ports.add(record.port)
        if (at := record.observed_at) is not None:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)


class Absence(NamedTuple):
    """The meaning of a missing record: `negative` when the target was visited and did not answer.

    Else `why_not` gives the reason, for people.
    """

    negative: bool
    why_not: str | None = None


#: Without summaries nothing is known of a target that has no record.
UNKNOWN: Final = Absence(
    negative=False, why_not="without both summaries a missing record may be a target that was not visited"
)


class SweepSummary:
    """The summary that `smtpsweep sweep --summary` wrote."""

    def __init__(self, file: Path) -> None:
        """Read it.

        Raises:
            InputError: when it cannot be read or is not a summary.
        """
        self.name = str(file)
        try:
            raw = utf_8(file.read_bytes())
            require_no_records(raw, self.name)
            document = orjson.loads(raw)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise InputError(f"{file}: not a summary: not valid JSON: {error}") from None
        if not isinstance(document, dict) or document.get("schema") != SUMMARY_SCHEMA:
            raise InputError(f"{file}: not a summary of schema {SUMMARY_SCHEMA}")
        self.document: Mapping[str, Any] = document
        for name, kind in (("options", dict), ("statuses", dict), ("records", int), ("digest", str), ("scan_id", str)):
            if not isinstance(document.get(name), kind):
                raise InputError(f"{file}: not a summary: {name} is missing")

    def value(self, name: str) -> Any:
        """Return the value of a field; None when it is not there."""
        return self.document.get(name)

    def option(self, name: str) -> Any:
        """Return an option of the sweep; None when it is not there."""
        return self.document["options"].get(name)

    def absence(self, facts: FileFacts, *, time_out_is_negative: bool) -> Absence:
        """Return what a missing record means, when the other sweep had the same targets."""
        timed_out = self.document["statuses"].get(Status.CONNECT_TIMEOUT.value, 0)
        if self.value("complete") is not True or self.value("not_visited") != 0:
            why_not = f"{self.name}: the sweep was not complete"
        elif facts.records < self.document["records"]:
            why_not = f"{facts.name}: has {facts.records:,} of the sweep's {self.document['records']:,} records"
        elif self.option("all_statuses") is not False:
            why_not = f"{self.name}: the sweep was with --all, so its file should have every target"
        elif timed_out and not time_out_is_negative:
            why_not = f"{self.name}: {timed_out!s} targets timed out, which could be these (--time-out-is-gone)"
        else:
            return Absence(negative=True)
        return Absence(negative=False, why_not=why_not)


def require_no_records(raw: bytes, name: str) -> None:
    """Refuse records where a summary is wanted.

    Raises:
        InputError: for records.
    """
    if SCHEMA.encode() in raw[:_START_BYTES]:
        raise InputError(f"{name}: is not a summary, but the records of a sweep: name its summary (sweep --summary)")


def refusals(before: SweepSummary, after: SweepSummary, facts: tuple[FileFacts, FileFacts]) -> Iterator[str]:
    """Yield why two sweeps must not be compared."""
    for summary, file in zip((before, after), facts, strict=True):
        if file.scans and summary.value("scan_id") not in file.scans:
            yield f"{summary.name}: is the summary of another sweep than {file.name}"
    if before.value("shard") != after.value("shard"):
        yield f"the sweeps are of different shards ({before.value('shard')!s} and {after.value('shard')!s})"
    if same_targets(before, after) is False:
        yield "the sweeps are of different targets, exclusions or ports"


def same_targets(before: SweepSummary, after: SweepSummary) -> bool | None:
    """Tell whether two sweeps were of the same targets and ports; None when that cannot be known.

    `digest` names the order, too: with another seed it differs for the same targets. `targets_digest`, where a summary
    has it, names the targets alone.
    """
    ours, theirs = before.value("targets_digest"), after.value("targets_digest")
    if ours is not None and theirs is not None:
        return bool(ours == theirs)
    if before.value("digest") == after.value("digest"):
        return True
    for name in ("ports", "samples"):
        if before.option(name) != after.option(name):
            return None if name == "samples" else False
    if (before.value("planned"), before.value("excluded")) != (after.value("planned"), after.value("excluded")):
        return False
    return None if before.value("seed") != after.value("seed") else False


def warnings(before: SweepSummary, after: SweepSummary) -> Iterator[str]:
    """Yield the differences between two sweeps of the same targets that may look like changes of the targets."""
    if before.value("version") != after.value("version"):
        yield f"made by different versions of smtpsweep ({before.value('version')!s} and {after.value('version')!s})"
    for name in _TELLING_OPTIONS:
        ours, theirs = before.option(name), after.option(name)
        if ours != theirs:
            yield f"the sweeps had different options: {name} {ours!s} and {theirs!s}"
    if same_targets(before, after) is None:
        yield "whether both sweeps had the same targets cannot be told: sweep with the same --seed to know"


def record_warnings(before: FileFacts, after: FileFacts) -> Iterator[str]:
    """Yield the reasons against a comparison that the records alone show."""
    if before.records and after.records and (before.with_dialogue > 0) != (after.with_dialogue > 0):
        which = before if before.with_dialogue else after
        yield f"only {which.name} has dialogues: only greetings are compared"
    for one, other in ((before, after), (after, before)):
        if other.records and (extra := sorted(one.ports - other.ports)):
            named = ", ".join(map(str, extra[:_MOST_NAMED])) + (" ..." if len(extra) > _MOST_NAMED else "")
            yield f"only {one.name} has records of port {named}"
    if before.first_at is not None and after.last_at is not None and before.first_at > after.last_at:
        yield f"{before.name} was made after {after.name}: name the earlier sweep first"
    for facts in (before, after):
        if facts.unplaced:
            yield f"{facts.name}: {facts.unplaced:,} records without address or port were left out"
