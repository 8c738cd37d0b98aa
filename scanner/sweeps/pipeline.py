"""Run a sweep from the first packet to the balanced books: targets, engine, records, sinks.

    schedule --take--> Pool --Attempt--> RecordBuilder --Record--> encode --> Delivery --> sinks
       ^                 ^                                                   |
       | what is done    | backpressure: no room, no new targets             | acknowledgement
       +-----------------+---------------------------------------------------+--> Progress, Ledger, Checkpoint

Everything up to `Delivery.put` is synchronous and happens when a connection ends (`results`). What the sinks have
acknowledged is booked and journaled, in that order and nowhere else. A stop is asked for from outside (`stop`, `abort`)
or follows the failure of a sink or of the machine. In each case the acknowledged results are saved, and the rest can be
resumed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scanner.delivery import Delivery, Sink
from scanner.delivery.account import accounts, discard
from scanner.delivery.sink import identity_of
from scanner.engine import Gate, Pool, PoolStatistics, descriptor_budget
from scanner.engine.transport import check_source_address
from scanner.errors import LocalError, SinkError, SmtpsweepError
from scanner.model import Attempt, Record, Status
from scanner.record import encode
from scanner.settings import DEFAULT_DRAIN_S
from scanner.sweeps.excluded import ExcludedTargets, split
from scanner.sweeps.notices import machine_notices, reason_incomplete, remarks
from scanner.sweeps.plan import Plan
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.refusal_notices import RefusalNotices
from scanner.sweeps.results import Results
from scanner.sweeps.reverse_dns import NameStage, Resolver, system_resolver
from scanner.sweeps.saved_state import Identity
from scanner.sweeps.shutdown import Shutdown
from scanner.sweeps.state import SweepState
from scanner.sweeps.summary import Summary
from scanner.sweeps.summary_document import make_summary

log = logging.getLogger(__name__)

#: Results that may be on their way to the sinks before no new target is admitted.
MAX_PENDING = 20_000


@dataclass(frozen=True, slots=True)
class SweepStatistics:
    """A snapshot of a running sweep. `finished_before` were finished by earlier runs of a resumed sweep."""

    elapsed_s: float
    planned: int
    excluded: int
    finished: int
    finished_before: int
    records: int
    pending: int
    statuses: Mapping[Status, int]
    pool: PoolStatistics | None


class Sweep:
    """One run over a plan. Call `prepare`, which opens everything and may refuse, and then `run`, each once."""

    def __init__(
        self,
        plan: Plan,
        sinks: Sequence[Sink],
        *,
        state: Path | None = None,
        drain_s: float = DEFAULT_DRAIN_S,
    ) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.notices: list[str] = [*plan.notices]
        self._sinks = {f"{number}:{identity_of(sink)}": sink for number, sink in enumerate(sinks)}
        self._refusals = RefusalNotices(self.settings)
        self.warned = self._refusals.warned  # notices that people have seen as warnings
        self._gate = self._new_gate()
        self._state = SweepState(plan, self._sinks, self._gate, state)
        self._ledger = self._state.ledger
        self._excluded = ExcludedTargets(plan, self._put_excluded, self._room) if self.settings.all_statuses else None
        self._builder = self._new_builder()
        self._started_at, self._stopped, self._aborted = time.monotonic(), False, False
        self._failure: SmtpsweepError | None = None
        self._shutdown = Shutdown(
            sinks, grace_s=self.settings.grace_s, drain_s=drain_s, give_up=self._give_up, abort=self.abort
        )
        self._resolver: Resolver | None = None
        # Made by `run`:
        self._pool: Pool | None = None
        self._delivery: Delivery | None = None
        self._names: NameStage | None = None
        self._results: Results | None = None

    def _new_builder(self) -> RecordBuilder:
        several = self.settings.samples > 1
        return RecordBuilder(self.identity.scan_id, self.settings, self._sample_of() if several else None)

    def _sample_of(self) -> Callable[[int], int]:
        visited, excluded = self.plan.schedule().sample, self._excluded
        if excluded is None:
            return visited
        return lambda position: visited(position) if position >= 0 else excluded.sample(position)

    def _new_gate(self) -> Gate:
        settings = self.settings
        return Gate(
            self.plan.never,
            rate=settings.rate,
            subnet_rate=settings.subnet_rate,
            refusal_limit=settings.refusal_limit,
            refusal_action=settings.refusal_action,
            on_restraint=self._refusals.add,
        )

    @property
    def identity(self) -> Identity:
        """What identifies this sweep; once `prepare` has read a state, the identity in it."""
        return self._state.identity

    async def prepare(self) -> None:
        """Check the machine, read the state, open the sinks. Nothing has been visited when this raises.

        Raises:
            InputError: for a source address, name server, state file or sink that cannot be used as given.
            SinkError: when a sink cannot be opened.
        """
        if self.settings.source_address is not None:
            check_source_address(self.settings.source_address)
        self._resolver = system_resolver() if self.settings.dns else None
        opened: list[Sink] = []
        try:
            positions = self._state.take()
            for name, sink in self._sinks.items():
                await sink.open(positions.get(name))
                opened.append(sink)
            self.notices += await asyncio.to_thread(self._state.begin)  # it reads the outputs
            if self._state.is_resumed:
                self._builder = self._new_builder()  # with the id of the scan that is resumed
        except BaseException:
            self._shutdown.hurry()
            for sink in opened:
                with suppress(SinkError):  # the first error is the news
                    await self._shutdown.close(sink)
            self._state.close()
            raise
        if warning := self._builder.data_warning(datetime.now(UTC).date()):
            self.notices.append(warning)

    async def run(self) -> Summary:
        """Visit every target that is left; return how it went. Failures of sinks and machine are in the summary."""
        budget = descriptor_budget(self.settings.concurrency)
        if budget.notice:
            self.notices.append(budget.notice)
        delivery = self._delivery = Delivery(
            list(self._sinks.values()), self._on_delivered, on_room=self._on_room, max_pending=MAX_PENDING
        )
        names = self._names = self._new_name_stage(delivery)
        self._results = Results(self.settings, self._builder, self._gate, delivery, names)
        source = self.plan.schedule(self._state.progress)
        pool = self._pool = Pool(self.settings, source, self._gate, self._on_attempts, budget=budget, room=self._room)
        if self._stopped:
            pool.stop()
            self._shutdown.begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(delivery, pool))
            group.create_task(self._visit(delivery, pool))
            if self._aborted:  # before there was anything to end
                self.abort()
            if names is not None:
                group.create_task(self._look_up(names, delivery))
        return await self._finish(pool, self._results)

    def _room(self) -> int:
        """Return how many more results the sinks, and the look-ups before them, can take."""
        assert self._delivery is not None  # noqa: S101  made before the pool
        room = self._delivery.room
        return room if self._names is None else min(room, self._names.room)

    def _new_name_stage(self, delivery: Delivery) -> NameStage | None:
        def deliver(position: int, record: Record) -> None:
            delivery.put(position, encode(record))

        return None if self._resolver is None else NameStage(self._resolver, deliver, on_room=self._on_room)

    async def _look_up(self, names: NameStage, delivery: Delivery) -> None:
        try:
            await names.run()
        finally:
            delivery.finish()

    def stop(self) -> None:
        """Admit no more targets. Visits in progress get `settings.grace_s` seconds to end, then the sinks `drain_s`."""
        if not self._stopped:
            self._stopped = True
            self._stop_excluded()
            if self._pool is not None:
                self._pool.stop()
                self._shutdown.begin()

    def _give_up(self) -> None:
        """Abandon the visits in progress and look up no more names: the grace time is over."""
        if self._pool is not None:
            self._pool.abort()
        if self._names is not None:
            self._names.hurry()

    def abort(self) -> None:
        """Stop at once. Targets whose records the sinks do not have are not booked and will be visited again."""
        self._stopped = self._aborted = True
        self._stop_excluded()
        if self._pool is not None:
            self._pool.abort()
        if self._names is not None:
            self._names.abort()
        if self._delivery is not None:
            self._delivery.abort()
        self._shutdown.hurry()

    def statistics(self) -> SweepStatistics:
        """Return the counts of this moment."""
        return SweepStatistics(
            elapsed_s=time.monotonic() - self._started_at,
            planned=self._ledger.planned,
            excluded=self._ledger.excluded,
            finished=self._ledger.finished,
            finished_before=self._state.finished_before,
            records=self._ledger.records,
            pending=self._results.pending if self._results is not None else 0,
            statuses=self._ledger.statuses,
            pool=self._pool.statistics() if self._pool is not None else None,
        )

    async def _visit(self, delivery: Delivery, pool: Pool) -> None:
        log.debug("visits begin: %d targets are left", self.plan.to_visit - self._ledger.finished)
        try:
            await pool.run(resumed=self._state.finished_before > 0)
            if self._excluded is not None:
                await self._excluded.record(self._ledger.excluded_records)
        except LocalError as error:
            self._fail(error)
        finally:
            log.debug("visits are over: %s", pool)
            self._shutdown.last_call()
            (delivery if self._names is None else self._names).finish()

    async def _deliver(self, delivery: Delivery, pool: Pool) -> None:
        try:
            await delivery.run()
        except SinkError as error:
            self._fail(error)
            pool.abort()
            self._stop_excluded()
            if self._names is not None:
                self._names.abort()

    def _fail(self, error: SmtpsweepError) -> None:
        """Note what ended the sweep, and what a failed sink says in addition when it is closed."""
        if self._failure is None:
            self._failure = error
        elif str(error) not in str(self._failure):
            self._failure.args = (f"{self._failure}; {error}",)

    def _on_attempts(self, attempts: list[Attempt]) -> None:
        assert self._results is not None  # noqa: S101  made before the pool
        assert self._pool is not None  # noqa: S101  it calls
        self._results.add(attempts, self._pool.now)

    def _put_excluded(self, attempt: Attempt) -> None:
        assert self._results is not None  # noqa: S101  made before the pool
        self._results.add_excluded(attempt)

    def _on_delivered(self, done: Sequence[int]) -> None:
        """Book what every sink has, and only then note it in the state file."""
        assert self._results is not None  # noqa: S101  nothing is delivered before there are results
        visited, excluded = (done, 0) if self._excluded is None else split(done)
        self._state.book(self._results.take_outcomes(visited), visited, excluded)

    def _stop_excluded(self) -> None:
        if self._excluded is not None:
            self._excluded.stop()

    def _on_room(self) -> None:
        if self._excluded is not None:
            self._excluded.wake()
        if self._pool is not None:
            self._pool.wake()

    async def _finish(self, pool: Pool, results: Results) -> Summary:
        """Close everything, whatever failed, then balance the books."""
        for sink in self._sinks.values():
            try:
                await self._shutdown.close(sink)
            except SinkError as error:
                self._fail(error)
        self._shutdown.over()
        try:
            if self._failure is None:
                self._state.fold()
        except SinkError as error:
            self._fail(error)
        self._state.close()
        complete = self._failure is None and not self._ledger.not_visited and not self.plan.unresolved
        complete = complete and (self._excluded is None or self._ledger.excluded_records == self._ledger.excluded)
        self._ledger.check(done=self._state.progress.done_count, complete=complete)
        self.notices += machine_notices(pool, self.settings, None if self._stopped else self._ledger.not_visited)
        self.notices += discard(self._sinks.values(), finished=complete or not self._state.is_kept)
        return self._summary(pool, results, complete=complete)

    def _summary(self, pool: Pool, results: Results, *, complete: bool) -> Summary:
        whole, reason = results.document(), None if complete else self._why_incomplete(pool)
        self.notices += [*self._refusals.notices(), *remarks(whole)]
        records, waiting = self._ledger.records, results.pending_records
        return make_summary(
            self.plan,
            self._state,
            pool.statistics(),
            reason=reason,
            facts_of=self._builder.facts_of,
            elapsed_s=time.monotonic() - self._started_at,
            sinks=accounts(self._sinks.values(), records=records, waiting=waiting, failure=reason),
            whole=whole,
            notices=self.notices,
        )

    def _why_incomplete(self, pool: Pool) -> str:
        if self._failure is None:
            return reason_incomplete(self.plan, self._ledger, pool, self._gate, stopped=self._stopped)
        interrupted = self._stopped and self._ledger.not_visited
        return f"interrupted, {interrupted:,} not visited; {self._failure}" if interrupted else str(self._failure)

    @property
    def failure(self) -> SmtpsweepError | None:
        """What ended the sweep early, other than a request to stop."""
        return self._failure
