"""The question that is put to mail logs (`LogQuestion`), and the report that answers it (`LogReport`)."""

from dataclasses import dataclass, field, replace
from datetime import tzinfo

from scanner.maillogs.doubts import FileRead
from scanner.maillogs.events import LogPosition, LogSoftware, Manner
from scanner.maillogs.lines import LineCounts
from scanner.maillogs.matching import (
    DEFAULT_TOLERANCE_S,
    ConnectionOwner,
    Judged,
    SweepVisit,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """What to look for, and how to read the stamps.

    `scanners` are our addresses as the server sees them. `visits` is None when there is no sweep to compare with.
    `since` and `until` are Unix times of lines; `host` keeps the lines of one host in a log of several.
    """

    scanners: tuple[str, ...] = ()
    visits: tuple[SweepVisit, ...] | None = None
    tolerance_s: float = DEFAULT_TOLERANCE_S
    zone: tzinfo | None = None
    year: int | None = None
    since: float | None = None
    until: float | None = None
    host: str | None = None

    def asking(self, visits: tuple[SweepVisit, ...]) -> "LogQuestion":
        """Return the same question with these visits to look for."""
        return replace(self, visits=visits)


@dataclass(slots=True)
class Client:
    """One address in the log: how often, from when to when, what it did, and whose it is.

    Times are Unix seconds, None where the log has none.
    """

    address: str
    name: str | None
    first_at: float | None
    last_at: float | None
    connections: int = 0
    messages: int = 0
    manners: dict[Manner, int] = field(default_factory=dict)
    verdicts: dict[ConnectionOwner, int] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        """Count one connection."""
        connection = judged.connection
        self.name = self.name or connection.name
        if connection.first_at is not None:
            self.first_at = min(self.first_at or connection.first_at, connection.first_at)
            self.last_at = max(self.last_at or 0.0, connection.ended_at)
        self.connections += 1
        self.messages += connection.messages
        self.manners[connection.manner] = self.manners.get(connection.manner, 0) + 1
        self.verdicts[judged.verdict] = self.verdicts.get(judged.verdict, 0) + 1


@dataclass(frozen=True, slots=True)
class VisitTrace:
    """One visit of the sweep and its lines in the log; none: it left no trace."""

    visit: SweepVisit
    places: tuple[LogPosition, ...]

    @property
    def found(self) -> bool:
        """Whether the log has the visit."""
        return bool(self.places)


@dataclass(slots=True)
class LogReport:
    """What the logs told. `clients` has the most frequent first; `other_clients` counts connections of the rest.

    `software` counts connections by the server that logged them, `servers` are those with other lines. `logs_visits`
    are the servers that logged a connection in which nothing happened; others may log only what they object to.

    `nearest_s` is how far, in seconds, the unexplained connection from our address that came closest to a visit
    without a trace was after it (less than 0: before it); None when there is no such pair.

    `files` says of each file how much of it was understood, `unread_servers` wrote lines that were not. `untimed`
    counts connections from our address whose lines have no time, `nameless` are the Unix times of those whose client is
    not named. `doubts` are the reasons for which nothing may be concluded from what was not found.
    """

    counts: LineCounts = field(default_factory=LineCounts)
    events: int = 0
    orphans: int = 0
    software: dict[LogSoftware, int] = field(default_factory=dict)
    servers: set[LogSoftware] = field(default_factory=set)
    unread_servers: set[LogSoftware] = field(default_factory=set)
    logs_visits: set[LogSoftware] = field(default_factory=set)
    verdicts: dict[ConnectionOwner, int] = field(default_factory=dict)
    clients: list[Client] = field(default_factory=list)
    other_clients: int = 0
    visits: list[VisitTrace] | None = None
    nearest_s: float | None = None
    files: list[FileRead] = field(default_factory=list)
    untimed: int = 0
    nameless: list[float] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[VisitTrace]:
        """The visits that left no trace."""
        return [trace for trace in self.visits or () if not trace.found]
