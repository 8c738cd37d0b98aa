"""The sweep's side of the relay process: starts it, tells it how far the log is, learns how far the receivers are.

Should the process die (out of memory, a crash inside a client library), it is started again, a few times: its cursors
are on the disk, so nothing is lost. What the receivers have decides how much of the log may be removed, and whether
the sweep has to wait for one that is required.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from scanner.errors import SinkError
from scanner.relay.destination import Destination
from scanner.relay.relay import Policy
from scanner.runlog import Quota, RunFolder

log = logging.getLogger(__name__)

MAX_RESTARTS = 5
#: After the end of the log: give up when no receiver has acknowledged anything for so long.
DEFAULT_DRAIN_S = 30.0
#: A report is a few hundred bytes a receiver; this is the longest line that is read.
_MAX_REPORT_BYTES = 1 << 20


class RelayService:
    """Serves a run's destinations while the sweep goes on. `start`, then `durable` again and again, then `drain`."""

    def __init__(
        self,
        folder: RunFolder,
        run: str,
        destinations: Sequence[Destination],
        quota: Quota,
        on_room: Callable[[], None],
    ) -> None:
        """Take the run, whom to serve, and whom to tell that the log may go on."""
        self._destinations = tuple(destinations)
        self._order = {"folder": str(folder.path), "run": run, "urls": [one.url for one in destinations]}
        self._quota, self._on_room = quota, on_room
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._last = 0
        self._ended = self._stopping = False
        self._progress_at = time.monotonic()
        self._alarms: dict[str, str] = {}
        #: The latest report: one dictionary a receiver, as `RelayStatistics` has it.
        self.reports: list[dict[str, Any]] = []
        self.failure: str | None = None

    async def start(self) -> None:
        """Start the process.

        Raises:
            SinkError: when that cannot be done.
        """
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep())

    def durable(self, last: int) -> None:
        """Tell how far the log is on the disk."""
        self._last = last
        self._tell({"durable": last})
        self._hold()

    async def drain(self, patience_s: float) -> None:
        """Say that the log has ended and wait until everything is delivered, or nobody acknowledges anything any more.

        Args:
            patience_s: seconds without any acknowledgement after which the rest stays for `replay`.
        """
        self._ended = True
        self._tell({"durable": self._last, "end": True})
        self._progress_at = time.monotonic()
        while self._keeping is not None and not self._keeping.done():
            left = self._progress_at + patience_s - time.monotonic()
            if left <= 0:
                break
            await asyncio.wait([self._keeping], timeout=min(left, 0.5))
        await self.stop()

    async def stop(self) -> None:
        """End the process; what is not acknowledged stays in the log."""
        self._stopping = True
        self._tell({"stop": True})
        if self._keeping is not None:
            await asyncio.wait([self._keeping], timeout=10)
            if not self._keeping.done() and self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await asyncio.wait([self._keeping])

    def undelivered(self) -> dict[str, int]:
        """Return how many records each receiver has not got, those who have all left out; best effort counts too."""
        known = {report["name"]: self._last - report["sequence"] for report in self.reports}
        lags = {one.name: known.get(one.name, self._last) for one in self._destinations}
        return {name: lag for name, lag in lags.items() if lag}

    async def _spawn(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "scanner.relay.process",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MAX_REPORT_BYTES,
            )  # fmt: skip
        except OSError as error:
            raise SinkError(f"the process for remote sinks cannot be started ({error.strerror})") from error
        self._tell(self._order)
        self._tell({"durable": self._last, **({"end": True} if self._ended else {})})

    async def _keep(self) -> None:
        """Read reports until the process ends; start it again when it should not have ended."""
        restarts = 0
        while True:
            assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018  set by _spawn
            while line := await self._process.stdout.readline():
                self._take(orjson.loads(line))
            code = await self._process.wait()
            if code == 0 or self._stopping or self.failure is not None:
                return
            restarts += 1
            if restarts > MAX_RESTARTS:
                self.failure = f"the process for remote sinks ended {restarts} times with code {code}"
                self._give_up()
                return
            log.warning("the process for remote sinks ended with code %d and is started again", code)
            await self._spawn()

    def _give_up(self) -> None:
        """Let a sweep that waits go on until the log is full: there is nobody to wait for."""
        log.error("%s; the records stay in the log", self.failure)
        self._quota.held = False
        self._on_room()

    def _take(self, report: dict[str, Any]) -> None:
        if "failure" in report:
            self.failure = report["failure"]
            self._give_up()
            return
        before = sum(one["sequence"] for one in self.reports)
        self.reports = report["relays"]
        if sum(one["sequence"] for one in self.reports) > before:
            self._progress_at = time.monotonic()
        self._quota.done = min((one["needs_after"] for one in self.reports), default=self._last)
        self._hold()
        self._on_room()
        for one in self.reports:
            self._alarm(one["name"], one["failure"] or one["trouble"] or "")

    def _hold(self) -> None:
        """Hold the log back while a required receiver is too far behind."""
        sequences = {one["name"]: one["sequence"] for one in self.reports}
        self._quota.held = self.failure is None and any(
            one.policy is Policy.REQUIRED and self._last - sequences.get(one.name, 0) > one.max_lag
            for one in self._destinations
        )

    def _alarm(self, name: str, trouble: str) -> None:
        """Log each trouble once, and its end."""
        if self._alarms.get(name, "") != trouble:
            self._alarms[name] = trouble
            if trouble:
                log.warning("sink %s: %s", name, trouble)
            else:
                log.info("sink %s: is well again", name)

    def _tell(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
