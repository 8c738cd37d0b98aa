"""`sweep` and `check` for programs, on the same pipeline as the command line.

`sweep` is an asynchronous generator over `sweeps.pipeline.Sweep` with one sink, which hands each batch of lines to the
consumer. A batch is written when the consumer has finished its last record, that is, when it asks for the next one. So
a slow consumer slows the sweep, `Delivery` bounds the memory, and a state file counts only what the consumer has
processed.

Records are decoded from the delivered lines, as any reader of a file would do it, so there is one contract and one way
through the pipeline. Left out: several sinks and progress; use the command line, or `Sweep` itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence, Sized
from pathlib import Path

from scanner.delivery import Position
from scanner.model import Record
from scanner.record import decode
from scanner.settings import Settings
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.saved_state import Saved
from scanner.sweeps.single_check import check_host
from scanner.sweeps.summary import Summary
from scanner.targets import Spec, TextSource, parse_exclusions, parse_spec

__all__ = ["check", "sweep"]


async def sweep(
    targets: str | Iterable[str],
    *,
    exclude: str | Iterable[str] = (),
    settings: Settings | None = None,
    state: Path | None = None,
    on_summary: Callable[[Summary], None] | None = None,
) -> AsyncGenerator[Record]:
    """Visit targets and yield a record for each host that answers, in the order in which the visits end.

    The sweep goes no faster than its records are consumed. Leaving the loop early stops it at once: open connections
    are closed, and with a `state` the next run visits them again, and the hosts of the batch that was not finished.
    Wrap the generator in `contextlib.aclosing` if you may leave early, so that it stops then and not later.

    Args:
        targets: addresses, CIDR blocks, ranges, globs, host names and `mx:DOMAIN`, or an open file of them. `@FILE`
            and `-` work only on the command line.
        exclude: never visit these; the same forms.
        settings: how to sweep; by default gentle, with seed 0, so that two runs visit in the same order.
        state: a checkpoint file; an existing one is resumed, with the same targets, exclusions and settings.
        on_summary: called with the summary when the sweep has ended, complete or not.

    Raises:
        InputError: if targets, settings or state cannot be used; nothing was visited then.
        LocalError: if this machine cannot open connections; after the records found until then.
        SinkError: if the state cannot be written.
    """
    plan = await _plan(targets, exclude, settings or Settings(), state)
    sink = _Handover()
    run = Sweep(plan, [sink], state=state)
    await run.prepare()
    # No TaskGroup: it must not be held open over a yield. The owner of this task is the `finally` below.
    visiting = asyncio.create_task(run.run())
    visiting.add_done_callback(sink.end)
    try:
        while (line := await sink.next_line()) is not None:
            yield decode(line)
            sink.taken()
    finally:
        if not visiting.done():
            run.abort()
            await asyncio.wait([visiting])
        summary = visiting.result()
        if on_summary is not None:
            on_summary(summary)
    if run.failure is not None:
        raise run.failure


async def _plan(
    targets: str | Iterable[str], exclude: str | Iterable[str], settings: Settings, state: Path | None
) -> Plan:
    """Plan the sweep; with a state, names have the addresses that they had when that sweep began."""
    saved = Saved.read(state) if state is not None else None
    known = saved.names if saved is not None else None
    asked, never = _spec("targets", targets), _spec("exclude", exclude)
    return await make_plan(asked, never, settings, known, strict=settings.strict_names)


async def check(host: str, *, exclude: str | Iterable[str] = (), settings: Settings | None = None) -> list[Record]:
    """Visit every address of one host; return a record for each address and port, whatever became of the visit.

    Args:
        host: a name or an address.
        exclude: never visit these; the same forms as for `sweep`.
        settings: ports, time-outs and the like.

    Raises:
        InputError: if it is more than one host, cannot be resolved, or is excluded.
        LocalError: if this machine cannot open connections.
    """
    return await check_host(host, settings or Settings(), exclude=_texts(exclude))


class _Handover:
    """A sink that gives lines to one consumer; `write` returns when the consumer has finished all of them."""

    name = "the caller of sweep()"

    def __init__(self) -> None:
        # It never holds more than one batch, which Delivery bounds; None is the end.
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def open(self, resume: Position | None) -> None:
        """Do nothing: the consumer is there."""

    async def write(self, lines: Sequence[bytes]) -> None:
        """Hand over the lines, and wait until the last was taken."""
        for line in lines:
            self._lines.put_nowait(line)
        await self._lines.join()

    def position(self) -> Position | None:
        """Return None: the consumer keeps its records itself."""
        return None

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def end(self, visiting: asyncio.Task[Summary]) -> None:
        """Tell the consumer that there are no more lines (a callback of the sweep's task)."""
        del visiting
        self._lines.put_nowait(None)

    async def next_line(self) -> bytes | None:
        """Return the next line, None at the end."""
        return await self._lines.get()

    def taken(self) -> None:
        """Note that the consumer has finished its last line."""
        self._lines.task_done()


def _texts(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _spec(argument: str, given: str | Iterable[str]) -> Spec:
    texts = [given] if isinstance(given, str) else given  # not a tuple: a file of a million lines is read as it comes
    # No texts at all are accepted as such; an empty text or file is refused.
    named = [] if isinstance(texts, Sized) and not len(texts) else [TextSource(argument, texts)]
    return parse_exclusions(named) if argument == "exclude" else parse_spec(named)
