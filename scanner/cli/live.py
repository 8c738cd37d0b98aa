"""The block that a terminal shows while a sweep runs: progress, what was found, and the state of each sink.

Rich lays it out (markup off), and this module draws it through standard error (`scanner.cli.streams`). To write a line
there, `streams` removes the block, writes the line, and draws the block again; so lines are never torn and no old block
stays behind. The block is smaller than the terminal: rows that a terminal scrolls or wraps cannot be removed.

Ctrl-Z removes the block before the shell takes the terminal, and `fg` brings it back; in the background nothing is
drawn. Left out: terminals that cannot move the cursor (`TERM=dumb`), which get lines (`scanner.cli.progress`).
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scanner.cli.pace import Pace, time_left
from scanner.cli.sink_lines import MOST_SINKS, SinkLine, SinkWatch
from scanner.cli.streams import Voice
from scanner.engine import PoolStatistics
from scanner.model import Status
from scanner.sweeps.pipeline import Sweep, SweepStatistics

_REDRAW_S = 0.25
_STATUS_STYLE = {Status.READY: "green", Status.BUSY: "yellow", Status.TEMPORARY: "yellow", Status.REJECTED: "yellow"}


async def redraw(run: Sweep, pace: Pace, sinks: SinkWatch, voice: Voice) -> None:
    """Redraw until cancelled; then remove the block, which makes room for the summary."""
    block = Block(voice)
    try:
        with _suspended_well(block):
            while True:
                counts = run.statistics()
                if _in_foreground(voice):
                    block.draw(_block(counts, pace, sinks.lines(counts), voice.terminal_size()[0]))
                else:
                    block.hide()
                await asyncio.sleep(_REDRAW_S)
    finally:
        block.hide()


class Block:
    """Rows at the bottom of a terminal that are redrawn."""

    def __init__(self, voice: Voice) -> None:
        """Draw on this terminal."""
        self._voice = voice
        self._console = Console(stderr=True, markup=False, highlight=False, emoji=False)

    def draw(self, contents: RenderableType) -> None:
        """Show this instead of what was shown before."""
        console, (columns, rows) = self._console, self._voice.terminal_size()
        console.width = max(1, columns - 1)
        with console.capture() as captured:
            console.print(contents)
        lines = captured.get().splitlines()[: max(1, rows - 1)]
        widths = [Text.from_ansi(line).cell_len for line in lines]
        text = "".join(f"{line}\n" for line in lines)
        self._voice.show(text.encode(console.encoding, "replace"), lambda: self._erase(widths))

    def hide(self) -> None:
        """Remove it."""
        self._voice.hide()

    def _erase(self, widths: Sequence[int]) -> bytes:
        """Return what removes rows of these widths, also if the terminal has become narrower and wrapped them."""
        columns, rows = self._voice.terminal_size()
        drawn = sum(max(1, -(-width // max(1, columns))) for width in widths)
        return b"\r\x1b[%dA\x1b[J" % min(drawn, max(1, rows - 1))


def _block(counts: SweepStatistics, pace: Pace, sinks: Sequence[SinkLine] = (), columns: int = 120) -> RenderableType:
    rows: list[RenderableType] = [_head(counts, pace, columns), _statuses(counts.statuses)]
    if counts.pool is not None:
        rows.append(_line(_connections(counts, counts.pool), "dim"))
    rows += [_line(sink.text(), "red" if sink.since is not None else "dim") for sink in sinks[:MOST_SINKS]]
    if len(sinks) > MOST_SINKS:
        rows.append(_line(f"and {len(sinks) - MOST_SINKS} more sinks", "dim"))
    return Group(*rows)


def _head(counts: SweepStatistics, pace: Pace, columns: int) -> Table:
    rate, left = pace.update(counts)
    to_visit = counts.planned - counts.excluded
    head = Table.grid(padding=(0, 2))
    for _ in range(4):
        head.add_column(no_wrap=True, overflow="crop")
    head.add_row(
        ProgressBar(total=max(1, to_visit), completed=counts.finished, width=min(40, max(4, columns - 45))),
        Text(f"{counts.finished:,} of {to_visit:,}"),
        Text(f"{rate:,.0f}/s"),
        Text(f"{time_left(left)} left"),
    )
    return head


def _connections(counts: SweepStatistics, pool: PoolStatistics) -> str:
    no_way = f"{pool.no_way:,} without a route, " if pool.no_way else ""
    return (
        f"{pool.connecting:,} connecting, {pool.waiting:,} waiting for a greeting, {pool.leaving:,} leaving, "
        f"{pool.retrying + pool.deferred:,} deferred, {no_way}{counts.pending:,} pending for the sinks"
    )


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _statuses(counts: Mapping[Status, int]) -> Text:
    text = Text()
    for status in Status:
        if counts.get(status):
            text.append(f"{status.value} {counts[status]:,}  ", style=_STATUS_STYLE.get(status, "default"))
    return text or Text("nothing found yet", style="dim")


def _in_foreground(voice: Voice) -> bool:
    """Return whether we have the terminal; the shell has it when we are in the background."""
    try:
        return os.tcgetpgrp(voice.fileno()) == os.getpgrp()
    except OSError:
        return True  # not our controlling terminal, so job control does not apply


@contextmanager
def _suspended_well(block: Block) -> Iterator[None]:
    """Remove the block before Ctrl-Z suspends us; `redraw` draws it again afterwards."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int, frame: object) -> None:
        del number, frame
        loop.call_soon_threadsafe(suspend)  # not in the middle of a drawing

    def suspend() -> None:
        block.hide()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # suspended here until `fg`
        signal.signal(signal.SIGTSTP, on_signal)

    before = signal.getsignal(signal.SIGTSTP)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGTSTP, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
