"""Visits that failed while this machine's own network was away: they are repeated and never recorded as results.

When an interface was down, its cable out, its address gone, or the way into the network missing at some time during a
visit, a time-out or a silence says nothing of the target; neither does "no route to host" when the gateway does not
answer us. Such a visit is made again, up to `MAX_AGAIN` times. A target whose every visit was spoiled stays unvisited:
no record, open in the state, and counted in `given_up`.

What is asked of the kernel, and when, is in `links`.
"""

from scanner.engine.links import Links
from scanner.engine.no_way import NoWay
from scanner.model import Attempt, Status, Target

#: How often the visit to one target is made again.
MAX_AGAIN = 3
#: What a network that is away looks like.
_DOUBTFUL = frozenset(
    {Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.SILENT, Status.SLOW, Status.RESET, Status.CUT}
)


class Away:
    """Judges visits that ended badly. `again` counts those made again, `given_up` the targets left unvisited."""

    def __init__(self, no_way: NoWay, source: str | None) -> None:
        """Prepare; `source` is the address that connections come from."""
        self.again = self.given_up = 0
        self._no_way = no_way
        self._source = source
        self._links: Links | None = None
        self._times: dict[int, int] = {}

    def begin(self) -> None:
        """Begin to listen to what becomes of this machine's interfaces."""
        self._links = Links(self._source)

    def close(self) -> None:
        """Listen no more."""
        if self._links is not None:
            self._links.close()

    def look(self, now: float) -> None:
        """Take note of what has happened since the last call."""
        if self._links is not None:
            self._links.look(now)

    def is_down(self, ip: str) -> bool:
        """Whether the interface that leads to an address is down."""
        return self._links is not None and self._links.is_down(ip)

    def has_spoiled(self, attempt: Attempt, now: float) -> bool:
        """Whether a visit ended as it did while the way to its target was away."""
        if attempt.status not in _DOUBTFUL or not attempt.total_s or self._links is None:
            return False  # what comes at once was never on the way
        ip, since = attempt.target.ip, now - attempt.total_s
        if self._no_way.was_lost(ip, since) or self._links.was_away(ip, since, now):
            return True
        return self._links.has_lost_gateway(ip, now)

    def times(self, target: Target) -> int:
        """How often a visit to a target was made again: those do not count as its tries."""
        return self._times.get(target.position, 0)

    def may_try_again(self, target: Target) -> bool:
        """Count one more visit to a target whose last one was spoiled; False: it has had enough."""
        times = self.times(target)
        if times >= MAX_AGAIN:
            self.given_up += 1
            return False
        self._times[target.position] = times + 1
        self.again += 1
        return True
