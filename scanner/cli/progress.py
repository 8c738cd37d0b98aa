"""What a person sees while a sweep runs, and at its end. Everything goes to stderr.

On a terminal one block is redrawn four times a second (`scanner.cli.live`); elsewhere one line is written every ten
seconds; with `--quiet` nothing. The time left is reckoned from targets, not from hosts found, over the last half
minute: right for ranges where one address in a thousand answers.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scanner.cli.streams import say as _say
from scanner.model import Status
from scanner.overview import remarks
from scanner.pipeline import Sweep, SweepStatistics
from scanner.plan import reasons_text, seconds_text
from scanner.summary import Summary

_LINE_S = 10.0
#: Seconds over which the pace is measured.
_WINDOW_S = 30.0


class Pace:
    """Targets finished a second over the last half minute, and what is left at that pace."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def update(self, counts: SweepStatistics) -> tuple[float, float | None]:
        """Return (targets a second, seconds left); None when nothing has happened yet."""
        points = self._points
        points.append((counts.elapsed_s, counts.finished))
        while len(points) > 2 and points[-1][0] - points[0][0] > _WINDOW_S:
            points.popleft()
        passed = points[-1][0] - points[0][0]
        rate = (points[-1][1] - points[0][1]) / passed if passed > 0 else 0.0  # clocks are set back at times
        left = counts.planned - counts.excluded - counts.finished
        return rate, left / rate if rate else None


@asynccontextmanager
async def shown(run: Sweep, *, quiet: bool, live: bool) -> AsyncIterator[None]:
    """Show the progress of a sweep while the body runs."""
    if quiet:
        yield
        return
    _announce(run)
    task = asyncio.create_task(
        _redraw(run) if live and sys.stderr is not None and sys.stderr.isatty() else _write_lines(run)
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _announce(run: Sweep) -> None:
    settings = run.settings
    rate = f"{settings.rate:g} a second" if settings.rate else "no rate limit"
    subnet = f", {settings.subnet_rate:g} a second towards one /24" if settings.subnet_rate else ""
    why = reasons_text(run.plan.excluded_why)
    excluded = f"{run.plan.excluded_count:,} excluded" + (f" ({why})" if why else "")
    _say(
        f"{run.plan.to_visit:,} targets to visit, {excluded}; {rate}{subnet}, "
        f"{settings.concurrency:,} at once, seed {settings.seed}"
    )
    for notice in run.notices:
        _say(notice)


async def _write_lines(run: Sweep) -> None:
    pace = Pace()
    pace.update(run.statistics())
    while True:
        await asyncio.sleep(_LINE_S)
        counts = run.statistics()
        rate, left = pace.update(counts)
        _say(_line(counts, rate, left))


def _line(counts: SweepStatistics, rate: float, left_s: float | None) -> str:
    to_visit = counts.planned - counts.excluded
    waiting = counts.pool.waiting if counts.pool else 0
    no_way = f", {counts.pool.no_way:,} without a route" if counts.pool and counts.pool.no_way else ""
    return (
        f"{counts.finished:,}/{to_visit:,} ({counts.finished / max(1, to_visit):.1%}) {rate:,.0f}/s "
        f"left {time_left(left_s)}, {counts.records:,} records, {counts.statuses.get(Status.READY, 0):,} ready, "
        f"{waiting:,} waiting{no_way}"
    )


def time_left(seconds: float | None) -> str:
    """Write the estimate for people."""
    return seconds_text(seconds) if seconds is not None else "unknown"


async def _redraw(run: Sweep) -> None:
    from scanner.cli.live import redraw  # noqa: PLC0415  rich costs a tenth of a second that only terminals need

    await redraw(run, Pace())


def print_summary(summary: Summary) -> None:
    """Print how a sweep ended: its books, what was found, and what was not visited when it is not complete."""
    document = summary.document
    rows = [("planned", document["planned"]), ("excluded", document["excluded"]), *document["statuses"].items()]
    if document["not_visited"]:
        rows.append(("not visited", document["not_visited"]))
    why = reasons_text(document.get("excluded_why", {}))
    for name, count in rows:
        _say(f"  {name:<16}{count:>12,}" + (f"  ({why})" if name == "excluded" and why else ""))
    if document["refused_us"]:
        _say(f"{document['refused_us']:,} of them refused this address: they were not really seen")
    if document["products"]:
        _say("products: " + _products(document["products"]))
    for remark in remarks(document):
        _say(remark)
    _say(f"{document['records']:,} records, {document['connections']:,} connections in {document['elapsed_s']:,.1f} s")


def _products(products: Mapping[str, Any]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(products.items())[:12]]
    return ", ".join(shown) + (f" and {len(products) - 12} more" if len(products) > 12 else "")
