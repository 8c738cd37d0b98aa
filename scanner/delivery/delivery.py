"""Delivery: carry results from the fast, synchronous engine to slow, asynchronous sinks.

Problem: the engine finishes thousands of visits a second and cannot wait. A sink may take long, and a target is done
only when every sink has its record.

Approach: `put` appends to a list. One task (`run`) takes everything that is pending as one batch, gives it to all sinks
at once, and then acknowledges its targets in the order they came. A target that has nothing to write stays in the same
order, so that acknowledgements never overtake each other. While one batch is being written, the next one collects; a
short linger makes batches larger when there is little to do. Backpressure: `room` tells the engine how many more
results it may bring. It is 0 while the sinks lag, and `on_room` is called when they have caught up.

When a sink fails, the other sinks still get the batch, but nothing of it is acknowledged. What they have of it is sent
again after a resume, with the same event ids. Delivery then ends and reports how much it could not deliver.

Left out: retries and spooling to disk (`delivery.relay`); opening and closing the sinks, which their owner does. It
belongs to one event loop in one thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scanner.delivery.sink import Sink
from scanner.errors import SinkError

#: A batch of this many results does not linger for more.
_LARGE_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """A snapshot. `records`, `bytes` and `batches` were delivered to every sink; `undelivered` is set after the end.

    `pending` counts results (with or without a record) that are not acknowledged yet.
    """

    records: int
    bytes: int
    batches: int
    pending: int
    pending_bytes: int
    undelivered: int


class Delivery:
    """Carry results to all sinks and acknowledge them; `run` is its one task."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        on_delivered: Callable[[Sequence[int]], None],
        *,
        on_room: Callable[[], None] = lambda: None,
        max_pending: int = 20_000,
        max_pending_bytes: int = 32 << 20,
        linger_s: float = 0.05,
    ) -> None:
        """Prepare; the sinks must be open before `run`.

        Args:
            sinks: every record goes to each of them.
            on_delivered: called with the positions of each batch that all sinks have, in the order of `put`. The
                sinks' `position` then covers the batch. An exception from it ends `run`.
            on_room: called when there is room again after there was none.
            max_pending: results that may be pending before there is no room.
            max_pending_bytes: the same in bytes of records. Visits in progress may still exceed both limits.
            linger_s: how long a small batch waits for more, in seconds.
        """
        self.on_room = on_room
        self._sinks = tuple(sinks)
        self._on_delivered = on_delivered
        self._max_pending, self._max_pending_bytes = max_pending, max_pending_bytes
        self._linger_s = linger_s
        self._positions: list[int] = []
        self._lines: list[bytes] = []
        self._pending = self._pending_bytes = 0
        self._records = self._bytes = self._batches = 0
        self._was_full = self._finishing = self._aborted = self._failed = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._ended = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    def put(self, position: int, line: bytes | None) -> None:
        """Take one result; None for a target with nothing to write, acknowledged in turn all the same."""
        self._positions.append(position)
        self._pending += 1
        if line is not None:
            self._lines.append(line)
            self._pending_bytes += len(line)
        if not self._some.is_set():
            self._some.set()
        if len(self._positions) >= _LARGE_BATCH and not self._enough.is_set():
            self._enough.set()
        if self._pending >= self._max_pending or self._pending_bytes >= self._max_pending_bytes:
            self._was_full = True

    @property
    def room(self) -> int:
        """How many more results may be put; 0: begin no new visit until `on_room`."""
        if self._failed or self._pending_bytes >= self._max_pending_bytes:
            return 0
        return max(0, self._max_pending - self._pending)

    async def run(self) -> None:
        """Deliver until `finish` was called and nothing is pending, or until `abort`.

        Raises:
            SinkError: when a sink failed; it names each that did. `statistics().undelivered` is how much is left.
        """
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._write(())  # all sinks are open: those that replace an earlier output do it now
                while await self._anything():
                    await self._deliver()
        except BaseException as error:
            self._failed = True
            if not (self._aborted and isinstance(error, TimeoutError)):
                raise
        finally:
            self._patience = None
            self._ended.set()

    def finish(self) -> None:
        """Announce that no more results come: `run` delivers what is pending, without lingering, and returns."""
        self._finishing = True
        self._some.set()
        self._enough.set()

    async def close(self) -> None:
        """Finish, and wait until `run` has ended; its error, if any, goes to the owner of that task."""
        self.finish()
        await self._ended.wait()

    def abort(self) -> None:
        """Make `run` return at once, even in the middle of a batch; what is not acknowledged counts as undelivered."""
        self._aborted = self._failed = True
        self.finish()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    def statistics(self) -> DeliveryStatistics:
        """Return the counts of this moment."""
        return DeliveryStatistics(
            records=self._records,
            bytes=self._bytes,
            batches=self._batches,
            pending=self._pending,
            pending_bytes=self._pending_bytes,
            undelivered=self._pending if self._failed else 0,
        )

    async def _anything(self) -> bool:
        """Wait for something to deliver; False when nothing more will come."""
        await self._some.wait()
        if self._aborted or not self._positions:
            return False  # only `finish` sets the event without a result
        if self._linger_s:
            try:
                async with asyncio.timeout(self._linger_s):
                    await self._enough.wait()
            except TimeoutError:
                pass  # a small batch, then
        return not self._aborted

    async def _deliver(self) -> None:
        positions, lines = self._positions, self._lines
        self._positions, self._lines = [], []
        if not self._finishing:
            self._some.clear()
            self._enough.clear()
        if lines:
            await self._write(lines)
        size = sum(map(len, lines))
        self._pending -= len(positions)
        self._pending_bytes -= size
        self._records += len(lines)
        self._bytes += size
        self._batches += 1
        self._on_delivered(positions)
        if self._was_full and self.room:
            self._was_full = False
            self.on_room()

    async def _write(self, lines: Sequence[bytes]) -> None:
        async with asyncio.TaskGroup() as group:
            writes = [group.create_task(_failure(sink, lines)) for sink in self._sinks]
        failures = [failure for write in writes if (failure := write.result()) is not None]
        if failures:
            raise SinkError("; ".join(map(str, failures))) from failures[0]


async def _failure(sink: Sink, lines: Sequence[bytes]) -> SinkError | None:
    """Write to one sink; return its error instead of raising it, which would cancel the others' writes."""
    try:
        await sink.write(lines)
    except SinkError as error:
        return error
    except Exception as error:  # noqa: BLE001  sinks of third parties: a bug in one must not cost the others a batch
        failure = SinkError(f"{sink.name}: failed with {type(error).__name__}, a bug in this sink")
        failure.__cause__ = error
        return failure
    return None
