"""All remote sinks of a sweep as one sink: the spool of the run, and the process that serves the receivers from it.

For the sweep this sink is as fast as the disk, and the checkpoint follows the spool. `close` waits for the receivers
while they make progress. Records that they lack then stay in the spool for `smtpsweep replay`. `close` reports them, as
it reports dead letters and gaps: no record is lost silently. When every sink has everything, `discard` removes the
folder of the run. `last_call` bounds the waits of a sweep that begins no more visits, `hurry` ends them.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from scanner.delivery.relay import run as runs
from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.standing import SinkStanding, explained, standing_of
from scanner.delivery.relay.supervisor import HURRY_S, RelaySupervisor
from scanner.delivery.sink import Position
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter, furthest
from scanner.errors import SinkError, SmtpsweepError
from scanner.record import RUN_SCHEMA
from scanner.settings import DEFAULT_DRAIN_S

log = logging.getLogger(__name__)


class SpoolSink:
    """A sink that writes records to the spool of a run, from where they are delivered."""

    def __init__(
        self,
        folder: RunFolder,
        destinations: Sequence[Destination],
        about: Mapping[str, Any],
        quota: Quota | None = None,
        *,
        state: Path | None = None,
        drain_s: float = DEFAULT_DRAIN_S,
        keep_run: bool = False,
        named_by_us: bool = False,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            folder: that of the run.
            destinations: the sinks to serve.
            about: what the run is, for its description; no secrets.
            quota: how much of the disk the spool may use.
            state: the sweep's state file: while it exists, the sweep can be resumed.
            drain_s: at the end, how many seconds to wait without any acknowledgement.
            keep_run: whether the folder stays when every sink has everything.
            named_by_us: whether an existing folder counts as ours: a start that was killed has made it.
        """
        self.name = f"log {folder.path}"
        self.folder = folder
        self._destinations, self._about = tuple(destinations), dict(about)
        self._quota = quota or Quota()
        self._state = None if state is None else str(state.absolute())
        self._drain_s, self._keep_run, self._named_by_us = drain_s, keep_run, named_by_us
        self._standings: list[SinkStanding] = []
        self._log = SpoolWriter(folder, self._quota, on_durable=self._on_durable, on_full=self._on_full)
        self._supervisor: RelaySupervisor | None = None  # None before it is open and after it is closed
        self._reported: RelaySupervisor | None = None
        self._run = ""
        self._hurrying: asyncio.Task[None] | None = None
        self.full = False
        self._full_since = self._full_s = 0.0

    @property
    def identity(self) -> str:
        """The destinations in their order, without options: those may change when a sweep is resumed."""
        return " ".join(f"{one.shown.partition('?')[0]} ({one.name})" for one in self._destinations)

    async def open(self, resume: Position | None) -> None:
        """Open the spool and start the relay process.

        Raises:
            InputError: when the folder holds another run, or none although one is resumed.
            SinkError: when the spool or the process fails.
        """
        made = self._named_by_us or runs.is_made_by_us(self.folder)
        self.folder.create()
        description = {"sinks": self._shown(), "made": made, "state": self._state, **self._about}
        taken = runs.take_run(self.folder, resume, str(uuid.uuid4()), description)
        self._run = taken.run
        supervisor = RelaySupervisor(self.folder, self._run, self._destinations, self._quota, self._log.room_again)
        await self._log.open(
            resume if taken.resumed else None, self._run, at_least=furthest(self.folder.sinks, self._run)
        )
        self._supervisor = self._reported = supervisor
        try:
            await supervisor.start()
            await self._note("started" if resume is None else "resumed")
        except BaseException:
            await supervisor.stop(HURRY_S)
            self._supervisor = None
            await self._log.close()
            raise

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the spool has the lines; wait for room when a required receiver lags or the quota is used up."""
        await self._log.write(lines)

    def position(self) -> Position | None:
        """Return which run this is, the number of its last record, and whether every sink has everything."""
        position: Position = {"run": self._run, "sequence": self._log.last}
        return position | ({"delivered": 1} if self._is_delivered else {})

    async def close(self) -> None:
        """Deliver what is left, while the receivers make progress.

        Raises:
            SinkError: when records are left, refused or skipped for any of them; with which, why, and what to do.
        """
        supervisor = self._supervisor
        if supervisor is None:
            return
        try:
            await self._end(supervisor)
        finally:
            self._supervisor = None
            await self._log.close()
            self._standings = self._judge(supervisor)
        if left := explained(self._standings, self.folder, self._log.known):
            raise SinkError(left)

    async def _end(self, supervisor: RelaySupervisor) -> None:
        """Note the end of the run in the spool, and deliver the rest, also when the disk fails."""
        failure = None
        try:
            await self._note("ended")
        except SinkError as error:
            failure = error
        if supervisor.failure is None:
            await supervisor.drain(self._drain_s)
        await supervisor.stop()
        if self._hurrying is not None:
            await self._hurrying
        if failure is not None:
            raise failure

    def discard(self, *, finished: bool) -> str | None:
        """Remove the folder of the run when every sink has everything and the sweep will not be resumed.

        Args:
            finished: whether the sweep is complete, or cannot be resumed; its state is saved.

        Returns:
            A notice for people, when something stays that they may not expect.
        """
        if not self._is_delivered:
            return None  # `close` has reported what is left
        try:
            earlier = self._lacking_of_earlier_commands()
        except SmtpsweepError as error:
            return f"the log of the run is kept, since not every sink of it is known: {error}"
        if earlier:
            return f"the log of the run is kept: {earlier}"
        if self._keep_run or not finished:
            return f"the log of the run is kept: {self.folder.path}"
        try:
            left = runs.remove(self.folder)
        except SmtpsweepError as error:
            return f"every sink has everything, but the log of the run stays: {error}"
        return f"{self.folder.path}: is not removed: it holds what is not ours, such as {left[0]!a}" if left else None

    def _lacking_of_earlier_commands(self) -> str:
        """Return one line about sinks of earlier commands that lack records; "" when there are none."""
        names, known = {one.name for one in self._destinations}, self._log.known
        others = [one for one in self.folder.description()["sinks"] if one["name"] not in names]
        return explained([standing_of(self.folder, self._run, one, known) for one in others], self.folder, known)

    @property
    def sinks(self) -> list[dict[str, Any]]:
        """Every remote sink, in the form of the summary."""
        return [one._asdict() for one in self._standings]

    @property
    def _is_delivered(self) -> bool:
        """Whether every sink was asked at the end, and has everything."""
        standings = self._standings
        return bool(standings) and not self._log.known.trouble and all(one.has_everything for one in standings)

    def last_call(self) -> None:
        """Bound every wait for the receivers: no more visits begin."""
        if self._supervisor is not None:
            self._supervisor.last_call(self._drain_s)

    def hurry(self) -> None:
        """Stop waiting for receivers; what is left stays in the spool."""
        if self._supervisor is not None and self._hurrying is None:
            self._quota.hopeless = self._quota.hopeless or "the sweep was stopped"
            self._log.room_again()
            self._hurrying = asyncio.create_task(self._supervisor.stop(HURRY_S))

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The latest statistics of every receiver."""
        return self._reported.reports if self._reported is not None else []

    @property
    def relay_pid(self) -> int | None:
        """The id of the relay process, None before it is started."""
        return None if self._reported is None else self._reported.pid

    @property
    def waited_s(self) -> float:
        """Seconds for which the sweep had to wait for the spool."""
        return self._full_s + (time.monotonic() - self._full_since if self.full else 0.0)

    def _shown(self) -> list[dict[str, str]]:
        return [
            {"name": one.name, "url": one.url, "shown": one.shown, "policy": one.policy.value}
            for one in self._destinations
        ]

    async def _note(self, activity: str) -> None:
        """Write a line about the run itself to the spool."""
        document = {
            "schema": RUN_SCHEMA,
            "run": self._run,
            "activity": activity,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "records": self._log.last,
            **self._about,
        }
        await self._log.note(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))

    def _judge(self, supervisor: RelaySupervisor) -> list[SinkStanding]:
        """Return how far every sink is, now that the relay process has ended."""
        troubles = {one["name"]: one["failure"] or one["trouble"] for one in supervisor.reports}
        known = self._log.known
        return [
            standing_of(self.folder, self._run, sink, known, troubles.get(sink["name"]) or supervisor.failure)
            for sink in self._shown()
        ]

    def _on_durable(self, last: int) -> None:
        if self._supervisor is not None:
            self._supervisor.durable(last)

    def _on_full(self, full: bool) -> None:  # noqa: FBT001  a callback's only argument
        self.full = full
        if full:
            self._full_since = time.monotonic()
            why = "a required sink is too far behind" if self._quota.held else "the log has used up its disk quota"
            log.warning("%s: %s: the sweep is slowed down until its sinks have caught up", self.folder.path, why)
        else:
            self._full_s += time.monotonic() - self._full_since
            log.warning("%s: the sweep goes on", self.folder.path)
