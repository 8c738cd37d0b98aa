"""Records in files, for the tests of sinks: made, written, read back with other code, and resumed."""

import gzip
import random
from pathlib import Path

import zstandard

from scanner.delivery import FileSink, Position, SinkOptions

NAMES = ["sweep.jsonl", "sweep.jsonl.gz", "sweep.jsonl.zst"]


def lines(first: int, count: int, size: int = 80) -> list[bytes]:
    """Make lines that do not compress well, so that every file has many bytes to be torn at."""
    noise = random.Random(first)
    return [
        b'{"n":%d,"x":"%s"}\n' % (n, noise.randbytes(size // 2).hex().encode()) for n in range(first, first + count)
    ]


def read(path: Path) -> bytes:
    """Read with other code than wrote it: complete units only, anything torn raises."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
    return raw


async def written(path: Path, *batches: list[bytes], options: SinkOptions | None = None) -> Position | None:
    sink = FileSink(path, options)
    await sink.open(None)
    for batch in batches:
        await sink.write(batch)
    await sink.close()
    return sink.position()


async def resumed(path: Path, position: Position | None, *batches: list[bytes]) -> Position | None:
    sink = FileSink(path)
    await sink.open(position)
    reached = sink.position()
    for batch in ([], *batches):  # the first write has no lines: it says that the sweep begins
        await sink.write(batch)
    await sink.close()
    return reached


def place(position: Position | None) -> dict[str, int | str]:
    """Return a position of a file without the checksum of what lies before it."""
    return {key: value for key, value in (position or {}).items() if key in {"part", "bytes", "before"}}
