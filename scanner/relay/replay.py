"""A run's records delivered after the sweep: what a receiver has not got, everything again, or its dead letters."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from scanner.errors import InputError, SinkError
from scanner.formats import Event
from scanner.relay import dead_letters
from scanner.relay.breaker import Breaker
from scanner.relay.dead_letters import DeadLetter
from scanner.relay.destination import Destination, make_destinations
from scanner.relay.relay import Relay, RelayStatistics
from scanner.relay.settling import Settling
from scanner.runlog import RunFolder, last_record, read_cursor, write_cursor

#: How often progress is looked at.
_LOOK_EVERY_S = 0.5


class Replayed(NamedTuple):
    """What became of it: records delivered now, refused for good, and not delivered, with the reason."""

    delivered: int
    dead: int
    left: int
    trouble: str | None


def find_destination(folder: RunFolder, sink: str) -> Destination:
    """Return the destination that a name means in a run, or a new one when it is a URL.

    Raises:
        InputError: when the run has no sink of that name, or it cannot be used.
    """
    if "://" in sink:
        return make_destinations([sink])[0]
    urls = [one["url"] for one in folder.description()["sinks"]]
    names = [one["name"] for one in folder.description()["sinks"]]
    if sink not in names:
        raise InputError(f"--sink {sink!a}: is no sink of this run: it has {', '.join(names)}; or give a URL")
    return make_destinations(urls)[names.index(sink)]


async def replay(
    folder: RunFolder,
    destination: Destination,
    *,
    first: int | None,
    patience_s: float,
    on_progress: Callable[[RelayStatistics], None],
) -> Replayed:
    """Deliver the records of a run to one destination, from its cursor on.

    Args:
        folder: of the run.
        destination: whom to serve.
        first: begin with this record instead, whatever was delivered already; None: with the first not acknowledged.
        patience_s: give up after so many seconds without an acknowledgement.
        on_progress: called now and then.

    Raises:
        InputError: when another process serves the run, or the destination can never work.
        StateError: when the cursor is damaged, or records are not in the log any more.
        SinkError: when cursor or dead letters cannot be kept.
    """
    run = str(folder.description()["run"])
    with folder.locked("relay"):
        last = last_record(folder)
        file = folder.sinks / f"{destination.name}.cursor"
        cursor = read_cursor(file, run)
        if first is not None:
            if not 1 <= first <= last + 1:
                raise InputError(f"--from {first}: the run has records 1 to {last}")
            write_cursor(file, cursor._replace(sequence=first - 1))
        before = cursor
        relay = destination.relay(folder, run, lambda: None)
        relay.durable(last)
        relay.finish()
        await _run_patiently(relay, patience_s, on_progress)
    after = relay.statistics()
    return Replayed(after.delivered - before.delivered, after.dead - before.dead, after.lag, after.trouble)


async def replay_dead_letters(folder: RunFolder, destination: Destination, *, patience_s: float) -> Replayed:
    """Send what a destination refused once more; what it takes now leaves the file of dead letters.

    Raises:
        InputError: when another process serves the run, or the file is damaged.
        SinkError: when the file cannot be written.
    """
    file = folder.sinks / f"{destination.name}.dead.jsonl"
    with folder.locked("relay"):
        letters = list({letter.event_id: letter for letter in dead_letters.read(file)}.values())
        events = [event for letter in letters if (event := _event(destination, letter)) is not None]
        settling = Settling(destination.receiver, Breaker(), lambda *_: None)
        taken: set[str] = set()
        trouble = None
        try:
            async with asyncio.timeout(patience_s):
                await settling.open(str(folder.description()["run"]))
                for batch in _batches(events, destination.receiver.limits.max_events):
                    refused = {one.event.id for one in await settling.settle(batch)}
                    taken |= {event.id for event in batch} - refused
        except TimeoutError:
            trouble = "the receiver did not take them in time"
        finally:
            await destination.receiver.close()
        left = [letter for letter in letters if letter.event_id not in taken]
        try:
            dead_letters.replace(file, left)
        except OSError as error:
            raise SinkError(f"{file}: cannot be written ({error.strerror})") from error
    return Replayed(len(taken), len(left), 0 if trouble is None else len(left), trouble)


async def _run_patiently(relay: Relay, patience_s: float, on_progress: Callable[[RelayStatistics], None]) -> None:
    """Run a relay until it is done, or until it has got nowhere for too long."""
    running = asyncio.create_task(relay.run())
    sequence, waited_s = -1, 0.0
    while not running.done() and waited_s < patience_s:
        await asyncio.wait([running], timeout=min(_LOOK_EVERY_S, patience_s - waited_s))
        now = relay.statistics()
        waited_s = 0.0 if now.sequence > sequence else waited_s + _LOOK_EVERY_S
        sequence = now.sequence
        on_progress(now)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _event(destination: Destination, letter: DeadLetter) -> Event | None:
    """Make the refused event of a record again; None when the format does not make it any more."""
    made = destination.format.events(orjson.loads(letter.line), letter.line)
    return next((event._replace(sequence=letter.sequence) for event in made if event.id == letter.event_id), None)


def _batches(events: Sequence[Event], size: int) -> list[list[Event]]:
    return [list(events[start : start + size]) for start in range(0, len(events), size)]
