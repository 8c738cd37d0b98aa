"""Deliver the records of a run after the sweep: those that a receiver lacks, all from a number on, or its dead letters.

How far the spool must reach is the highest number in its index, the cursors and the sweep's state. So a spool that was
shortened or damaged delivers what it still holds, and each missing number becomes a dead letter.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path
from typing import NamedTuple

import orjson

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay import run as runs
from scanner.delivery.relay.batch import parts
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.destination import Destination, make_destination
from scanner.delivery.relay.relay import Relay
from scanner.delivery.relay.settling import RefusedForGood, Settling
from scanner.delivery.relay.standing import SinkStanding, explained, standing_of
from scanner.delivery.relay.statistics import OverflowPolicy, RelayStatistics
from scanner.delivery.relay.undelivered import Undelivered
from scanner.delivery.spool import Known, RunFolder, furthest, last_record, read_cursor, read_known, write_cursor
from scanner.errors import InputError, SinkError, SmtpsweepError
from scanner.formats import Event
from scanner.timeouts import patience

#: Seconds between two checks of progress.
_CHECK_EVERY_S = 0.5


class Replayed(NamedTuple):
    """The result: how many records were delivered now, refused for good now, and are left, and why."""

    delivered: int
    dead: int
    left: int
    trouble: str | None


class StoredRun:
    """A run on the disk that no sweep writes any more."""

    def __init__(self, folder: RunFolder, at_least: int = 0) -> None:
        """Read its description and index; `at_least` is how far its spool reached according to the sweep's state.

        Raises:
            InputError: when it is not a run, or cannot be read.
        """
        self.folder = folder
        self._description = folder.description()
        self.run = str(self._description["run"])
        if not self._sinks and not self.is_being_removed:
            raise InputError(f"{folder.path / 'run.json'}: is damaged: the run has no sinks")
        try:
            self.known: Known = read_known(folder, self.run)
            reached = (at_least, furthest(folder.sinks, self.run), last_record(folder, self.run))
        except OSError as error:
            raise InputError(f"{folder.path}: cannot be read ({error.strerror})") from None
        self.known.last = max(self.known.last, *reached)
        if not self.known.last:  # every spool begins with a note: without it, nothing can be verified
            self.known.take({"trouble": "the log holds nothing"})

    @property
    def names(self) -> list[str]:
        """The names of its sinks."""
        return [one["name"] for one in self._sinks]

    @property
    def is_being_removed(self) -> bool:
        """Whether every sink has everything, and its removal was begun and interrupted."""
        return bool(self._description.get("removing"))

    def destination(self, sink: str) -> Destination:
        """Return the sink of this run with a name or URL, or the destination of another URL.

        A URL that is not one of the run's is a new sink: it never gets the name, and so the cursor, of another one.

        Raises:
            InputError: when the run has no sink of that name, or it cannot be used.
        """
        urls = [one["url"] for one in self._sinks]
        if "://" in sink and sink not in urls:
            return make_destination(sink, hashlib.sha256(sink.encode()).hexdigest()[:12], is_unique=True)
        if sink not in (*self.names, *urls):
            raise InputError(f"--sink {sink!a}: is not a sink of this run: it has {', '.join(self.names)}; or a URL")
        number = urls.index(sink) if sink in urls else self.names.index(sink)
        return make_destination(urls[number], number + 1)

    def standing(self, destination: Destination, trouble: str | None = None) -> SinkStanding:
        """Return how far a destination is."""
        sink = {"name": destination.name, "shown": destination.shown, "policy": destination.policy.value}
        return standing_of(self.folder, self.run, sink, self.known, trouble)

    def standings(self) -> list[SinkStanding]:
        """Return how far every sink of the run is."""
        return [standing_of(self.folder, self.run, sink, self.known) for sink in self._sinks]

    def explained(self, standings: list[SinkStanding], others: Iterable[Destination] = ()) -> str:
        """Return one line about what sinks lack, "" when nothing; `others` are served and not sinks of the run."""
        urls = {one.name: one.redaction.clean(one.url) for one in others}
        return explained(standings, self.folder, self.known, urls)

    def discard(self) -> str:
        """Remove the records of a run whose sinks have everything; return what was done, for people.

        While the state file of the sweep exists, the sweep can be resumed and needs to find the run.
        """
        state, path = self._description.get("state"), self.folder.path
        try:
            if state is not None and Path(state).exists():
                runs.strip(self.folder, self.run, self.known.last)
                return (
                    f"every sink has everything: the records are removed from {path}, which stays for --state {state}"
                )
            left = runs.remove(self.folder)
        except SmtpsweepError as error:
            return f"every sink has everything, but the log of the run stays: {error}"
        return f"every sink has everything: the log of the run is removed{f', but not {left[0]!a}' if left else ''}"

    @property
    def _sinks(self) -> list[dict[str, str]]:
        sinks: list[dict[str, str]] = self._description["sinks"]
        return sinks


def state_of(folder: RunFolder) -> tuple[str, Path | None]:
    """Return the id of a run, and the state file of its sweep, None when it had none.

    Raises:
        InputError: when the folder is not that of a run.
    """
    description = folder.description()
    state = description.get("state")
    return str(description["run"]), None if state is None else Path(state)


async def replay(
    stored: StoredRun,
    destination: Destination,
    *,
    first: int | None,
    patience_s: float,
    on_progress: Callable[[RelayStatistics], None],
) -> Replayed:
    """Deliver the records of a run to one destination, from its cursor on.

    Args:
        stored: the run.
        destination: the sink to serve.
        first: begin with this record, even if it was delivered; None: with the first that is not acknowledged.
        patience_s: give up after this many seconds without an acknowledgement.
        on_progress: called about every half second.

    Raises:
        InputError: when another process serves the run, or the destination can never work.
        StateError: when the cursor is damaged.
        SinkError: when cursor or dead letters cannot be written.
    """
    folder, run, last = stored.folder, stored.run, stored.known.last
    with folder.locked("relay"):
        if first is not None:
            _rewind(stored, destination.name, first)
        before = read_cursor(folder.cursor(destination.name), run)
        # There is no sweep to keep up with, so nothing is skipped.
        relay = with_changes(destination, policy=OverflowPolicy.SPOOL).relay(folder, run, lambda: None)
        relay.durable(last)
        relay.finish()
        await _run_patiently(relay, patience_s, on_progress)
    after = relay.statistics()
    left = stored.known.records(after.sequence, last)
    return Replayed(after.delivered - before.delivered, after.dead - before.dead, left, after.trouble)


async def replay_dead_letters(stored: StoredRun, destination: Destination, *, patience_s: float) -> Replayed:
    """Send the dead letters of a destination again; those that it takes now are removed from the file.

    Raises:
        InputError: when another process serves the run, or the file is damaged.
        SinkError: when the file cannot be written.
    """
    folder = stored.folder
    file = folder.dead_letters(destination.name)
    with folder.locked("relay"):
        letters = list({(one.event_id, one.sequence): one for one in dead_letters.read(file)}.values())
        events = [event for letter in letters for event in _events(destination, letter)]
        refused: dict[str, str] = {}
        trouble: list[str] = []
        settling = Settling(destination.receiver, Breaker(), lambda _, reason: trouble.append(reason))
        sent: set[str] = set()
        is_in_time = True

        async def note(batch: list[Event], again: list[RefusedForGood], rest: Event | None) -> None:
            refused.update({one.event.id: one.reason for one in again})
            sent.update(event.id for event in (batch if rest is None else batch[: batch.index(rest)]))
            limit.renew()

        try:
            async with patience(patience_s) as limit:
                await settling.open(stored.run)
                limits = destination.receiver.limits
                for batch in parts(events, limits.max_events, limits.max_bytes):
                    await settling.settle(batch, partial(note, batch))
        except TimeoutError:
            is_in_time = False
        finally:
            with contextlib.suppress(Exception):  # a bug in a receiver: what it has confirmed counts
                await destination.receiver.close()
        unread = getattr(destination.receiver, "unconfirmed_from", None)
        if unread is not None:  # it is not known whether these were read: they stay
            sent -= {event.id for event in events if event.sequence >= unread}
        left = _still_dead(destination, letters, sent - refused.keys(), refused)
        delivered = _keep_dead(stored, destination.name, file, left)
    dead = dead_letters.count(left)
    why = None if is_in_time else next((one for one in reversed(trouble) if one), "the receiver did not answer in time")
    return Replayed(delivered, dead if is_in_time else 0, 0 if is_in_time else dead, why)


def _rewind(stored: StoredRun, name: str, first: int) -> None:
    """Move the cursor of a sink back to a record; its dead letters and gaps from there on are sent again, too."""
    known, folder = stored.known, stored.folder
    if not 1 <= first <= known.last + 1:
        raise InputError(f"--from {first}: the run has records 1 to {known.last}")
    if first <= known.removed:
        raise InputError(
            f"--from {first}: records up to {known.removed} were removed when every sink had them: begin with "
            f"{known.removed + 1}"
        )
    file, undelivered = folder.cursor(name), Undelivered.of(folder, name)
    cursor = read_cursor(file, stored.run)
    dead = dead_letters.count(dead_letters.cut(dead_letters.read(undelivered.dead), first)) if cursor.dead else 0
    skipped = gaps.records_before(undelivered.gaps, first) if cursor.skipped else 0
    try:
        write_cursor(file, cursor._replace(sequence=first - 1, dead=dead, skipped=skipped))
        if cursor.dead or cursor.skipped:
            undelivered.forget_from(first)
    except OSError as error:
        raise SinkError(f"{folder.path}: {name}: cannot be written ({error.strerror})") from error


def _still_dead(
    destination: Destination, letters: list[DeadLetter], taken: set[str], refused: dict[str, str]
) -> list[DeadLetter]:
    """Return the letters of which an event is still not taken, with the newest reason."""
    left = []
    for letter in letters:
        ids = [event.id for event in _events(destination, letter)]
        if not ids or not taken.issuperset(ids):
            reason = next((refused[id_] for id_ in ids if id_ in refused), letter.reason)
            left.append(letter._replace(reason=reason))
    return left


def _keep_dead(stored: StoredRun, name: str, file: Path, left: list[DeadLetter]) -> int:
    """Keep the remaining letters, and count the others as delivered; return how many records those are."""
    cursor_file = stored.folder.cursor(name)
    cursor = read_cursor(cursor_file, stored.run)
    dead = dead_letters.count(left)
    delivered = max(0, cursor.dead - dead)
    try:
        dead_letters.replace(file, left)
        write_cursor(cursor_file, cursor._replace(dead=dead, delivered=cursor.delivered + delivered))
    except OSError as error:
        raise SinkError(f"{file}: cannot be written ({error.strerror})") from error
    return delivered


async def _run_patiently(relay: Relay, patience_s: float, on_progress: Callable[[RelayStatistics], None]) -> None:
    """Run a relay until it is done, or until it has made no progress for `patience_s`."""
    running = asyncio.create_task(relay.run())
    reached, waited_s = (-1, -1), 0.0
    while not running.done() and waited_s < patience_s:
        await asyncio.wait([running], timeout=min(_CHECK_EVERY_S, patience_s - waited_s))
        now = relay.statistics()
        waited_s = 0.0 if (now.sequence, now.answers) > reached else waited_s + _CHECK_EVERY_S
        reached = now.sequence, now.answers
        on_progress(now)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _events(destination: Destination, letter: DeadLetter) -> list[Event]:
    """Make the refused event of a letter again, or all events of one without an event id; none when that fails."""
    if letter.line is None:
        return []
    try:
        made = list(destination.format.events(orjson.loads(letter.line), letter.line))
    except Exception:  # noqa: BLE001  any error of a format: the letter stays
        return []
    return [
        event._replace(sequence=letter.sequence) for event in made if not letter.event_id or event.id == letter.event_id
    ]
