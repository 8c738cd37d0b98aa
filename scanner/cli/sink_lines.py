"""Progress of each sink of a running sweep, for people: what it has, what waits, and since when it is down.

Sinks that the sweep writes itself are as far as its own counts. Remote ones report from their process
(`RelayStatistics`); one is down since the time when its trouble was first seen here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from scanner.cli.outputs import Outputs
from scanner.sweeps.pipeline import SweepStatistics
from scanner.text.visible import visible

#: Characters of a reason to show; the log and the summary have all of it.
_LONGEST_REASON = 120
#: The most sinks that are shown; the others are counted.
MOST_SINKS = 8


@dataclass(frozen=True, slots=True)
class SinkLine:
    """One sink at one moment. Counts are records; `since` is local wall time, None if the sink is not down."""

    name: str
    delivered: int
    waiting: int
    dead: int = 0
    skipped: int = 0
    since: str | None = None
    why: str | None = None

    def text(self) -> str:
        """Return all of it on one line."""
        parts = [f"{self.delivered:,} delivered", f"{self.waiting:,} waiting"]
        if self.dead:
            parts.append(f"{self.dead:,} dead letters")
        if self.skipped:
            parts.append(f"{self.skipped:,} skipped")
        down = f"; down since {self.since}: {self.why}" if self.since is not None else ""
        return f"{self.name}: {', '.join(parts)}{down}"


class SinkWatch:
    """Remembers since when each sink has been down."""

    def __init__(self, outputs: Outputs | None, clock: Callable[[], float] = time.time) -> None:
        """Take the sinks (None: do not report them), and a clock for Unix time."""
        self._outputs = outputs
        self._clock = clock
        self._since: dict[str, float] = {}

    def lines(self, counts: SweepStatistics) -> Sequence[SinkLine]:
        """Return the progress of every sink."""
        return [*self._direct(counts), *self._remote()]

    def _direct(self, counts: SweepStatistics) -> Iterator[SinkLine]:
        outputs = self._outputs
        for sink in outputs.sinks if outputs is not None else ():
            if outputs is None or sink is not outputs.remote:
                yield SinkLine(visible(sink.name), counts.records, counts.pending)

    def _remote(self) -> Iterator[SinkLine]:
        remote = self._outputs.remote if self._outputs is not None else None
        for one in remote.reports if remote is not None else ():
            name, why = str(one["name"]), one.get("failure") or one.get("trouble")
            if why:
                self._since.setdefault(name, self._clock())
            else:
                self._since.pop(name, None)
            since = self._since.get(name)
            yield SinkLine(
                visible(name),
                int(one.get("delivered", 0)),
                max(0, int(one.get("last", 0)) - int(one.get("sequence", 0))),
                int(one.get("dead", 0)),
                int(one.get("skipped", 0)),
                None if since is None else time.strftime("%H:%M:%S", time.localtime(since)),
                None if why is None else _short(visible(str(why))),
            )


def _short(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 3]}..."


def summary_line(sink: "dict[str, object]") -> str:
    """Describe the result of one sink from its entry in the summary, as far as that goes."""
    words = {"delivered": "delivered", "dead": "dead letters", "skipped": "skipped", "waiting": "not delivered"}
    counts = {key: value for key in words if isinstance(value := sink.get(key), int)}
    said = [f"{count:,} {words[key]}" for key, count in counts.items() if count or key == "delivered"]
    reason = f" ({_short(visible(str(sink['reason'])))})" if sink.get("reason") else ""
    return f"{visible(str(sink.get('name')))}: {', '.join(said)}{reason}"
