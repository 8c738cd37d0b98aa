"""The block that a terminal shows while a sweep runs, drawn with rich, markup off."""

import asyncio
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scanner.cli.progress import Pace, time_left
from scanner.model import Status
from scanner.pipeline import Sweep, SweepStatistics

_REDRAW_S = 0.25
_STATUS_STYLE = {Status.READY: "green", Status.BUSY: "yellow", Status.TEMPORARY: "yellow", Status.REJECTED: "yellow"}


async def redraw(run: Sweep, pace: Pace) -> None:
    """Redraw until cancelled; the block then disappears, and the summary takes its place."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    with Live(console=console, auto_refresh=False, transient=True) as view:
        while True:
            view.update(_block(run.statistics(), pace), refresh=True)
            await asyncio.sleep(_REDRAW_S)


def _block(counts: SweepStatistics, pace: Pace) -> RenderableType:
    rate, left = pace.update(counts)
    to_visit = counts.planned - counts.excluded
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=max(1, to_visit), completed=counts.finished, width=40),
        Text(f"{counts.finished:,} of {to_visit:,}"),
        Text(f"{rate:,.0f}/s"),
        Text(f"left {time_left(left)}"),
    )
    rows: list[RenderableType] = [head, _statuses(counts.statuses)]
    if counts.pool is not None:
        pool = counts.pool
        no_way = f"{pool.no_way:,} without a route, " if pool.no_way else ""
        rows.append(
            Text(
                f"{pool.connecting:,} connecting, {pool.waiting:,} waiting for a greeting, {pool.leaving:,} leaving, "
                f"{pool.retrying + pool.deferred:,} put off, {no_way}{counts.pending:,} on the way to the sinks",
                style="dim",
            )
        )
    return Group(*rows)


def _statuses(counts: Mapping[Status, int]) -> Text:
    text = Text()
    for status in Status:
        if counts.get(status):
            text.append(f"{status.value} {counts[status]:,}  ", style=_STATUS_STYLE.get(status, "default"))
    return text or Text("nothing found yet", style="dim")
