"""Which connections in a mail log are our own sweep's: matched by address, time and what was said.

A visit is a record whose connection was made: refused ones and those without an answer never reached the mail server.
A connection can be a visit when it came from the scanner's address, brought no message, did not speak before the
greeting (a visit that begins with TLS may), said nothing that the visit did not say, and overlaps the visit's time.
Where the log lists all commands (Postfix, Exim's `no MAIL`), EHLO and STARTTLS of the visit must be among them.
That time is the visit's own, moved by the server's clock skew where its greeting told it, and widened on both sides by
a tolerance (and by the second that a classic stamp leaves out). Each connection is at most one visit's, and in order
of time each goes to the visit whose time is over first, which finds the most matches (Glover 1967); then a visit takes
the nearest of those left over. A visit that needed several tries has that many connections.

So a mistake can leave a connection unexplained, or give one of ours to the visit beside it; it cannot take somebody
else's for ours, unless they come from our address at our time and behave as we do.

Memory: visits of one server, and the connections from our addresses at the times of visits.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from scanner.maillogs.events import LoggedConnection, Manner
from scanner.maillogs.spans import TraceTime
from scanner.model import Record

#: How far the clocks may differ beyond what the greeting told, in seconds.
DEFAULT_TOLERANCE_S = 5.0
#: A classic syslog stamp has whole seconds.
_STAMP_S = 1.0
#: How long before its last try a visit may have begun: retries wait 10 s by default, and a try takes up to 60 s.
_RETRY_S = 300.0
#: Commands that every server lists by their own names; for HELP, Postfix has "unknown".
_COUNTED = frozenset({"EHLO", "STARTTLS"})
#: Connections at times of visits that wait for their verdict.
MOST_CANDIDATES = 100_000


class ConnectionOwner(StrEnum):
    """Whose connection it was."""

    OURS = "ours"  # a visit of the sweep; without a sweep: from the scanner's address
    UNEXPLAINED = "unexplained"  # from the scanner's address, but no visit of the sweep fits
    MAIL = "mail"  # it brought a message, whoever the client was
    OTHER = "other"  # somebody else, who brought none


class SweepVisit(NamedTuple):
    """One visit of a sweep to the server: when it began, by our clock (Unix seconds), and what it said.

    `took_s` is until the end of the greeting and of the dialogue, `commands` are the verbs of the dialogue.
    `skew_s` is how far the server's clock is ahead of ours, None when its greeting told no time.
    """

    event_id: str
    ip: str
    port: int
    at: float
    took_s: float
    tries: int
    status: str
    product: str | None
    commands: frozenset[str]
    tls_first: bool
    skew_s: int | None


class Judged(NamedTuple):
    """A connection, whose it was, and which visit it was, if one."""

    connection: LoggedConnection
    verdict: ConnectionOwner
    visit: SweepVisit | None = None


def maybe_visit(record: Record) -> SweepVisit | None:
    """Return the visit that a record tells of; None when it made no connection, so that no log can show it."""
    if record.observed_at is None or record.ip is None or record.port is None or record.connect_s is None:
        return None
    dialogue = record.dialogue
    exchanges = () if dialogue is None else dialogue.exchanges
    return SweepVisit(
        record.event_id,
        record.ip,
        record.port,
        record.observed_at,
        (record.total_s or 0.0) + sum(exchange.took_s for exchange in exchanges),
        record.tries,
        record.status.value,
        None if record.software is None else record.software.product,
        _verbs(exchange.command for exchange in exchanges),
        dialogue is not None and dialogue.tls is not None and dialogue.tls.implicit,
        record.clock_skew_s,
    )


def _verbs(commands: Iterable[str]) -> frozenset[str]:
    verbs = {command.partition(" ")[0].upper() for command in commands}
    if "TLS" in verbs:  # a handshake
        verbs = verbs - {"TLS"} | {"STARTTLS"}
    # Postfix counts commands that it does not know (HELP is one) as "unknown"; a plain HELO may follow a refused EHLO.
    return frozenset(verbs | {"UNKNOWN", "HELO"} if verbs - {"QUIT"} else verbs)


class _TimeWindow(NamedTuple):
    end: float
    start: float
    number: int


class Matching:
    """Judges connections as they come. Those that may be ours wait until `decide`."""

    def __init__(
        self, scanners: Iterable[str], visits: Sequence[SweepVisit] | None, tolerance_s: float = DEFAULT_TOLERANCE_S
    ) -> None:
        """Take the scanner's addresses, the visits (None: no sweep to compare with) and the tolerance in seconds."""
        self._scanners = frozenset(scanners)
        self._tolerance_s = tolerance_s
        self._knows_the_sweep = visits is not None
        self._visits = tuple(visits or ())
        self._windows = sorted(
            (self._window(number, visit, tolerance_s) for number, visit in enumerate(self._visits)),
            key=lambda window: window.start,
        )
        self._times = _merged([(w.start - _earlier(self._visits[w.number]), w.end) for w in self._windows])
        self._starts = [start for start, _ in self._times]
        self._candidates: list[LoggedConnection] = []

    @staticmethod
    def _window(number: int, visit: SweepVisit, tolerance_s: float) -> _TimeWindow:
        time = trace_time(visit, tolerance_s)
        return _TimeWindow(time.over, time.begins, number)

    def maybe_judged(self, connection: LoggedConnection) -> Judged | None:
        """Return the verdict, None when it has to wait for the other connections."""
        if connection.manner is Manner.MAIL:
            return Judged(connection, ConnectionOwner.MAIL)
        if connection.address not in self._scanners:
            return Judged(connection, ConnectionOwner.OTHER)
        if not self._knows_the_sweep:
            return Judged(connection, ConnectionOwner.OURS)
        if connection.first_at is None or not self._at_a_visit(connection) or len(self._candidates) >= MOST_CANDIDATES:
            return Judged(connection, ConnectionOwner.UNEXPLAINED)
        self._candidates.append(connection)
        return None

    def decide(self) -> list[Judged]:
        """Return the verdicts that had to wait, in the order of the connections' first lines."""
        waiting = sorted(self._candidates, key=lambda connection: connection.began_at)
        self._candidates = []
        chosen = self._chosen(waiting)
        self._prefer_the_nearest(waiting, chosen)
        chosen |= self._earlier_tries(waiting, chosen)
        return [
            Judged(
                connection,
                ConnectionOwner.OURS if number in chosen else ConnectionOwner.UNEXPLAINED,
                chosen.get(number),
            )
            for number, connection in enumerate(waiting)
        ]

    def _at_a_visit(self, connection: LoggedConnection) -> bool:
        before = bisect_right(self._starts, connection.ended_at)
        return before > 0 and self._times[before - 1][1] >= connection.began_at

    def _chosen(self, waiting: Sequence[LoggedConnection]) -> dict[int, SweepVisit]:
        """Give each connection its visit: number of the connection -> visit."""
        chosen: dict[int, SweepVisit] = {}
        open_windows: list[_TimeWindow] = []
        coming = 0
        for number, connection in enumerate(waiting):
            while coming < len(self._windows) and self._windows[coming].start <= connection.ended_at:
                heapq.heappush(open_windows, self._windows[coming])
                coming += 1
            while open_windows and open_windows[0].end < connection.began_at:
                heapq.heappop(open_windows)
            for window in sorted(open_windows):
                began = window.start <= connection.ended_at  # a longer connection may have opened it
                if began and _can_be(connection, self._visits[window.number]):
                    chosen[number] = self._visits[window.number]
                    open_windows.remove(window)
                    heapq.heapify(open_windows)
                    break
        return chosen

    def _prefer_the_nearest(self, waiting: Sequence[LoggedConnection], chosen: dict[int, SweepVisit]) -> None:
        """Where a connection is left over that is nearer to a visit than the chosen one, change them."""
        starts = [connection.began_at for connection in waiting]
        for number, visit in sorted(chosen.items()):
            low, high = (bisect_right(starts, at) for at in self._reach(visit))
            free = [other for other in range(low, high) if other not in chosen and _can_be(waiting[other], visit)]
            nearest = min([*free, number], key=lambda other: _distance(waiting[other], visit))
            if nearest != number:
                del chosen[number]
                chosen[nearest] = visit

    def _reach(self, visit: SweepVisit) -> tuple[float, float]:
        window = self._window(0, visit, self._tolerance_s)
        return window.start, window.end

    def _earlier_tries(
        self, waiting: Sequence[LoggedConnection], chosen: dict[int, SweepVisit]
    ) -> dict[int, SweepVisit]:
        """Return the connections of tries that came to nothing, before the one that the record tells of."""
        found: dict[int, SweepVisit] = {}
        for window in self._windows:
            visit = self._visits[window.number]
            earlier = [
                number
                for number, connection in enumerate(waiting if visit.tries > 1 else ())
                if number not in chosen
                and number not in found
                and window.start - _RETRY_S <= connection.ended_at
                and connection.began_at <= window.end
                and _can_be(connection, visit)
            ]
            found |= dict.fromkeys(earlier[1 - visit.tries :], visit) if earlier else {}
        return found


