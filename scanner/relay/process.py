"""The process that serves the receivers of a sweep, beside the sweep's own: `python -m scanner.relay.process`.

Problem: formats, TLS, compression and client libraries want CPU time and memory, and a sweep has none to give: its one
core is busy with connections, and a slow or leaking library must not touch it.

Approach: the sweep writes the log, this process reads it. They talk in JSON lines: the sweep says on our standard input
what to serve, how far the log is on the disk, and that it has ended; we say on standard output how far each receiver
is. When our standard input closes without an end, the sweep was killed: we stop, and the cursors stay where they are.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop

from scanner.errors import InputError, SmtpsweepError
from scanner.relay.destination import make_destinations
from scanner.relay.relay import Relay
from scanner.runlog import RunFolder

#: How often the sweep is told, at least while something happens.
REPORT_EVERY_S = 0.25
LOCK_PATIENCE_S = 10.0
#: The sweep goes first: its connections have deadlines, the log has none. What waits for the processor is lag.
NICENESS = 19


class RelayProcess:
    """All relays of one run, and the conversation with the sweep."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        """Take the order: `folder`, `run` (scan id), `urls`, and `only`: names to serve, None for all."""
        folder = RunFolder(Path(order["folder"]))
        self._folder = folder
        self._changed = asyncio.Event()
        self._relays = [
            one.relay(folder, order["run"], self._changed.set)
            for one in make_destinations(order["urls"])
            if order.get("only") is None or one.name in order["only"]
        ]
        self._failures: dict[str, str] = {}

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Serve until everything is delivered after the log has ended, or until the sweep is gone."""
        with await self._lock():
            serving = asyncio.create_task(self._serve_all())
            listening = asyncio.create_task(self._listen(orders))
            reporting = asyncio.create_task(self._report_often())
            await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, listening, reporting):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._report()

    async def _lock(self) -> contextlib.ExitStack:
        """Take the run; whoever served it for a sweep that was killed is about to notice and to let go."""
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
            self._changed.set()

    async def _listen(self, orders: asyncio.StreamReader) -> None:
        """Obey until `stop` or the end of input; an `end` of the log is not the end of listening."""
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
        sys.stdout.buffer.write(orjson.dumps({"relays": relays}, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


async def _main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C goes to the whole terminal; the sweep says when to stop
        signal.signal(number, signal.SIG_IGN)
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    try:
        process = RelayProcess(orjson.loads(await orders.readline()))
        await process.run(orders)
    except SmtpsweepError as error:
        sys.stdout.buffer.write(orjson.dumps({"failure": str(error)}, option=orjson.OPT_APPEND_NEWLINE))
        return 1
    except BrokenPipeError:  # the sweep is gone
        return 1
    return 0


if __name__ == "__main__":
    os.nice(NICENESS)
    gc.freeze()  # what was imported is here to stay
    gc.set_threshold(20_000, 20, 100)  # events are many and short-lived: 10 % of the time of a relay
    sys.exit(uvloop.run(_main()))
