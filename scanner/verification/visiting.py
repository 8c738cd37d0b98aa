"""The fresh visits of a verification: records and second opinions of every host, as they come in.

    plan -> Pool (greeting, EHLO, HELP, STARTTLS, QUIT; N visits to each) -> records, packed
              Gate
            second_opinion (aiosmtplib, one more visit to each host that greeted) -> opinions

All connections, the second reader's too, pass one gate with the user's exclusions and rates. Networks that refuse us
too often are slowed or closed as in a sweep.
"""

import asyncio
import logging
import uuid
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple

from scanner.engine import Gate, Pool, descriptor_budget
from scanner.errors import LocalError
from scanner.model import Attempt, Record, Status, Target
from scanner.record import decode, encode
from scanner.sweeps.notices import no_way_notice
from scanner.sweeps.plan import Plan
from scanner.sweeps.record_builder import RecordBuilder
from scanner.targets import Schedule
from scanner.verification.baseline import Key
from scanner.verification.evidence import Opinion
from scanner.verification.request import count_keys
from scanner.verification.second_opinion import second_opinion

log = logging.getLogger(__name__)


class VerificationProgress(NamedTuple):
    """How far it is: visits made, then hosts that the second reader has read."""

    visits: int
    to_visit: int
    read_again: int
    to_read_again: int


class _Chosen:
    """The targets of a schedule that were requested: not every address has every port."""

    def __init__(self, schedule: Schedule, chosen: Container[Key]) -> None:
        self._schedule = schedule
        self._chosen = chosen

    def take(self, n: int) -> list[Target]:
        """Return up to `n` further targets; none when there are no more."""
        while taken := self._schedule.take(n):
            chosen = [target for target in taken if (target.ip, target.port) in self._chosen]
            if chosen:
                return chosen
        return []

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        """Return the targets at these positions."""
        return self._schedule.targets_at(positions)


class FreshVisits:
    """The visits: records and second opinions of every host, as they come in."""

    def __init__(
        self, plan: Plan, chosen: frozenset[Key] | None, on_progress: Callable[[VerificationProgress], None]
    ) -> None:
        settings = plan.settings
        self._on_progress = on_progress
        self._progress = VerificationProgress(0, count_keys(plan, chosen) * settings.samples, 0, 0)
        self._packed: dict[Key, list[bytes]] = {}
        self._greeted: dict[Key, None] = {}
        self.opinions: dict[Key, Opinion] = {}
        self._settings = settings
        self._hosts = plan.hosts
        self._schedule = plan.schedule()
        self._source = self._schedule if chosen is None else _Chosen(self._schedule, chosen)
        self._record_builder = RecordBuilder(str(uuid.uuid4()), settings, self._schedule.sample)
        self._pool: Pool | None = None
        self._gate = Gate(
            plan.excluded,
            rate=settings.rate,
            subnet_rate=settings.subnet_rate,
            refusal_limit=settings.refusal_limit,
            refusal_action=settings.refusal_action,
        )

    async def visit(self) -> None:
        """Make all visits; a host that this machine has no way to is not visited.

        Raises:
            LocalError: when this machine cannot open connections, or has no way to any of them.
        """
        budget = descriptor_budget(self._settings.concurrency)
        pool = self._pool = Pool(self._settings, self._source, self._gate, self._take, budget=budget)
        await pool.run()
        if pool.no_way:
            log.warning(no_way_notice(pool.no_way, len(pool.no_way)))

    def _take(self, attempts: list[Attempt]) -> None:
        assert self._pool is not None  # noqa: S101  it calls
        for attempt in attempts:
            record, target = self._record_builder.record(attempt), attempt.target
            if record.refusal is not None and record.refusal.refused_us:
                self._gate.refused(target.ip, self._pool.now)
            elif record.status is Status.EXCLUDED and self._gate.is_closed(target.ip):
                continue  # its network was closed meanwhile: this visit was not made
            elif record.banner is not None and self._gate.counts_answers:
                self._gate.greeted(target.ip, self._pool.now)
            key = target.ip, target.port
            self._packed.setdefault(key, []).append(zlib.compress(encode(record), 1))
            if record.status is Status.READY:
                self._greeted[key] = None
        self._say(visits=self._progress.visits + len(attempts))

    def _say(self, **changed: int) -> None:
        self._progress = self._progress._replace(**changed)
        self._on_progress(self._progress)

    def records(self, key: Key) -> list[Record]:
        """Return what the visits to a host brought."""
        return [decode(zlib.decompress(packed)) for packed in self._packed.get(key, ())]

    async def ask_second_reader(self) -> None:
        """Ask it about every host that greeted us with 220, some at a time."""
        ready = iter(self._greeted)
        self._say(to_read_again=len(self._greeted))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.dialogue_concurrency):
                group.create_task(self._ask(ready))

    async def _ask(self, keys: Iterator[Key]) -> None:
        for ip, port in keys:
            try:
                opinion = await second_opinion(self._gate, ip, port, self._settings, self._hosts.get(ip))
            except LocalError as error:  # the visits were made: without the second reader they still count
                opinion = Opinion(error=str(error))
            self.opinions[ip, port] = opinion
            self._say(read_again=len(self.opinions))