def trace_time(visit: SweepVisit, tolerance_s: float) -> TraceTime:
    """Return when the lines of a visit can have been written."""
    begins = visit.at + (visit.skew_s or 0) - tolerance_s - _STAMP_S
    return TraceTime(begins, begins + visit.took_s, begins + visit.took_s + 2 * tolerance_s + _STAMP_S)


def _can_be(connection: LoggedConnection, visit: SweepVisit) -> bool:
    """Tell whether the connection did nothing that the visit did not, and what the visit did where all is listed."""
    if connection.manner in {Manner.EARLY, Manner.FOREIGN} and not visit.tls_first:
        return False
    if connection.complete and not visit.commands & _COUNTED <= connection.commands:
        return False
    return connection.commands <= visit.commands | {"QUIT"}


def _distance(connection: LoggedConnection, visit: SweepVisit) -> tuple[float, float]:
    """Return how far apart the two are, 0 when they overlap; then how far apart they began. In seconds."""
    at = visit.at + (visit.skew_s or 0)
    apart = max(connection.began_at - at - visit.took_s, at - connection.ended_at - _STAMP_S, 0.0)
    return apart, abs(connection.began_at - at)


def _earlier(visit: SweepVisit) -> float:
    return _RETRY_S if visit.tries > 1 else 0.0


def _merged(times: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join times that overlap."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(times):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
