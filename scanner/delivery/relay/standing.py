"""How far each sink of a run is, according to the disk, and the message to people about it.

The cursor tells what is settled, the dead letters and gaps what of that was not delivered, and the index of the spool
how many records come after the cursor (without the notes about the run itself). The last report of the relay process is
not used: the process may have been killed, and the disk is what `replay` will find.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.alarms import records
from scanner.delivery.spool import Cursor, Known, RunFolder, read_cursor
from scanner.errors import StateError


class SinkStanding(NamedTuple):
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
) -> SinkStanding:
    """Return how far a sink is.

    Args:
        folder: of the run.
        run: its id.
        sink: `name`, `shown` and `policy`, as in the description of the run.
        known: what the spool holds.
        trouble: why the sink takes nothing now, if that is known.
    """
    try:
        cursor = read_cursor(folder.cursor(sink["name"]), run)
    except StateError as error:
        cursor, trouble = Cursor(run), str(error)
    waiting = known.records(cursor.sequence, known.last)
    reason = dead_letters.first_reason(folder.dead_letters(sink["name"])) if cursor.dead else None
    if reason is None and waiting:
        reason = trouble or "the sweep did not wait for it any longer"
    if reason is None and cursor.skipped:
        reason = "it was more than max_lag records behind"
    counts = (cursor.delivered, cursor.dead, cursor.skipped, cursor.duplicates, waiting)
    return SinkStanding(sink["name"], sink["shown"], sink["policy"], *counts, reason)


def explained(
    standings: Iterable[SinkStanding], folder: RunFolder, known: Known, urls: Mapping[str, str] | None = None
) -> str:
    """Return one line about the sinks that lack records, and what to do; "" when every sink has everything.

    `urls` has the URLs of those that are not sinks of the run, by name: a command must name them by URL.
    """
    kept, named = known.records(known.removed, known.last), urls or {}
    said = [_explained(one, folder, kept, named.get(one.name)) for one in standings if not one.has_everything]
    if known.trouble:
        said.append(f"{folder.path}: {known.trouble[0]}: delivery cannot be verified")
    return "; ".join(said)


def _explained(one: SinkStanding, folder: RunFolder, kept: int, url: str | None) -> str:
    sink = ("--sink", url or one.name)
    parts: list[str] = []
    if one.waiting:
        why = "" if one.dead else f" ({one.reason})"
        again = command(folder, *(sink if url else ()))
        lacks = f"sink {one.name} lacks {records(one.waiting)}{why}"
        if kept >= one.waiting:
            parts.append(f"{lacks}: they are kept: {again} delivers them")
        elif kept:
            parts.append(f"{lacks}: {records(kept)} of them are kept: {again} delivers those")
        else:
            parts.append(f"{lacks}: none of them is kept any more")
    if one.dead:
        parts.append(
            f"sink {one.name}: {records(one.dead)} not delivered (the first: {one.reason}): "
            f"{folder.dead_letters(one.name)} says why: {command(folder, *sink, '--dead-letters')} sends them again"
        )
    if one.skipped:
        file = folder.gaps(one.name)
        again = command(folder, *sink, "--from", str(gaps.first_number(file)))
        parts.append(
            f"sink {one.name}: {records(one.skipped)} skipped (best effort): {file} says which: {again} sends them, "
            f"as far as they are still there"
        )
    return "; ".join(parts)


def command(folder: RunFolder, *options: str) -> str:
    """Return the command that delivers the remaining records of a run, to be pasted into a shell."""
    path = str(folder.path)
    return shlex.join(["smtpsweep", "replay", f"./{path}" if path.startswith("-") else path, *options])
