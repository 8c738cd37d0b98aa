"""Recognise visits that failed because this machine's own network was away. They are repeated, not recorded.

While an interface is down, its cable out, its address gone or the way into a network missing, a time-out or a silence
says nothing about the target. Neither does "no route to host" when our gateway does not answer. Such a visit is
repeated, up to `MAX_AGAIN` times. A target whose visits were all spoiled stays unvisited: it has no record, it is open
in the state, and it is counted in `given_up`.

`links` says what is asked of the kernel, and when.
"""

from scanner.engine.links import Links
from scanner.engine.no_way import NoWay
from scanner.model import Attempt, Status, Target

#: Repetitions of the visit to one target.
MAX_AGAIN = 3
#: The results that a network that is away produces.
_DOUBTFUL = frozenset(
    {Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.SILENT, Status.SLOW, Status.RESET, Status.CUT}
)


class Away:
    """Judges visits that failed. `again` counts the visits repeated, `given_up` the targets left unvisited."""

    def __init__(self, no_way: NoWay, source: str | None) -> None:
        """Prepare; `source` is the address that connections come from."""
        self.again = self.given_up = 0
        self._no_way = no_way
        self._source = source
        self._links: Links | None = None
        self._times: dict[int, int] = {}

    def begin(self) -> None:
        """Begin to follow the state of this machine's interfaces."""
        self._links = Links(self._source)

    def close(self) -> None:
        """Stop following it."""
        if self._links is not None:
            self._links.close()

    def update(self, now: float) -> None:
        """Read what has happened since the last call."""
        if self._links is not None:
            self._links.update(now)

    def is_down(self, ip: str) -> bool:
        """Whether the interface that leads to an address is down."""
        return self._links is not None and self._links.is_down(ip)

    def has_spoiled(self, attempt: Attempt, now: float) -> bool:
        """Whether a visit failed while the way to its target was away."""
        if attempt.status not in _DOUBTFUL or not attempt.total_s or self._links is None:
            return False  # a result at once was never on the way
        ip, since = attempt.target.ip, now - attempt.total_s
        if self._no_way.was_lost(ip, since) or self._links.was_away(ip, since, now):
            return True
        return self._links.has_lost_gateway(ip, now)

    def times(self, target: Target) -> int:
        """How many visits to a target were repeated; these do not count as its tries."""
        return self._times.get(target.position, 0)

    def may_try_again(self, target: Target) -> bool:
        """Count one more repetition for a target; return False when it has had `MAX_AGAIN`."""
        times = self.times(target)
        if times >= MAX_AGAIN:
            self.given_up += 1
            return False
        self._times[target.position] = times + 1
        self.again += 1
        return True
