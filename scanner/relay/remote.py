"""All remote sinks of a sweep as one sink: the log of the run, and the process that serves receivers from it.

The sweep sees a sink that is as fast as the disk, and its checkpoint follows the log. Closing it waits for the
receivers as long as they get on; what they have not got then stays in the log for `smtpsweep replay`, and is said.
`last_call` bounds the waits of a sweep that has nothing more to visit, `hurry` ends them.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from scanner.errors import InputError, SinkError
from scanner.relay.destination import Destination
from scanner.relay.relay import Policy
from scanner.relay.service import DEFAULT_DRAIN_S, HURRY_S, RelayService
from scanner.runlog import Quota, RunFolder, RunLog
from scanner.sinks.sink import Position

log = logging.getLogger(__name__)

#: The lines of the log that are about the run itself.
RUN_SCHEMA = "smtpsweep.run/1"


class RemoteSinks:
    """A sink that keeps records in a run's folder and has them delivered from there."""

    def __init__(
        self,
        folder: RunFolder,
        destinations: Sequence[Destination],
        about: Mapping[str, Any],
        quota: Quota | None = None,
        *,
        drain_s: float = DEFAULT_DRAIN_S,
    ) -> None:
        """Prepare; nothing is made yet.

        Args:
            folder: of the run.
            destinations: whom to serve.
            about: what the run is, for its description; no secrets.
            quota: how much of the disk the log may use.
            drain_s: at the end, how long to wait without any acknowledgement.
        """
        self.name = f"log {folder.path}"
        self.folder = folder
        self._destinations, self._about = tuple(destinations), dict(about)
        self._quota = quota or Quota()
        self._drain_s = drain_s
        self._log = RunLog(folder, self._quota, on_durable=self._on_durable, on_full=self._on_full)
        self._service: RelayService | None = None  # None before it is open and after it is closed
        self._reported: RelayService | None = None
        self._run = ""
        self._hurrying: asyncio.Task[None] | None = None
        self.full = False
        self._full_since = self._full_s = 0.0

    async def open(self, resume: Position | None) -> None:
        """Open the log and start serving.

        Raises:
            InputError: when the folder holds another run, or none although one is resumed.
            SinkError: when the log or the process fails.
        """
        self.folder.create()
        self._run = self._take_run(resume)
        service = RelayService(self.folder, self._run, self._destinations, self._quota, self._log.room_again)
        await self._log.open(resume)
        self._service = self._reported = service
        try:
            await service.start()
            await self._note("started" if resume is None else "resumed")
        except BaseException:
            await service.stop(HURRY_S)
            self._service = None
            await self._log.close()
            raise

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the log has the lines; waits when a required receiver or the disk's quota asks for it."""
        await self._log.write(lines)

    def position(self) -> Position | None:
        """Return which run this is, and the number of its last record."""
        return {"run": self._run, "sequence": self._log.last}

    async def close(self) -> None:
        """Deliver what is left, as long as the receivers get on.

        Raises:
            SinkError: when records are left for a receiver that is not best effort; it says how to deliver them.
        """
        service = self._service
        if service is None:
            return
        try:
            await self._end(service)
        finally:
            self._service = None
            await self._log.close()
        if left := self._left(service):
            raise SinkError(left)

    async def _end(self, service: RelayService) -> None:
        """Say in the log that the run has ended, and deliver; a disk that fails is no reason not to deliver."""
        failure = None
        try:
            await self._note("ended")
        except SinkError as error:
            failure = error
        if service.failure is None:
            await service.drain(self._drain_s)
        await service.stop()
        if self._hurrying is not None:
            await self._hurrying
        if failure is not None:
            raise failure

    def last_call(self) -> None:
        """Bound every wait for the receivers: no more visits begin."""
        if self._service is not None:
            self._service.last_call(self._drain_s)

    def hurry(self) -> None:
        """Wait for no receiver any more; what is left stays in the log."""
        if self._service is not None and self._hurrying is None:
            self._quota.hopeless = self._quota.hopeless or "the sweep was stopped"
            self._log.room_again()
            self._hurrying = asyncio.create_task(self._service.stop(HURRY_S))

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The latest statistics of every receiver."""
        return self._reported.reports if self._reported is not None else []

    @property
    def waited_s(self) -> float:
        """Seconds for which the sweep had to wait for the log."""
        return self._full_s + (time.monotonic() - self._full_since if self.full else 0.0)

    def _take_run(self, resume: Position | None) -> str:
        """Return the id of the run in the folder, a new one for an empty folder."""
        path = self.folder.path
        if (path / "run.json").exists():
            run = str(self.folder.description()["run"])
            if resume is None:
                raise InputError(f"{path}: holds a run already: name another with --run, or resume with its --state")
            if resume.get("run") != run:
                raise InputError(f"{path}: holds another run than the state file says: name the right one with --run")
            return run
        if resume is not None:
            raise InputError(f"{path}: the log of the sweep that is resumed is not here: name its folder with --run")
        run = str(uuid.uuid4())
        sinks = [{"name": one.name, "url": one.url, "policy": one.policy.value} for one in self._destinations]
        try:
            self.folder.write_description({"run": run, "sinks": sinks, **self._about})
        except OSError as error:
            raise SinkError(f"{path}: cannot be written ({error.strerror})") from error
        return run

    async def _note(self, activity: str) -> None:
        """Put a line about the run itself into the log."""
        document = {
            "schema": RUN_SCHEMA,
            "run": self._run,
            "activity": activity,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "records": self._log.last,
            **self._about,
        }
        await self._log.note(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))

    def _left(self, service: RelayService) -> str:
        """Say who has not got everything; empty when nobody is owed anything."""
        optional = {one.name for one in self._destinations if one.policy is Policy.BEST_EFFORT}
        parts = []
        for name, lag in service.undelivered().items():
            if name in optional:
                log.warning("sink %s: %d records were not delivered (best effort)", name, lag)
                continue
            reports = {one["name"]: one["failure"] or one["trouble"] for one in service.reports}
            why = reports.get(name) or service.failure or "it did not answer in time"
            parts.append(f"sink {name} has not got {lag:,} records ({why})")
        if not parts:
            return ""
        return f"{'; '.join(parts)}: they are kept: smtpsweep replay {self.folder.path} delivers them"

    def _on_durable(self, last: int) -> None:
        if self._service is not None:
            self._service.durable(last)

    def _on_full(self, full: bool) -> None:  # noqa: FBT001  a callback's only argument
        self.full = full
        if full:
            self._full_since = time.monotonic()
            why = "a required sink is too far behind" if self._quota.held else "the log has used up its disk quota"
            log.warning("%s: %s: the sweep is slowed down until its sinks have caught up", self.folder.path, why)
        else:
            self._full_s += time.monotonic() - self._full_since
            log.warning("%s: the sweep goes on", self.folder.path)
