"""A batch of records from the spool: its events for the receiver, and dead letters for the rest.

Every record that was read is delivered in the end, or there is a dead letter for it. A dead letter has one of three
causes: the receiver refused an event of the record; the format could not encode the record (a bug of ours, or a record
of a later version); or the spool does not hold the record any more (`Lost`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson

from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.settling import RefusedForGood
from scanner.delivery.spool.index import Known
from scanner.delivery.spool.reader import Lost, SpoolRecord
from scanner.formats.event import Event, Format

if TYPE_CHECKING:
    import asyncio


class Settled(NamedTuple):
    """What happened to the records of a batch up to number `last`, in records."""

    last: int
    delivered: int
    dead: int
    skipped: int


@dataclass(slots=True)
class Batch:
    """One batch in progress. `last` is the number of its last record, `begun` when it was read (monotonic seconds).

    A whole segment may begin before the cursor (`replay --from`): records up to number `after` were counted before, and
    are not counted again. Records up to number `front` are settled, even while the others are in progress. `skipped`
    counts records that are left out for best effort.
    """

    last: int
    begun: float
    after: int = 0
    skipped: int = 0
    front: int = 0
    events: list[Event] = field(default_factory=list)
    lines: dict[int, bytes] = field(default_factory=dict)  # by number, of the records with events
    task: "asyncio.Task[None] | None" = None
    _letters: list[DeadLetter] = field(default_factory=list)
    _refused: set[int] = field(default_factory=set)  # numbers of records with a refused event
    _kept: int = 0  # letters that were handed out
    _taken: int = 0  # records up to this number were handed out as settled
    _is_done: bool = False

    def take_settled(self) -> "Settled | None":
        """Return what is settled at the front and was not returned before; None when there is nothing new."""
        last = self.last if self.task is None else self.front
        is_done = self.task is None and not self._is_done
        if last <= self._taken and not is_done:
            return None
        numbers = [number for number in self.lines if self._taken < number <= last and number > self.after]
        refused = self._refused.intersection(numbers)
        lost = sum(
            letter.records
            for letter in self._letters
            if self._taken < letter.sequence <= last and letter.sequence not in self._refused
        )
        self._taken, self._is_done = last, is_done
        skipped = self.skipped if is_done else 0
        return Settled(last, len(numbers) - len(refused), len(refused) + lost, skipped)

    def add(self, entry: SpoolRecord, events: Sequence[Event]) -> None:
        """Take a record with its events."""
        self.events += [event._replace(sequence=entry.sequence) for event in events]
        if events:
            self.lines[entry.sequence] = entry.line

    def refuse(self, refused: Sequence[RefusedForGood]) -> None:
        """Make dead letters of events that the receiver will never take."""
        for one in refused:
            number = one.event.sequence
            if number > self.after:
                self._refused.add(number)
                self._letters.append(DeadLetter(number, one.event.id, one.reason, self.lines[number]))

    def lose(self, letter: DeadLetter) -> None:
        """Take a dead letter for a record that cannot be sent at all."""
        if letter.sequence > self.after:
            self._letters.append(letter)

    def new_letters(self) -> list[DeadLetter]:
        """Return the dead letters that were not returned before, in the order of their numbers."""
        new, self._kept = self._letters[self._kept :], len(self._letters)
        return sorted(new, key=lambda letter: letter.sequence)


def make_batch(
    entries: Sequence[SpoolRecord | Lost], format_: Format, after: int, begun: float, known: Callable[[], Known] = Known
) -> Batch:
    """Make a batch of what was read: encode each record as events.

    Args:
        entries: at least one.
        format_: the format of the events.
        after: the cursor: records up to it were counted by an earlier attempt.
        begun: when it was read, in monotonic seconds.
        known: returns which of the lost numbers were records, and not notes of the run; called for each loss.
    """
    batch = Batch(entries[-1].sequence, begun, after)
    for entry in entries:
        if isinstance(entry, Lost):
            letter = _lost(entry, known())
            if letter.records:
                batch.lose(letter)
            continue
        try:
            events = list(format_.events(orjson.loads(entry.line), entry.line))
        except Exception as error:  # noqa: BLE001  no error of a format may keep the other records from the receiver
            reason = f"cannot be written as {format_.name}: {type(error).__name__}"
            batch.lose(DeadLetter(entry.sequence, "", reason, entry.line))
        else:
            batch.add(entry, events)
    return batch


def parts(events: Sequence[Event], max_events: int, max_bytes: int) -> list[list[Event]]:
    """Cut events into batches within the limits; an event that is larger alone is a batch of its own."""
    cut: list[list[Event]] = []
    size = 0
    for event in events:
        if not cut or len(cut[-1]) >= max_events or size + len(event.body) > max_bytes:
            cut.append([])
            size = 0
        cut[-1].append(event)
        size += len(event.body)
    return cut


def _lost(entry: Lost, known: Known) -> DeadLetter:
    count = known.records(entry.first - 1, entry.sequence)
    some = None if count == entry.sequence - entry.first + 1 else count
    if entry.reason == "damaged":
        return DeadLetter(entry.first, "", "damaged in the log of the run", None, damaged=entry.text, known=some)
    return DeadLetter(entry.first, "", "missing in the log of the run", None, last=entry.sequence, known=some)
