"""How far each sink of a run is, according to the disk, and the message to people about it.

The cursor tells what is settled, the dead letters and gaps what of that was not delivered, and the index of the spool
how many records come after the cursor (without the notes about the run itself). The last report of the relay process is
not used: the process may have been killed, and the disk is what `replay` will find.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.alarms import records
from scanner.delivery.spool import Cursor, Known, RunFolder, read_cursor
from scanner.errors import StateError


class SinkState(NamedTuple):
    """One sink of a run. Counts are of records; `url` has no secrets.

    `reason` is that of the first dead letter, else why the sink takes nothing now; None when there is neither.
    """

    name: str
    url: str
    policy: str
    delivered: int
    dead: int
    skipped: int
    duplicates: int
    waiting: int
    reason: str | None

    @property
    def has_everything(self) -> bool:
        """Whether every record is acknowledged."""
        return not (self.dead or self.skipped or self.waiting)


def standing_of(
    folder: RunFolder, run: str, sink: Mapping[str, str], known: Known, trouble: str | None = None
) -> SinkState:
    """Return how far a sink is.

    Args:
        folder: of the run.
        run: its id.
        sink: `name`, `shown` and `policy`, as in the description of the run.
        known: what the spool holds.
        trouble: why the sink takes nothing now, if that is known.
    """
    try:
        cursor = read_cursor(folder.sinks / f"{sink['name']}.cursor", run)
    except StateError as error:
        cursor, trouble = Cursor(run), str(error)
    waiting = known.records(cursor.sequence, known.last)
    reason = dead_letters.first_reason(folder.sinks / f"{sink['name']}.dead.jsonl") if cursor.dead else None
    if reason is None and waiting:
        reason = trouble or "it was not waited for any longer"
    if reason is None and cursor.skipped:
        reason = "it was more than max_lag records behind"
    counts = (cursor.delivered, cursor.dead, cursor.skipped, cursor.duplicates, waiting)
    return SinkState(sink["name"], sink["shown"], sink["policy"], *counts, reason)


def explained(
    standings: Iterable[SinkState], folder: RunFolder, known: Known, urls: Mapping[str, str] | None = None
) -> str:
    """Return one line about the sinks that lack records, and what to do; "" when every sink has everything.

    `urls` has the URLs of those that are not sinks of the run, by name: a command must name them by URL.
    """
    kept, named = known.records(known.removed, known.last), urls or {}
    said = [_explained(one, folder, kept, named.get(one.name)) for one in standings if not one.has_everything]
    if known.trouble:
        said.append(f"{folder.path}: {known.trouble[0]}: delivery cannot be verified")
    return "; ".join(said)


def _explained(one: SinkState, folder: RunFolder, kept: int, url: str | None) -> str:
    beside, sink = folder.sinks / one.name, ("--sink", url or one.name)
    parts: list[str] = []
    if one.waiting:
        why = "" if one.dead else f" ({one.reason})"
        again = command(folder, *(sink if url else ()))
        lacks = f"sink {one.name} has not got {records(one.waiting)}{why}"
        if kept >= one.waiting:
            parts.append(f"{lacks}: they are kept: {again} delivers them")
        elif kept:
            parts.append(f"{lacks}: {records(kept)} of them are kept: {again} delivers those")
        else:
            parts.append(f"{lacks}: none of them is kept any more")
    if one.dead:
        parts.append(
            f"sink {one.name}: {records(one.dead)} not delivered (the first: {one.reason}): {beside}.dead.jsonl says "
            f"why: {command(folder, *sink, '--dead-letters')} sends them again"
        )
    if one.skipped:
        first = gaps.first_number(folder.sinks / f"{one.name}.gaps.jsonl")
        parts.append(
            f"sink {one.name}: {records(one.skipped)} skipped (best effort): {beside}.gaps.jsonl says which: "
            f"{command(folder, *sink, '--from', str(first))} sends them, as far as they are still there"
        )
    return "; ".join(parts)


def command(folder: RunFolder, *options: str) -> str:
    """Return the command that delivers the remaining records of a run, to be pasted into a shell."""
    path = str(folder.path)
    return shlex.join(["smtpsweep", "replay", f"./{path}" if path.startswith("-") else path, *options])


def documents(standings: Sequence[SinkState]) -> list[dict[str, Any]]:
    """Return sinks in the form of the summary."""
    return [one._asdict() for one in standings]
