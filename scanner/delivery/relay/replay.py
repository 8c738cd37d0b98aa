"""Deliver the records of a run after the sweep: those that a receiver lacks, all from a number on, or its dead letters.

A spool that was shortened or damaged delivers what it still holds; each missing number becomes a dead letter.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path
from typing import NamedTuple

import orjson

from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.batch import parts
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.relay import Relay
from scanner.delivery.relay.settling import RefusedForGood, Settling
from scanner.delivery.relay.statistics import OverflowPolicy, RelayStatistics
from scanner.delivery.relay.stored_run import StoredRun
from scanner.delivery.relay.undelivered import Undelivered
from scanner.delivery.spool import read_cursor, write_cursor
from scanner.errors import InputError, SinkError
from scanner.formats import Event
from scanner.timeouts import Limit, patience

#: Seconds between two checks of progress.
_CHECK_EVERY_S = 0.5


class Replayed(NamedTuple):
    """The result: how many records were delivered now, refused for good now, and are left, and why."""

    delivered: int
    dead: int
    left: int
    trouble: str | None


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
    file = stored.folder.dead_letters(destination.name)
    with stored.folder.locked("relay"):
        letters = list({(one.event_id, one.sequence): one for one in dead_letters.read(file)}.values())
        resending = _Resending(destination, letters)
        is_in_time = await resending.run(stored.run, patience_s)
        return _kept(stored, destination.name, resending, is_in_time=is_in_time)


def _kept(stored: StoredRun, name: str, resending: "_Resending", *, is_in_time: bool) -> Replayed:
    """Keep the letters that are still dead, and return the counts."""
    left = resending.still_dead()
    delivered = _keep_dead(stored, name, stored.folder.dead_letters(name), left)
    dead = dead_letters.count(left)
    if is_in_time:
        return Replayed(delivered, dead, 0, None)
    return Replayed(delivered, 0, dead, resending.trouble or "the receiver did not answer in time")


class _Resending:
    """One attempt to send dead letters again."""

    def __init__(self, destination: Destination, letters: list[DeadLetter]) -> None:
        self._destination, self._letters = destination, letters
        self._events = [event for letter in letters for event in _events(destination, letter)]
        self._sent: set[str] = set()  # ids of events that were answered: taken or refused
        self._refused: dict[str, str] = {}  # event id -> reason
        self.trouble = ""  # why the receiver took nothing, most recently

    async def run(self, run: str, patience_s: float) -> bool:
        """Send everything; return False when the receiver made no progress for `patience_s`."""
        receiver = self._destination.receiver
        settling = Settling(receiver, Breaker(), self._on_trouble)
        try:
            async with patience(patience_s) as limit:
                await settling.open(run)
                for batch in parts(self._events, receiver.limits.max_events, receiver.limits.max_bytes):
                    await settling.settle(batch, partial(self._note, limit, batch))
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(Exception):  # a bug in a receiver: what it has confirmed counts
                await receiver.close()
        return True

    def still_dead(self) -> list[DeadLetter]:
        """Return the letters of which an event is still not taken, with the newest reason."""
        taken = self._sent - self._refused.keys()
        unread = getattr(self._destination.receiver, "unconfirmed_from", None)
        if unread is not None:  # it is not known whether these were read: they stay
            taken -= {event.id for event in self._events if event.sequence >= unread}
        left = []
        for letter in self._letters:
            ids = [event.id for event in _events(self._destination, letter)]
            if not ids or not taken.issuperset(ids):
                reason = next((self._refused[id_] for id_ in ids if id_ in self._refused), letter.reason)
                left.append(letter._replace(reason=reason))
        return left

    async def _note(self, limit: Limit, batch: list[Event], again: list[RefusedForGood], rest: Event | None) -> None:
        self._refused.update({one.event.id: one.reason for one in again})
        self._sent.update(event.id for event in (batch if rest is None else batch[: batch.index(rest)]))
        limit.renew()

    def _on_trouble(self, _kind: str, reason: str) -> None:
        self.trouble = reason or self.trouble


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
