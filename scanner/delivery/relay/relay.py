"""A relay serves one receiver from the spool: it reads batches, sends them, and moves a cursor behind them.

    spool --read--> format --events--> batch --settle--> receiver
                                         |                  |
            dead letters (refused, or lost before)     cursor (everything up to here is done)

Batches are begun in order, and up to `in_flight` of them are in progress. The cursor follows the oldest batch that is
not settled, so it never passes a record that might be lost. When a batch is settled in parts, those at its front count
at once. The cursor is written at most every `CURSOR_EVERY_S`, and always at the end: a crash repeats what was
acknowledged in that interval, with the same event ids (`relay.progress`).

A record that never reaches the receiver becomes a dead letter with its number and a reason: the receiver refused it,
the format cannot encode it, or the spool does not hold it any more. The other records go on (`relay.batch`).

Memory holds only the batches in progress. A receiver that is down makes its own relay wait and no other.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.relay import dead_letters, gaps
from scanner.delivery.relay.batch import Batch, make_batch, parts
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.relay.progress import RelayCursor
from scanner.delivery.relay.settling import RefusedForGood, Settling
from scanner.delivery.relay.statistics import OverflowPolicy, RelayState, RelayStatistics
from scanner.delivery.relay.undelivered import Undelivered
from scanner.delivery.spool.cursor import Cursor
from scanner.delivery.spool.folder import RunFolder
from scanner.delivery.spool.index import read_known
from scanner.delivery.spool.reader import SpoolReader
from scanner.errors import SinkError
from scanner.formats.event import Event, Format

log = logging.getLogger(__name__)

CURSOR_EVERY_S = 0.2


@dataclass(slots=True)
class _Log:
    """How far the spool reaches, and whether it still grows."""

    last: int = 0
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Relay:
    """Serves one receiver; `run` is its one task, `durable` and `finish` tell it about the spool."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        format_: Format,
        folder: RunFolder,
        run: str,
        *,
        policy: OverflowPolicy = OverflowPolicy.SPOOL,
        max_lag: int = 100_000,
        on_progress: Callable[[], None] = lambda: None,
        breaker: Breaker | None = None,
    ) -> None:
        """Prepare.

        Args:
            name: the name of the sink, and of its cursor and dead letters.
            receiver: the destination.
            format_: the format of the events.
            folder: the run.
            run: its scan id; a cursor of another run is refused.
            policy: what to do when the receiver does not keep up.
            max_lag: in records, for the policies that have a bound.
            on_progress: called when the cursor has moved.
            breaker: decides when to retry; None: one of its own.

        Raises:
            StateError: when the cursor is damaged or belongs to another run.
        """
        self.name, self.policy = name, policy
        self._receiver, self._format, self._folder = receiver, format_, folder
        self._max_lag, self._on_progress = max_lag, on_progress
        self._files = Undelivered.of(folder, name)
        self._progress = RelayCursor(folder.cursor(name), run, receiver)
        self._sent = self._cursor.sequence
        self._duplicates_before = self._cursor.duplicates  # of earlier relays of this run
        self._log = _Log(self._cursor.sequence)
        self._breaker = breaker or Breaker()
        self._settling = Settling(receiver, self._breaker, self._on_trouble)
        self._under_way: deque[Batch] = deque()
        self._settled = asyncio.Event()
        self._reader: SpoolReader | None = None
        self._state, self._trouble = RelayState.STARTING, ""
        self._reason = dead_letters.first_reason(self._files.dead) if self._cursor.dead else None

    @property
    def _cursor(self) -> Cursor:
        return self._progress.now

    @property
    def needs_after(self) -> int:
        """The spool may remove records up to this number: they are done, according to the cursor on the disk.

        For best effort, records may also be removed once they are read or too far behind, or while the receiver is in
        trouble; those that are gone are then skipped. Records that were sent and cannot be confirmed yet (see
        `relay.progress`) may be removed, too, since they may be more than the quota of the spool. If they prove
        unread and are gone, they are counted as missing.
        """
        if self.policy is not OverflowPolicy.BEST_EFFORT:
            return self._sent
        read = self._sent if self._reader is None else self._reader.next - 1
        return self._log.last if self._trouble else max(read, self._log.last - self._max_lag)

    def durable(self, last: int) -> None:
        """Take how far the spool is on the disk: the number of its last record."""
        self._log.last = max(self._log.last, last)
        self._log.changed.set()

    def finish(self) -> None:
        """Take that the spool has ended: `run` delivers the rest and returns."""
        self._log.ended = True
        self._log.changed.set()

    def statistics(self) -> RelayStatistics:
        """Return the counts of this moment."""
        oldest = self._under_way[0].begun if self._under_way else None
        return RelayStatistics(
            name=self.name,
            state=self._state,
            policy=self.policy,
            sequence=self._cursor.sequence,
            last=self._log.last,
            delivered=self._cursor.delivered,
            dead=self._cursor.dead,
            skipped=self._cursor.skipped,
            duplicates=self._cursor.duplicates,
            in_flight=len(self._under_way),
            answers=self._settling.answers,
            retries=dict(self._settling.retries),
            breaker=self._breaker.state,
            oldest_s=None if oldest is None else round(time.monotonic() - oldest, 3),
            trouble=self._trouble or None,
            reason=self._reason,
        )

    async def run(self) -> None:
        """Deliver until the spool has ended and everything is done; cancelling stops it earlier and loses nothing.

        Raises:
            InputError: when the receiver can never work as asked for.
            SinkError: when the spool cannot be read, or the cursor or dead letters cannot be written.
        """
        try:
            await self._serve()
        except BaseExceptionGroup as group:  # from the one task group inside: its first error is the cause
            raise self._known(group.exceptions[0]) from None
        except OSError as error:
            raise self._known(error) from error

    async def _serve(self) -> None:
        try:
            self._files.tidy(self._cursor.sequence)
            await self._settling.open(self._cursor.run)
            self._state = RelayState.DELIVERING
            with SpoolReader(self._folder, self._cursor.sequence, self._cursor.run) as self._reader:
                await self._deliver(self._reader)
        finally:
            await self._end()

    async def _deliver(self, reader: SpoolReader) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._advance()
                self._skip(reader)
                if len(self._under_way) >= self._receiver.limits.in_flight:
                    await self._wait(self._settled)
                elif batch := await self._next_batch(reader):
                    self._under_way.append(batch)
                    batch.task = group.create_task(self._settle(batch))
                elif self._under_way:
                    await self._wait(self._settled, self._log.changed)
                elif self._log.ended:
                    return
                else:
                    self._state = RelayState.WAITING
                    await self._wait(self._log.changed)

    async def _next_batch(self, reader: SpoolReader) -> Batch | None:
        """Read and format the next batch; None when there is nothing more for now."""
        limits, first = self._receiver.limits, reader.next
        missing = self._log.last - first + 1
        if missing <= 0:
            return None
        if limits.whole_segments:
            entries = reader.read_segment(self._log.last, ended=self._log.ended)
        else:
            if missing < limits.max_events and not self._log.ended and limits.linger_s:
                await asyncio.sleep(limits.linger_s)
            entries = reader.read(self._log.last, max_records=limits.max_events, max_bytes=limits.max_bytes)
        if self.policy is OverflowPolicy.BEST_EFFORT and gaps.cut_given_back(entries, self._folder):
            reader.skip_to(entries[-1].sequence + 1 if entries else first)
            if not entries:
                self._skip(reader)
                return await self._next_batch(reader)
        if not entries:
            return None
        known = partial(read_known, self._folder, self._cursor.run)
        batch = make_batch(entries, self._format, self._cursor.sequence, time.monotonic(), known)
        if self._state is RelayState.WAITING:
            self._state = RelayState.DELIVERING
        return batch

    async def _settle(self, batch: Batch) -> None:
        limits = self._receiver.limits
        if limits.whole_segments:
            pieces = [batch.events] if batch.events else []  # lines about the run alone are no object
        else:
            pieces = parts(batch.events, limits.max_events, limits.max_bytes)
        await self._note(batch, [], None)  # records that the spool has lost
        firsts = [*(piece[0] for piece in pieces), None]
        for piece, following in zip(pieces, firsts[1:], strict=True):

            async def on_part(
                refused: list[RefusedForGood], rest: Event | None, then: Event | None = following
            ) -> None:
                rest = rest or then
                front = batch.last if rest is None else rest.sequence - 1
                await self._note(batch, refused, None if limits.whole_segments else front)

            await self._settling.settle(piece, on_part)
        batch.task = None
        self._settled.set()

    async def _note(self, batch: Batch, refused: list[RefusedForGood], front: int | None) -> None:
        """Keep dead letters of what is refused for good, then count the batch as settled up to number `front`."""
        batch.refuse(refused)
        letters = batch.new_letters()
        if letters:
            await asyncio.to_thread(dead_letters.keep, self._files.dead, letters)
            self._reason = self._reason or letters[0].reason
        if front is not None and front > batch.front:
            batch.front = front
            self._settled.set()

    def _advance(self) -> None:
        """Move the cursor over what is settled, oldest batch first."""
        self._settled.clear()
        moved = False
        while self._under_way:
            batch = self._under_way[0]
            if (done := batch.take_settled()) is not None:
                cursor = self._cursor
                self._progress.advance(
                    sequence=done.last,
                    delivered=cursor.delivered + done.delivered,
                    duplicates=self._duplicates_before + self._settling.duplicates,
                    dead=cursor.dead + done.dead,
                    skipped=cursor.skipped + done.skipped,
                )
                moved = True
            if batch.task is not None:
                break
            self._under_way.popleft()
        if moved:
            if time.monotonic() - self._progress.kept_at >= CURSOR_EVERY_S or not self._under_way:
                self._keep_cursor()
            self._on_progress()

    def _skip(self, reader: SpoolReader) -> None:
        """Best effort only: skip what is too far behind or no longer in the spool, and note it."""
        if self.policy is not OverflowPolicy.BEST_EFFORT or reader.next > self._log.last:
            return
        first, oldest = reader.next, min(self._folder.segments(), default=reader.next)
        following = max(oldest, self._log.last - self._max_lag + 1)
        if following <= first:
            return
        count = read_known(self._folder, self._cursor.run).records(first - 1, following - 1)
        if count:
            gaps.keep(self._files.gaps, first, following - 1, count)
        reader.skip_to(following)
        # It queues behind the batches in progress, so that the cursor never goes back.
        self._under_way.append(Batch(following - 1, time.monotonic(), skipped=count))
        self._advance()

    def _known(self, error: BaseException) -> BaseException:
        """Return the error to raise: an error of our own files is a `SinkError`."""
        if isinstance(error, OSError):
            return SinkError(f"{self._folder.path}: {self.name}: {error.strerror or error}")
        return error

    def _keep_cursor(self) -> None:
        self._progress.keep()
        self._sent = self._cursor.sequence

    async def _wait(self, *events: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=CURSOR_EVERY_S)
        finally:
            for wait in waits:
                wait.cancel()
        self._log.changed.clear()

    async def _end(self) -> None:
        """Close the receiver. Whatever happens in between, what it has not confirmed does not count."""
        try:
            self._advance()
            self._keep_cursor()
        finally:
            self._state = RelayState.ENDED
            try:
                await self._receiver.close()
            except Exception as error:  # noqa: BLE001  a bug in a receiver: what it has confirmed is delivered
                log.warning("sink %s: its end failed with %s, a bug in this sink", self.name, type(error).__name__)
            finally:
                self._take_back()

    def _take_back(self) -> None:
        """Move the cursor back to what is confirmed: unconfirmed records count as not delivered."""
        if self._progress.take_back():
            self._trouble = "it ended without a sign that it has read them"
            self._files.forget_from(self._cursor.sequence + 1)

    def _on_trouble(self, kind: str, reason: str) -> None:
        self._trouble = reason
        if kind:
            self._state = RelayState.DENIED if kind == "access_denied" else RelayState.RETRYING
        elif self._state in (RelayState.DENIED, RelayState.RETRYING):
            self._state = RelayState.DELIVERING
