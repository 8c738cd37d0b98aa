"""Records by their numbers, and the log of a run that holds them: what a relay has to deliver."""

import orjson

from scanner.delivery.spool import Quota, RunFolder, SpoolWriter


def record(number: int) -> bytes:
    document = {"schema": "smtpsweep.record/1", "event_id": f"{number:032x}", "ip": "192.0.2.1", "port": 25,
                "observed_at": "2026-11-22T10:16:56.123Z", "findings": []}  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


async def log_of(folder: RunFolder, count: int, *, first: int = 1, segment_bytes: int = 10_000) -> None:
    log = SpoolWriter(folder, Quota(), segment_bytes=segment_bytes)
    await log.open(None, "run-1")
    for number in range(first, first + count):
        await log.write([record(number)])
    await log.close()


def records(first: int, last: int) -> list[bytes]:
    return [record(number) for number in range(first, last + 1)]
