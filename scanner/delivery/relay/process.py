"""The process that serves the receivers of a sweep, beside the sweep's own: `python -m scanner.delivery.relay.process`.

Problem: formats, TLS, compression and client libraries need CPU time and memory. A sweep has none to spare, since its
one core is busy with connections, and a slow or leaking library must not affect it.

Approach: the sweep writes the spool, this process reads it. They exchange JSON lines. On our standard input the sweep
sends orders: what to serve, how far the spool is on the disk, and that it has ended. On standard output we report how
far each receiver is. When our standard input closes without an end, the sweep was killed: we stop, and the cursors stay
where they are. Even when a library blocks us then, this process ends `ORPHAN_S` later.

Both channels are first moved to descriptors of their own. What a library prints goes to standard error, and what it
reads is empty. So a library can neither tear a report nor consume an order.
"""

import asyncio
import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop

from scanner.delivery.redaction import CleanStream
from scanner.delivery.relay import words
from scanner.delivery.relay.destination import Destination, make_destinations
from scanner.delivery.relay.relay import Relay
from scanner.delivery.spool import RunFolder
from scanner.errors import InputError, SmtpsweepError

#: Seconds between two reports to the sweep, while anything changes.
REPORT_EVERY_S = 0.25
#: How long to wait for the lock of the run: longer than a process whose sweep was killed can hold it.
LOCK_PATIENCE_S = 15.0
#: How long receivers may take to close their connections after `stop`. The cursors are on the disk before.
CLOSE_S = 8.0
#: This process ends at most this long after the sweep is gone, even when a library blocks the event loop.
ORPHAN_S = 10.0
#: The sweep has priority: its connections have deadlines, and this process only falls behind.
NICENESS = 19


class RelayProcess:
    """All relays of one run, and the exchange of orders and reports with the sweep."""

    def __init__(self, order: Mapping[str, Any], reports: int) -> None:
        """Take the order (`folder`, `run`: the scan's id, `urls`, `log_level`) and the descriptor for reports."""
        self._reports = reports
        folder = RunFolder(Path(order["folder"]))
        self._folder = folder
        self._changed = asyncio.Event()
        self._relays = [
            one.relay(folder, order["run"], self._changed.set)
            for one in _destinations(order["urls"], order.get("log_level", logging.WARNING))
        ]
        self._failures: dict[str, str] = {}

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Serve until the spool has ended and everything is delivered, or until the sweep is gone."""
        serving = asyncio.create_task(self._serve_run())
        listening = asyncio.create_task(self._listen(orders))
        reporting = asyncio.create_task(self._report_often())
        await asyncio.wait([serving, listening, reporting], return_when=asyncio.FIRST_COMPLETED)
        tasks = (serving, listening, reporting)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_S)
        self._report()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _serve_run(self) -> None:
        with await self._lock():
            await self._serve_all()

    async def _lock(self) -> contextlib.ExitStack:
        """Lock the run; a process that served it for a killed sweep is about to notice that and to end."""
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while True:
            stack = contextlib.ExitStack()
            try:
                stack.enter_context(self._folder.locked("relay"))
            except InputError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return stack

    async def _serve_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for relay in self._relays:
                group.create_task(self._serve(relay))

    async def _serve(self, relay: Relay) -> None:
        try:
            await relay.run()
        except SmtpsweepError as error:  # the others go on
            self._failures[relay.name] = str(error)
        except Exception as error:  # noqa: BLE001  a bug in this receiver, or in ours, must not end the others
            self._failures[relay.name] = f"failed with {type(error).__name__}, a bug"
        self._changed.set()

    async def _listen(self, orders: asyncio.StreamReader) -> None:
        """Carry out orders until `stop` or the end of input; an `end` of the spool does not end this."""
        while line := await orders.readline():
            order = orjson.loads(line)
            for relay in self._relays:
                if "durable" in order:
                    relay.durable(order["durable"])
                if "end" in order:
                    relay.finish()
            if "stop" in order:
                return

    async def _report_often(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY_S * 4):
                    await self._changed.wait()
            self._changed.clear()
            self._report()
            await asyncio.sleep(REPORT_EVERY_S)

    def _report(self) -> None:
        relays = [
            asdict(relay.statistics()) | {"needs_after": relay.needs_after, "failure": self._failures.get(relay.name)}
            for relay in self._relays
        ]
        _say(self._reports, {"relays": relays})


def _say(reports: int, document: Mapping[str, Any]) -> None:
    line = memoryview(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    while line:
        line = line[os.write(reports, line) :]


def own_channels() -> tuple[int, int]:
    """Return descriptors of our own for orders and reports; 0 becomes empty, 1 becomes standard error."""
    orders, reports = os.dup(0), os.dup(1)  # not inherited by processes that a library starts
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return orders, reports


def end_with(orders: int, after_s: float) -> None:
    """End this process `after_s` seconds after the other end of a descriptor was closed; runs in a thread."""
    hang_up = select.poll()
    hang_up.register(orders, 0)  # no events requested: only a hang-up is reported, even with unread data
    hang_up.poll()
    time.sleep(after_s)
    os._exit(1)


def _destinations(urls: Sequence[str], log_level: int) -> list[Destination]:
    """Return the destinations; from now on, standard output and error of this process are cleaned of their secrets."""
    logging.disable(logging.WARNING)  # the sweep has logged the warnings about the URLs
    destinations = make_destinations(urls)
    logging.disable(logging.NOTSET)
    sys.stdout = sys.stderr = CleanStream(sys.stderr, [one.redaction for one in destinations])
    words.configure(log_level)
    return destinations


async def main(orders_fd: int, reports: int) -> int:
    """Serve the receivers of the order that is read first; return the exit code of the process."""
    # Ctrl-C, and the end of a terminal, reach every process there; the sweep tells this one when to stop.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(orders_fd, ORPHAN_S), daemon=True).start()
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), os.fdopen(orders_fd, "rb", 0))
    try:
        process = RelayProcess(orjson.loads(await orders.readline()), reports)
        await process.run(orders)
    except SmtpsweepError as error:
        _say(reports, {"failure": str(error)})
        return 1
    except BrokenPipeError:  # the sweep is gone
        return 1
    return 0


if __name__ == "__main__":
    channels = own_channels()
    os.nice(NICENESS)
    gc.freeze()  # what was imported is here to stay
    gc.set_threshold(20_000, 20, 100)  # events are many and short-lived; collecting took 10 % of a relay's time
    sys.exit(uvloop.run(main(*channels)))
