"""The usual way to do it: one task a target, asyncio streams, a semaphore. The baseline that a sweep is compared with.

`python -m benchmarks.streams_client FIRST COUNT PORT CONCURRENCY OUTPUT` visits COUNT addresses from FIRST on (loopback
only), reads one line from each, and writes one JSON line a host with the address and the text. It runs under uvloop and
uses nothing unusual: it is what one would write in an afternoon. No QUIT, no parsing, no pacing, no exclusions.
"""

import asyncio
import ipaddress
import json
import sys
from pathlib import Path
from typing import TextIO

import uvloop

CONNECT_TIMEOUT_S = 5.0
GREETING_TIMEOUT_S = 30.0


async def visit(address: str, port: int, gate: asyncio.Semaphore, output: TextIO) -> None:
    """Write what one host says first, or nothing when it does not answer."""
    async with gate:
        try:
            opening = asyncio.open_connection(address, port)
            reader, writer = await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)
            line = await asyncio.wait_for(reader.readline(), GREETING_TIMEOUT_S)
            writer.close()
            await writer.wait_closed()
        except (OSError, TimeoutError):
            return
    output.write(json.dumps({"ip": address, "banner": line.decode("latin-1").rstrip()}) + "\n")


async def visit_all(first: ipaddress.IPv4Address, count: int, port: int, concurrency: int, output: TextIO) -> None:
    """Visit `count` addresses, `concurrency` at a time, with a task for each."""
    gate = asyncio.Semaphore(concurrency)
    async with asyncio.TaskGroup() as tasks:
        for offset in range(count):
            tasks.create_task(visit(str(first + offset), port, gate, output))


def main() -> None:
    """Read the arguments and run.

    Raises:
        SystemExit: when an address is not on loopback.
    """
    first, count, port, concurrency = ipaddress.IPv4Address(sys.argv[1]), *map(int, sys.argv[2:5])
    if not (first.is_loopback and (first + (count - 1)).is_loopback):
        raise SystemExit("streams_client: only 127.0.0.0/8 is visited")
    with Path(sys.argv[5]).open("w", encoding="utf-8") as output:
        uvloop.run(visit_all(first, count, port, concurrency, output))


if __name__ == "__main__":
    main()
