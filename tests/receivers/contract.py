"""What every remote sink has to keep, whoever receives: all records arrive while everything is killed.

A sweep's side (`SpoolSink`: log, relay process, cursors) writes records; meanwhile the relay's process and the
receiver are killed with SIGKILL, at moments that a seed draws: when so many records have been acknowledged. What is
stored in the end is for each receiver's own test to read and to compare with `event_ids`.

`records` are numbered, and their event ids are their numbers in hexadecimal, so that "which one is missing" has an
answer. Target `number % TARGETS` repeats, so that order per target can be checked.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.dead_letters import DeadLetter
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError
from scanner.record import encode
from tests.support.records import full_record
from tests.support.waiting import eventually

#: How many records the contract is about. `test_everything` has 100,000 of a real sweep for all receivers at once.
RECORDS: Final = int(os.environ.get("SMTPSWEEP_TEST_RECORDS", "40000"))
TARGETS: Final = RECORDS // 5
_WRITE: Final = 500
#: Without findings: formats make one event of it, with the id of the record.
_TEMPLATE: Final = encode(full_record()._replace(event_id="EVENT-ID", ip="TARGET-IP", findings=()))


class Restartable(Protocol):
    """A receiver that can be killed and started again, with what it has stored."""

    def kill(self) -> None:
        """End it at once, as SIGKILL does."""
        ...

    async def start(self) -> object:
        """Start it and return when it takes requests."""
        ...


class Delivered(NamedTuple):
    """What became of a delivery: the sink's last statistics (`RelayStatistics` as a dictionary), its dead letters."""

    statistics: dict[str, Any]
    dead: list[DeadLetter]
    relay_kills: int
    receiver_kills: int


def record_line(number: int) -> bytes:
    """Return a whole record as a sweep writes it, with its line feed."""
    target = number % TARGETS
    ip = b"198.%d.%d.%d" % (18 + (target >> 16), (target >> 8) & 255, target & 255)
    return _TEMPLATE.replace(b"EVENT-ID", b"%032x" % number).replace(b"TARGET-IP", ip)


def record_lines(first: int, last: int) -> list[bytes]:
    """Return the records of these numbers, both included."""
    return [record_line(number) for number in range(first, last + 1)]


def event_ids(count: int = RECORDS) -> set[str]:
    """Return the ids of records 1 to `count`."""
    return {f"{number:032x}" for number in range(1, count + 1)}


async def deliver_under_fire(
    folder: Path,
    url: str,
    *,
    seed: int,
    count: int = RECORDS,
    receiver: Restartable | None = None,
    relay_kills: int = 2,
    receiver_kills: int = 1,
    lines: Callable[[int, int], list[bytes]] = record_lines,
    drain_s: float = 120.0,
) -> Delivered:
    """Deliver records 1 to `count` to one sink, killing on the way, and return when the sink says that all is done.

    Args:
        folder: of the run.
        url: of the sink; what its secrets need must be in the environment.
        seed: of the moments.
        count: of records.
        receiver: what to kill and to start again, None when it stays.
        relay_kills: how often the relay's process is killed.
        receiver_kills: how often the receiver is.
        lines: makes the records from a first to a last number.
        drain_s: at the end, how long to wait without any acknowledgement.

    Raises:
        SinkError: when records are left.
    """
    chance = random.Random(seed)
    remote = SpoolSink(RunFolder(folder), make_destinations([url]), {}, drain_s=drain_s)
    await remote.open(None)
    writing = asyncio.create_task(_write(remote, count, lines))
    kills: list[Callable[[], Awaitable[None]]] = [lambda: _kill_relay(remote)] * relay_kills
    if receiver is not None:
        kills += [lambda: _restart(receiver)] * receiver_kills
    chance.shuffle(kills)
    try:
        for moment, kill in zip(_moments(chance, count, len(kills)), kills, strict=True):
            await _until_acknowledged(remote, moment)
            await kill()
        await writing
    finally:
        writing.cancel()
        await close_with_dead_letters(remote)
    (statistics,) = remote.reports
    dead = list(dead_letters.read(RunFolder(folder).sinks / f"{statistics['name']}.dead.jsonl"))
    return Delivered(statistics, dead, relay_kills, receiver_kills if receiver is not None else 0)


async def close_with_dead_letters(remote: SpoolSink) -> None:
    """Close sinks that may have refused records, which is for the caller to look at; what is left raises SinkError."""
    try:
        await remote.close()
    except SinkError:
        if any(sink["waiting"] for sink in remote.sinks):
            raise


async def _write(remote: SpoolSink, count: int, lines: Callable[[int, int], Sequence[bytes]]) -> None:
    for first in range(1, count + 1, _WRITE):
        await remote.write(lines(first, min(count, first + _WRITE - 1)))
        await asyncio.sleep(0)  # others have their turn


def _moments(chance: random.Random, count: int, number: int) -> Iterator[int]:
    """Draw when to kill, in records acknowledged; not in the last part, so that every kill hits work."""
    yield from sorted(chance.randrange(0, max(1, count * 8 // 10)) for _ in range(number))


async def _until_acknowledged(remote: SpoolSink, records: int) -> None:
    await eventually(lambda: sum(report["sequence"] for report in remote.reports) >= records, patience_s=600)


async def _kill_relay(remote: SpoolSink) -> None:
    pid = remote.relay_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: remote.relay_pid != pid)  # started again


async def _restart(receiver: Restartable) -> None:
    receiver.kill()
    await receiver.start()
