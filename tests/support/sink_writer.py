"""A writer for other tests to kill or to starve: batch after batch into a file, each acknowledgement on stdout.

Run as `python -m tests.support.sink_writer PATH POSITION [LIMIT]`. Without a limit batches are large, so that a kill
falls into the middle of one; LIMIT bytes is what a file may hold (RLIMIT_FSIZE), with small batches.
"""

import ast
import asyncio
import os
import resource
import sys

from scanner.delivery import FileSink, Position
from scanner.errors import SinkError


async def main(path: str, position: Position | None, limit: int) -> None:
    """Write until killed or until the sink fails."""
    batch, size = (10, 40) if limit else (2000, 1000)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sink = FileSink(path)
    await sink.open(position)
    noise = os.urandom(size // 2).hex().encode()
    count = 0
    try:
        while True:
            await sink.write([b'{"n":%d,"x":"%s"}\n' % (count + n, noise) for n in range(batch)])
            count += batch
            reached = sink.position() or {}
            os.write(1, f"{count} {reached['part']} {reached['bytes']}\n".encode())
    except SinkError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], ast.literal_eval(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
