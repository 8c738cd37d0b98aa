"""Progress of a sweep and its summary, for people. Everything goes to stderr.

On a terminal one block is redrawn four times a second (`scanner.cli.live`), elsewhere one line is written every ten
seconds, and with `--quiet` nothing. The time left is estimated from the targets finished in the last half minute, not
from hosts found: that is right even where one address in a thousand answers.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from scanner.cli import streams
from scanner.cli.outputs import Outputs
from scanner.cli.pace import Pace, time_left
from scanner.cli.sink_lines import MOST_SINKS, SinkLine, SinkWatch, summary_line
from scanner.cli.streams import say as _say
from scanner.model import Status
from scanner.sweeps.notices import remarks
from scanner.sweeps.pipeline import Sweep, SweepStatistics
from scanner.sweeps.plan import reasons_text
from scanner.sweeps.summary import Summary
from scanner.text.counted import counted

_LINE_S = 10.0
#: Seconds until a notice is shown.
_NOTICES_S = 0.25


class ToldNotices:
    """The notices that have been shown: each is shown once, when it comes up."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def skip(self, notices: Iterable[str]) -> None:
        """Note what was shown in another way."""
        self._said.update(notices)

    def say_new(self, notices: Iterable[str]) -> None:
        """Show those that were not shown before."""
        for notice in notices:
            if notice not in self._said:
                self._said.add(notice)
                _say(notice)


@asynccontextmanager
async def shown(run: Sweep, outputs: Outputs | None = None, *, quiet: bool, live: bool) -> AsyncIterator[ToldNotices]:
    """Show the progress of a sweep and of its sinks while the body runs; yield the notices shown."""
    said = ToldNotices()
    if quiet:
        yield said
        return
    _announce(run)
    said.say_new(run.notices)
    sinks, voice = SinkWatch(outputs), streams.voice()
    drawn = live and voice is not None and voice.isatty() and can_redraw(os.environ.get("TERM", ""))
    tasks = [
        asyncio.create_task(_watch_notices(run, said)),
        asyncio.create_task(_redraw(run, sinks, voice) if drawn and voice is not None else _write_lines(run, sinks)),
    ]
    try:
        yield said
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def can_redraw(term: str) -> bool:
    """Return whether a terminal of this type can move its cursor up."""
    return term.lower() not in ("", "dumb", "unknown")


async def _watch_notices(run: Sweep, said: ToldNotices) -> None:
    while True:
        said.say_new(run.notices)
        await asyncio.sleep(_NOTICES_S)


def _announce(run: Sweep) -> None:
    settings = run.settings
    rate = f"{settings.rate:g} per second" if settings.rate else "no rate limit"
    subnet = f", {settings.subnet_rate:g} per second to one /24" if settings.subnet_rate else ""
    why = reasons_text(run.plan.excluded_why)
    excluded = f"{run.plan.excluded_count:,} excluded" + (f" ({why})" if why else "")
    _say(
        f"{counted(run.plan.to_visit, 'target')} to visit, {excluded}; {rate}{subnet}, "
        f"{settings.concurrency:,} at once, seed {settings.seed}"
    )


async def _write_lines(run: Sweep, sinks: SinkWatch) -> None:
    pace = Pace()
    pace.update(run.statistics())
    while True:
        await asyncio.sleep(_LINE_S)
        counts = run.statistics()
        rate, left = pace.update(counts)
        _say(_line(counts, rate, left) + _troubled(sinks.lines(counts)))


def _troubled(sinks: Sequence[SinkLine]) -> str:
    """Return what to add to a line: the sinks that are in trouble or lack records, up to `MOST_SINKS`."""
    behind = [sink for sink in sinks if sink.since is not None or sink.dead or sink.skipped or sink.waiting]
    more = f"; and {len(behind) - MOST_SINKS} more sinks" if len(behind) > MOST_SINKS else ""
    return "".join(f"; {sink.text()}" for sink in behind[:MOST_SINKS]) + more


def _line(counts: SweepStatistics, rate: float, left_s: float | None) -> str:
    to_visit = counts.planned - counts.excluded
    waiting = counts.pool.waiting if counts.pool else 0
    no_way = f", {counts.pool.no_way:,} without a route" if counts.pool and counts.pool.no_way else ""
    return (
        f"{counts.finished:,}/{to_visit:,} ({counts.finished / max(1, to_visit):.1%}) {rate:,.0f}/s, "
        f"{time_left(left_s)} left, {counts.records:,} records, {counts.statuses.get(Status.READY, 0):,} ready, "
        f"{waiting:,} waiting{no_way}"
    )


async def _redraw(run: Sweep, sinks: SinkWatch, voice: streams.Voice) -> None:
    from scanner.cli.live import redraw  # noqa: PLC0415  rich costs a tenth of a second that only terminals need

    await redraw(run, Pace(), sinks, voice)


def print_summary(summary: Summary, said: ToldNotices | None = None) -> None:
    """Print how a sweep ended: its counts, what was found or not visited, its sinks, and notices not shown yet."""
    document = summary.document
    rows = [("planned", document["planned"]), ("excluded", document["excluded"]), *document["statuses"].items()]
    if document["not_visited"]:
        rows.append(("not visited", document["not_visited"]))
    why = reasons_text(document.get("excluded_why", {}))
    for name, count in rows:
        _say(f"  {name:<16}{count:>12,}" + (f"  ({why})" if name == "excluded" and why else ""))
    if document["refused_us"]:
        _say(f"{document['refused_us']:,} of them refused this address, so their usual greeting was not seen")
    if document["products"]:
        greeted = sum(document["statuses"].get(status, 0) for status in ("ready", "busy", "rejected", "temporary"))
        unnamed = max(greeted - sum(document["products"].values()), 0)
        _say("products: " + _products(document["products"]) + (f", not named {unnamed:,}" if unnamed else ""))
    for sink in document.get("sinks") or ():
        _say(f"sink {summary_line(sink)}")
    (said or ToldNotices()).say_new([*document.get("notices", ()), *remarks(document)])
    made = f"{counted(document['records'], 'record')}, {counted(document['connections'], 'connection')}"
    _say(f"{made} in {document['elapsed_s']:,.1f} s")


def _products(products: Mapping[str, Any]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(products.items())[:12]]
    return ", ".join(shown) + (f" and {len(products) - 12} more" if len(products) > 12 else "")
