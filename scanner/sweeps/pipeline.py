"""The whole pipeline: targets -> engine -> observation -> record -> sinks, from the first packet to the balanced books.

    schedule --take--> Pool --Attempt--> RecordBuilder --Record--> encode --> Delivery --> sinks
       ^                 ^                                                   |
       | what is done    | backpressure: no room, no new targets             | acknowledgement
       +-----------------+---------------------------------------------------+--> Progress, Ledger, Checkpoint

Everything up to `Delivery.put` is synchronous and happens when a connection ends. What the sinks have acknowledged is
booked and journaled, in that order and nowhere else. Stopping is asked for from outside (`stop`, `abort`) or comes from
a sink or the machine that fails; in each case what was acknowledged is saved and the rest can be resumed.
"""

import asyncio
import logging
import secrets
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
from scanner.settings import DEFAULT_DRAIN_S, SEED_LIMIT
from scanner.sweeps.excluded import LeftOut, split
from scanner.sweeps.ledger import Outcome
from scanner.sweeps.overview import Overview, remarks
from scanner.sweeps.plan import Plan
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.reverse_dns import NameStage, Resolver, system_resolver
from scanner.sweeps.saved_state import Identity
from scanner.sweeps.shutdown import Shutdown
from scanner.sweeps.slowed_networks import Restraints, refusal_reason
from scanner.sweeps.state import SweepState
from scanner.sweeps.summary import SUMMARY_SCHEMA, Summary, iso, shown_options
from scanner.sweeps.unvisited import away_reason, machine_notices, names_reason, no_way_reason
from scanner.version import VERSION

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


def random_seed() -> int:
    """Return a seed for a sweep whose user gave none."""
    return secrets.randbelow(SEED_LIMIT)


