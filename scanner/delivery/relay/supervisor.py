"""The sweep's side of the relay process: start it, tell it how far the spool is, and read how far the receivers are.

When the process dies (out of memory, a crash inside a client library), it is started again, up to `MAX_RESTARTS` times.
Its cursors are on the disk, so nothing is lost. What the reports mean for the spool is in `relay.backpressure`.

Every wait has an end. Writers do not wait for a receiver that has given up, and for none once this side has failed:
then `Quota.hopeless` is set, and `failure` is the reason. The process never outlives the sweep: it is killed when it
does not stop in time, and when reading its reports fails for any reason.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from scanner.delivery.relay.alarms import Alarms
from scanner.delivery.relay.backpressure import Backpressure
from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.words import WORDS_S, repeat_words
from scanner.delivery.spool import Quota, RunFolder
from scanner.errors import SinkError
from scanner.timeouts import Limit, patience, wait_for_all

log = logging.getLogger(__name__)

#: The keys that a report of a receiver must have.
_IN_A_REPORT = frozenset({"name", "sequence", "answers", "needs_after", "policy", "failure", "trouble"})

MAX_RESTARTS = 5
#: How long the process may take to close its receivers after `stop`, before it is killed.
STOP_S = 10.0
#: The same when the user wants an end now. Its cursors are on the disk, at most a fifth of a second old.
HURRY_S = 0.3
#: The longest line that is read; a report is a few hundred bytes for each receiver.
_MAX_REPORT_BYTES = 1 << 20


class RelaySupervisor:
    """Serves a run's destinations during the sweep. Call `start`, then `durable` for each batch, then `drain`."""

    def __init__(
        self,
        folder: RunFolder,
        run: str,
        destinations: Sequence[Destination],
        quota: Quota,
        on_room: Callable[[], None],
    ) -> None:
        """Take the run, the sinks to serve, and a callback for a changed quota."""
        self._destinations = tuple(destinations)
        self._order = {
            "folder": str(folder.path),
            "run": run,
            "urls": [one.url for one in destinations],
            "log_level": log.getEffectiveLevel(),
        }
        self._backpressure, self._on_room = Backpressure(destinations, quota), on_room
        self._process: asyncio.subprocess.Process | None = None
        self._reaped = True
        self._keeping: asyncio.Task[None] | None = None
        self._ended = self._stopping = False
        self._last_call: asyncio.Task[None] | None = None
        self._limit: Limit | None = None
        self._alarms: dict[str, str] = {}
        self._not_delivered = Alarms(log.warning)
        self.failure: str | None = None

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The latest report: `RelayStatistics` of each receiver as a dictionary."""
        return self._backpressure.reports

    @property
    def pid(self) -> int | None:
        """The id of the process, None before it is started."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process.

        Raises:
            SinkError: when that cannot be done.
        """
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep())

    def durable(self, last: int) -> None:
        """Tell the process how far the spool is on the disk."""
        self._tell({"durable": last})
        self._backpressure.durable(last)

    def last_call(self, patience_s: float) -> None:
        """Bound the waits of writers from now on, since no more visits begin.

        Args:
            patience_s: seconds without any acknowledgement after which the rest stays for `replay`.
        """
        if self._last_call is None:
            self._last_call = asyncio.create_task(self._lose_patience(patience_s))

    async def drain(self, patience_s: float) -> None:
        """Tell the process that the spool has ended; return when all is delivered, or patience (`last_call`) ends."""
        self._ended = True
        self._tell({"durable": self._backpressure.last, "end": True})
        self.last_call(patience_s)
        waits = [task for task in (self._keeping, self._last_call) if task is not None]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        await self.stop()

    async def stop(self, patience_s: float = STOP_S) -> None:
        """End the process within `patience_s` seconds; what is not acknowledged stays in the spool."""
        self._stopping = True
        self._tell({"stop": True})
        if self._last_call is not None:
            self._last_call.cancel()
        if self._keeping is not None:
            await wait_for_all([self._keeping], patience_s)
            self._kill()
            await wait_for_all([self._keeping], patience_s)

    async def _spawn(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "scanner.delivery.relay.process",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=_MAX_REPORT_BYTES,
            )  # fmt: skip
        except OSError as error:
            raise SinkError(f"the process for remote sinks cannot be started ({error.strerror})") from error
        self._reaped = False
        self._tell(self._order)
        self._tell({"durable": self._backpressure.last, **({"end": True} if self._ended else {})})

    async def _keep(self) -> None:
        """Run the process until it ends. When this fails, the process is killed and the failure recorded."""
        try:
            await self._serve()
        except Exception as error:  # noqa: BLE001  no caller awaits this task for its error
            reason = str(error) if isinstance(error, SinkError) else f"{type(error).__name__}: {error}"
            self._give_up(f"the process for remote sinks cannot be supervised any more ({reason})")
        finally:
            self._kill()
            assert self._process is not None  # noqa: S101  set by _spawn
            await self._process.wait()

    async def _serve(self) -> None:
        """Read reports until the process ends; start it again when it should not have ended."""
        restarts = 0
        while True:
            assert self._process is not None  # noqa: S101  set by _spawn
            repeating = asyncio.create_task(
                repeat_words(self._process.stderr, [one.redaction for one in self._destinations])
            )
            try:
                await self._read_reports(self._process)
                code = await self._process.wait()
                self._reaped = True
                await wait_for_all([repeating], WORDS_S)
            finally:
                repeating.cancel()
            if self._stopping or self.failure is not None or (code == 0 and self._ended):
                return
            restarts += 1
            if restarts > MAX_RESTARTS:
                self._give_up(f"the process for remote sinks ended {restarts} times with code {code}")
                return
            log.warning("the process for remote sinks ended with code %d and is started again", code)
            await self._spawn()

    async def _read_reports(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  asked for by _spawn
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than any report; it was discarded
                line = b"(a line of more than a megabyte)"
            if not line:
                return
            if (report := _report(line)) is None:
                log.warning("the process for remote sinks wrote something unexpected: %s", ascii(line[:100])[1:])
            else:
                self.take_report(report)

    async def _lose_patience(self, patience_s: float) -> None:
        """End all waits for room when no receiver has acknowledged anything for `patience_s`, and return."""
        with contextlib.suppress(TimeoutError):
            async with patience(patience_s) as self._limit:
                await asyncio.Event().wait()  # a report of progress renews the limit; only its end ends this
        self._despair(f"{self._backpressure.holding()}, and no sink has acknowledged anything for {patience_s:g} s")

    def _kill(self) -> None:
        """End the process now, unless it has ended."""
        if self._process is not None and not self._reaped:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _give_up(self, failure: str) -> None:
        """End all waits for room, as the receivers are not served any more; a sweep goes on until the spool is full."""
        self.failure = failure
        log.error("%s; the records stay in the log", failure)
        self._despair(failure)

    def _despair(self, why: str) -> None:
        self._backpressure.despair(why)
        self._on_room()

    def take_report(self, report: dict[str, Any]) -> None:
        """Take a report of the process: how far each receiver is, or why it cannot serve them."""
        if "failure" in report:
            self._give_up(report["failure"])
            return
        before = self._backpressure.progress
        self._backpressure.take(report["relays"])
        if self._backpressure.progress != before and self._limit is not None:
            self._limit.renew()
        self._on_room()
        for one in self.reports:
            self._alarm(one["name"], one["failure"] or one["trouble"] or "")
            self._not_delivered.check(one, time.monotonic())

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


def _report(line: bytes) -> dict[str, Any] | None:
    """Decode a line from the process; None when it is not a report, such as output of a library."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    relays = document.get("relays")
    whole = isinstance(relays, list) and all(isinstance(one, dict) and one.keys() >= _IN_A_REPORT for one in relays)
    return document if whole or isinstance(document.get("failure"), str) else None
