"""The time span of a log: a visit outside of it cannot have left a trace in it.

A file shows nothing from before its first line and after its last, and between two files one may be missing. A quiet
server looks the same as a log that was cut there, so for such a time the answer is unknown, not "no trace". The time
between the first and the last line of a file counts as covered: a gap inside one file looks like silence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from scanner.text.counted import counted


@dataclass(slots=True)
class Span:
    """The time of the first and of the last line, Unix seconds; None as long as no line has one."""

    first_at: float | None = None
    last_at: float | None = None

    def note(self, at: float) -> None:
        """Take in the time of a line."""
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)

    def join(self, other: "Span") -> None:
        """Take in what another span covers."""
        if other.first_at is not None and other.last_at is not None:
            self.note(other.first_at)
            self.note(other.last_at)

    @property
    def maybe_ends(self) -> tuple[float, float] | None:
        """Its begin and end; None when it has none."""
        return None if self.first_at is None or self.last_at is None else (self.first_at, self.last_at)


class TraceTime(NamedTuple):
    """When the lines of a visit were written, by the server's clock and with all tolerance. Unix seconds.

    The first of them not before `begins`, the last not before `ends` and not after `over`.
    """

    begins: float
    ends: float
    over: float


def uncovered(
    spans: Sequence[tuple[float, float]], missing: Sequence[TraceTime], since: float | None, until: float | None
) -> Iterator[str]:
    """Yield why the lines that were looked at cannot have some visits that left no trace, each a sentence."""
    first, last = min(spans)[0], max(span[1] for span in spans)
    chosen = [_chosen(span, since, until) for span in spans]
    left = [time for time in missing if not _is_covered(time, chosen)]
    left_out = [time for time in left if _is_covered(time, spans)]
    early = [time for time in left if time.over < first]
    late = [time for time in left if time.ends > last]
    between = [time for time in left if time not in {*left_out, *early, *late}]
    if left_out:
        yield f"--since and --until leave out the time of {counted(len(left_out), 'visit')} without a trace"
    if early:
        visits = counted(len(early), "visit")
        yield f"{visits} without a trace came before this log begins, {_iso(first)}: give the older files too"
    if late:
        visits = counted(len(late), "visit")
        yield f"{visits} without a trace came after this log ends, {_iso(last)}: give the newer files too"
    if between:
        ended = max(end for _, end in spans if end < between[0].ends)
        begun = min(begin for begin, _ in spans if begin > between[0].over)
        yield (
            f"{counted(len(between), 'visit')} without a trace came between the files of this log, of which one ends "
            f"{_iso(ended)} and the next begins {_iso(begun)}: is one missing?"
        )


def _chosen(span: tuple[float, float], since: float | None, until: float | None) -> tuple[float, float]:
    begin, end = span
    return (begin if since is None else max(begin, since)), (end if until is None else min(end, until))


def _is_covered(time: TraceTime, spans: Sequence[tuple[float, float]]) -> bool:
    return any(begin <= end and time.over >= begin and time.ends <= end for begin, end in spans)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