class Sweep:
    """One run over a plan. `prepare` opens everything and may refuse; `run` visits; both once, in this order."""

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
        self._restraints = Restraints(self.settings)
        self.warned = self._restraints.warned  # notices that people have heard as warnings
        self._gate = self._new_gate()
        self._standing = SweepState(plan, self._sinks, self._gate, state)
        self._ledger = self._standing.ledger
        self._left_out = LeftOut(plan, self._put_left_out, self._room) if self.settings.all_statuses else None
        self._outcomes: dict[int, Outcome] = {}
        self._wanted = frozenset(status for status in Status if self.settings.all_statuses or status.answered)
        self._started_at, self._stopped, self._aborted = time.monotonic(), False, False
        self._failure: SmtpsweepError | None = None
        self._pool: Pool | None = None
        self._delivery: Delivery | None = None
        self._ending = Shutdown(
            sinks, grace_s=self.settings.grace_s, drain_s=drain_s, give_up=self._give_up, abort=self.abort
        )
        self._resolver: Resolver | None = None
        self._names: NameStage | None = None
        self._overview = Overview(self.settings)
        self._observer = self._new_observer()

    def _new_observer(self) -> RecordBuilder:
        several = self.settings.samples > 1
        return RecordBuilder(self.identity.scan_id, self.settings, self._sample_of() if several else None)

    def _sample_of(self) -> Callable[[int], int]:
        visited, left_out = self.plan.schedule().sample, self._left_out
        if left_out is None:
            return visited
        return lambda position: visited(position) if position >= 0 else left_out.sample(position)

    def _new_gate(self) -> Gate:
        settings = self.settings
        return Gate(
            self.plan.never,
            rate=settings.rate,
            subnet_rate=settings.subnet_rate,
            refusal_limit=settings.refusal_limit,
            refusal_action=settings.refusal_action,
            on_restraint=self._restraints.add,
        )

    @property
    def identity(self) -> Identity:
        """What makes this sweep this sweep; that of its state, once `prepare` has read it."""
        return self._standing.identity

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
            positions = self._standing.take()
            for name, sink in self._sinks.items():
                await sink.open(positions.get(name))
                opened.append(sink)
            self.notices += await asyncio.to_thread(self._standing.begin)  # it reads the outputs
            if self._standing.is_resumed:
                self._observer = self._new_observer()  # under the id of the scan that goes on
        except BaseException:
            self._ending.hurry()
            for sink in opened:
                with suppress(SinkError):  # the first error is the news
                    await self._ending.close(sink)
            self._standing.close()
            raise
        if warning := self._observer.data_warning(datetime.now(UTC).date()):
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
        source = self.plan.schedule(self._standing.progress)
        pool = self._pool = Pool(self.settings, source, self._gate, self._on_attempts, budget=budget, room=self._room)
        if self._stopped:
            pool.stop()
            self._ending.begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(delivery, pool))
            group.create_task(self._visit(delivery, pool))
            if self._aborted:  # before there was anything to be ended
                self.abort()
            if names is not None:
                group.create_task(self._look_up(names, delivery))
        return await self._finish(pool)

    def _room(self) -> int:
        """How many more results the sinks, and the look-ups before them, can take."""
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
        """Admit no more targets; those under way get `settings.grace_s` seconds to end, then the sinks `drain_s`."""
        if not self._stopped:
            self._stopped = True
            self._leave_no_records()
            if self._pool is not None:
                self._pool.stop()
                self._ending.begin()

    def _give_up(self) -> None:
        """The grace time is over: abandon the visits under way, and look up no more names."""
        if self._pool is not None:
            self._pool.abort()
        if self._names is not None:
            self._names.hurry()

    def abort(self) -> None:
        """Stop at once. What the sinks have not got is not booked and will be visited again."""
        self._stopped = self._aborted = True
        self._leave_no_records()
        if self._pool is not None:
            self._pool.abort()
        if self._names is not None:
            self._names.abort()
        if self._delivery is not None:
            self._delivery.abort()
        self._ending.hurry()

    def statistics(self) -> SweepStatistics:
        """Return the counts of this moment."""
        return SweepStatistics(
            elapsed_s=time.monotonic() - self._started_at,
            planned=self._ledger.planned,
            excluded=self._ledger.excluded,
            finished=self._ledger.finished,
            finished_before=self._standing.finished_before,
            records=self._ledger.records,
            pending=len(self._outcomes),
            statuses=self._ledger.statuses,
            pool=self._pool.statistics() if self._pool is not None else None,
        )

    async def _visit(self, delivery: Delivery, pool: Pool) -> None:
        log.debug("visits begin: %d targets are left", self.plan.to_visit - self._ledger.finished)
        try:
            await pool.run(resumed=self._standing.finished_before > 0)
            if self._left_out is not None:
                await self._left_out.record(self._ledger.excluded_records)
        except LocalError as error:
            self._fail(error)
        finally:
            log.debug("visits are over: %s", pool)
            self._ending.last_call()
            (delivery if self._names is None else self._names).finish()

    async def _deliver(self, delivery: Delivery, pool: Pool) -> None:
        try:
            await delivery.run()
        except SinkError as error:
            self._fail(error)
            pool.abort()
            self._leave_no_records()
            if self._names is not None:
                self._names.abort()

    def _fail(self, error: SmtpsweepError) -> None:
        """Keep what ended the sweep, and what a sink that could not take more says of it when it is closed."""
        if self._failure is None:
            self._failure = error
        elif str(error) not in str(self._failure):
            self._failure.args = (f"{self._failure}; {error}",)

    def _on_attempts(self, attempts: list[Attempt]) -> None:
        """Turn what the engine brought into lines on their way to the sinks."""
        assert self._delivery is not None  # noqa: S101  made before the pool
        assert self._pool is not None  # noqa: S101  it calls
        observe, put, outcomes, wanted = self._observer.record, self._delivery.put, self._outcomes, self._wanted
        names, note, now = self._names, self._overview.observe, self._pool.now
        for attempt in attempts:
            record = observe(attempt)
            position, status, software = attempt.target.position, record.status, record.software
            is_wanted = status in wanted
            refused_us = record.refusal is not None and record.refusal.refused_us
            if refused_us:
                self._gate.refused(attempt.target.ip, now)
            elif status is Status.EXCLUDED and self._gate.is_closed(attempt.target.ip):
                continue  # its network was closed after the plan was made: it has no result, and stays unvisited
            elif record.banner is not None and self._gate.counts_answers:
                self._gate.greeted(attempt.target.ip, now)
            product = software.product if software is not None else None
            outcomes[position] = Outcome(status, product, is_wanted, refused_us)
            note(record)
            if names is not None and is_wanted and record.banner is not None:
                names.put(position, record)
            else:
                put(position, encode(record) if is_wanted else None)

    def _on_delivered(self, done: Sequence[int]) -> None:
        """Book what every sink has, and only then note it in the state file."""
        visited, left_out = (done, 0) if self._left_out is None else split(done)
        self._standing.book(map(self._outcomes.pop, visited), visited, left_out)

    def _put_left_out(self, attempt: Attempt) -> None:
        assert self._delivery is not None  # noqa: S101  made before the pool
        self._delivery.put(attempt.target.position, encode(self._observer.record(attempt)))

    def _leave_no_records(self) -> None:
        if self._left_out is not None:
            self._left_out.stop()

    def _on_room(self) -> None:
        if self._left_out is not None:
            self._left_out.wake()
        if self._pool is not None:
            self._pool.wake()

    async def _finish(self, pool: Pool) -> Summary:
        """Close everything, whatever failed, then balance the books."""
        for sink in self._sinks.values():
            try:
                await self._ending.close(sink)
            except SinkError as error:
                self._fail(error)
        self._ending.over()
        try:
            if self._failure is None:
                self._standing.fold()
        except SinkError as error:
            self._fail(error)
        self._standing.close()
        complete = self._failure is None and not self._ledger.not_visited and not self.plan.unresolved
        complete = complete and (self._left_out is None or self._ledger.excluded_records == self._ledger.excluded)
        self._ledger.check(done=self._standing.progress.done_count, complete=complete)
        self.notices += machine_notices(pool, self.settings, None if self._stopped else self._ledger.not_visited)
        finished = not self._standing.is_kept or (complete and self._failure is None)
        self.notices += discard(self._sinks.values(), finished=finished)
        return self._summary(pool.statistics(), complete=complete)

    def _summary(self, counts: PoolStatistics, *, complete: bool) -> Summary:
        ledger, failure = self._ledger, self._failure
        self.notices += self._restraints.notices()
        overview = self._overview.document()
        self.notices += remarks(overview)
        reason = str(failure) if failure else None if complete else self._why_incomplete()
        if failure and self._stopped and ledger.not_visited:
            reason = f"interrupted, {ledger.not_visited:,} not visited; {failure}"
        waiting = sum(outcome.recorded for outcome in self._outcomes.values())
        document = {
            "schema": SUMMARY_SCHEMA,
            "scan_id": self.identity.scan_id,
            "version": VERSION,
            "facts_of": self._observer.facts_of,
            "started_at": self.identity.started_at,
            "ended_at": iso(time.time()),
            "elapsed_s": round(time.monotonic() - self._started_at, 3),
            "complete": complete and failure is None,
            "reason": reason,
            "seed": self.identity.seed,
            "shard": self.identity.shard,
            "digest": self.identity.digest,
            "targets_digest": self.plan.targets_digest,
            "options": shown_options(self.settings),
            "planned": ledger.planned,
            "excluded": ledger.excluded,
            "excluded_why": dict(self.plan.excluded_why),
            "not_visited": ledger.not_visited,
            "statuses": {status.value: ledger.statuses[status] for status in Status if ledger.statuses[status]},
            "products": dict(ledger.products.most_common()),
            "records": ledger.records,
            "sinks": accounts(self._sinks.values(), records=ledger.records, waiting=waiting, failure=reason),
            "refused_us": ledger.refused_us,
            "unresolved": [{"name": name, **each._asdict()} for name, each in self.plan.unresolved.items()],
            "connections": counts.started,
            "retried": counts.retried,
            "local_errors": counts.local_errors,
            **overview,
            "notices": self.notices,
        }
        return Summary(complete=bool(document["complete"]), reason=reason, document=document)

    def _why_incomplete(self) -> str:
        unresolved = self.plan.unresolved
        if unresolved and not self._ledger.not_visited:
            return names_reason(unresolved)
        if self._stopped or self._pool is None:
            return "interrupted"
        if self._pool.no_way:
            return no_way_reason(self._pool.no_way, self._ledger.not_visited)
        if self._pool.away.given_up:
            return away_reason(self._pool.away.given_up)
        closed = self._gate.closed
        return refusal_reason(self._ledger.not_visited, closed, self.settings) if closed else "interrupted"

    @property
    def failure(self) -> SmtpsweepError | None:
        """What ended the sweep early, other than a request to stop."""
        return self._failure
