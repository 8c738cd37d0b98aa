"""The gate that every connection passes: exclusions, the global rate, the rate of one network.

All of it is arithmetic, with the clock as an argument: nothing here waits. The pool asks how many connections may
start now and when a target may be visited, and does the waiting itself.

The global rate is a token bucket. It holds a twentieth of a second, so that a machine that was suspended does not catch
up with a burst. The rate of a network is a reservation (the "virtual scheduling" form of the generic cell rate
algorithm, ITU-T I.371): the gate stores when the network's next connection may start. A target that comes earlier gets
a later time, and is visited at that time without asking again. Networks whose time has passed are forgotten, so memory
follows the networks that are being visited, not those of the sweep.

A network whose mail servers refuse us (see `refusals`) is slowed to a tenth of its rate, or closed. The caller that
reads the greetings reports them by `refused` and `greeted`. A reservation that was made before the network was slowed
is checked when it comes due (`confirm`). When the refusals stop, the network gets its pace back, and the visits that
wait for slow turns reserve again (`take_lifted`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from scanner.engine.networks import MAX_NETWORKS, checked_networks, network_of
from scanner.engine.refusals import Refusals, Restraint
from scanner.settings import DEFAULT_SUBNET_RATE, RefusalAction

#: The allowance of an unlimited rate: more than any pool admits at once.
UNLIMITED = 1 << 30
#: The connections of this many seconds, by the global rate, may start together.
BURST_S = 0.05
#: Reservations between two clean-ups.
_FORGET_EVERY = 4096
#: A network that refused us too often is visited this many times more slowly.
SLOWDOWN = 10


class ExcludedAddresses(Protocol):
    """A set of addresses, asked by text, as `scanner.targets.Exclusions` is."""

    def __contains__(self, ip: str, /) -> bool: ...


class Gate:
    """Decides when a connection may start, and whether at all."""

    def __init__(
        self,
        excluded: ExcludedAddresses,
        *,
        rate: float,
        subnet_rate: float,
        refusal_limit: int = 0,
        refusal_action: RefusalAction = RefusalAction.SLOW,
        on_restraint: Callable[[Restraint], None] = lambda _restraint: None,
    ) -> None:
        """Take the exclusions, the rates (connections a second) and the limit of refusals; 0: no limit.

        `excluded` is asked with the text of an address, the one that is given to the socket. `on_restraint` is called
        when a network is slowed, closed, or gets its pace back.
        """
        self._excluded = excluded
        self._rate = rate
        self._interval_s = 1 / subnet_rate if subnet_rate else 0.0
        self._burst = max(1.0, rate * BURST_S)
        self._tokens = self._burst
        self._refilled_at: float | None = None
        self._next_start: dict[str, float] = {}
        self._until_forget = _FORGET_EVERY
        self._refusal_limit = refusal_limit
        self._closes = refusal_action is RefusalAction.STOP
        self._slow_interval_s = SLOWDOWN / (subnet_rate or DEFAULT_SUBNET_RATE)
        self._refusals = Refusals()
        self._on_restraint = on_restraint
        self._last_start: dict[str, float] = {}  # of each slowed network
        self._closed: dict[str, None] = {}
        self._lifted: set[str] = set()

    @property
    def slowed(self) -> int:
        """How many networks are visited more slowly because they refused us."""
        return len(self._last_start)

    @property
    def closed(self) -> int:
        """How many networks are not visited any further because they refused us."""
        return len(self._closed)

    def is_excluded(self, ip: str) -> bool:
        """Say whether an address must not be visited; asked again right before the socket is opened."""
        return ip in self._excluded or self.is_closed(ip)

    def is_closed(self, ip: str) -> bool:
        """Say whether the network of an address is not visited any further because it refused us."""
        return bool(self._closed) and network_of(ip) in self._closed

    @property
    def counts_answers(self) -> bool:
        """Whether `greeted` has anything to count, because some network has refused us."""
        return bool(self._refusals)

    def refused(self, ip: str, now: float) -> None:
        """Count a refusal that was about our address; slow or close the network when there were too many."""
        if not self._refusal_limit:
            return
        network = network_of(ip)
        tally = self._refusals.refused(network, now)
        treated = self._closed if self._closes else self._last_start
        if network in treated or not tally.is_over(self._refusal_limit):
            return
        if self._closes:
            self._closed[network] = None
        else:
            self._last_start[network] = now
            self._next_start[network] = now + self._slow_interval_s
        self._on_restraint(self._refusals.restraint(network, "closed" if self._closes else "slowed"))

    def greeted(self, ip: str, now: float) -> None:
        """Count an answer that was not a refusal; a slowed network whose refusals have stopped gets its pace back."""
        network = network_of(ip)
        tally = self._refusals.greeted(network, now)
        if tally is None or network not in self._last_start or not tally.is_relieved(self._refusal_limit):
            return
        del self._last_start[network]
        self._next_start.pop(network, None)
        self._lifted.add(network)
        self._on_restraint(self._refusals.restraint(network, "lifted"))

    def take_lifted(self) -> set[str]:
        """Return the networks (keys of `network_of`) that got their pace back since the last call.

        Turns that were reserved in them are void: the caller must reserve again.
        """
        if not self._lifted:  # nearly always
            return self._lifted
        lifted, self._lifted = self._lifted, set()
        return lifted

    def snapshot(self) -> dict[str, Any]:
        """Return what is known of refusals as plain values for a JSON file, at most `MAX_NETWORKS` of each kind."""
        return {
            "counts": self._refusals.snapshot(),
            "slowed": list(self._last_start)[-MAX_NETWORKS:],
            "closed": list(self._closed)[-MAX_NETWORKS:],
        }

    def restore(self, snapshot: Mapping[str, Any], now: float) -> None:
        """Take over what `snapshot` returned in an earlier run. The limit and the action of this run apply.

        Slowed networks stay slowed. Closed ones stay closed, or are slowed when this run closes none. Without a limit
        all of it is forgotten.

        Raises:
            StateError: when `snapshot` is damaged.
        """
        refusals = Refusals()
        refusals.restore(snapshot.get("counts"), now)
        slowly = dict.fromkeys(checked_networks(snapshot.get("slowed")), now)
        never = dict.fromkeys(checked_networks(snapshot.get("closed")))
        if not self._refusal_limit:
            return
        if not self._closes:
            slowly, never = slowly | dict.fromkeys(never, now), {}
        self._refusals, self._last_start, self._closed = refusals, slowly, never
        for network in slowly:
            self._next_start[network] = now + self._slow_interval_s
            self._on_restraint(refusals.restraint(network, "slowed"))
        for network in never:
            self._on_restraint(refusals.restraint(network, "closed"))

    def allowance(self, now: float) -> int:
        """Return how many connections the global rate lets start at `now` (monotonic seconds)."""
        if not self._rate:
            return UNLIMITED
        if self._refilled_at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._refilled_at) * self._rate)
        self._refilled_at = now
        return int(self._tokens)

    def take(self) -> None:
        """Count one connection that was started."""
        if self._rate:
            self._tokens -= 1

    def next_allowance_in(self) -> float:
        """Return the seconds until `allowance` is at least 1, counted from its last call."""
        return max(0.0, (1 - self._tokens) / self._rate) if self._rate else 0.0

    def reserve(self, ip: str, now: float) -> float:
        """Reserve a turn and return its time; the next turn of the network comes one interval later."""
        if not self._interval_s and not self._last_start:
            return now
        network = network_of(ip)
        is_slowed = network in self._last_start
        interval_s = self._slow_interval_s if is_slowed else self._interval_s
        start = max(now, self._next_start.get(network, now))
        self._next_start[network] = start + interval_s
        if is_slowed and start <= now:
            self._last_start[network] = now
        self._until_forget -= 1
        if not self._until_forget:
            self._forget(now)
        return start

    def confirm(self, ip: str, now: float) -> float:
        """Return `now` when the turn that was reserved for `ip` still holds, else the time of another turn.

        A network that was slowed since has fewer turns. A turn that is less than half an interval early still holds.
        """
        if not self._last_start:
            return now
        network = network_of(ip)
        last = self._last_start.get(network)
        if last is None:
            return now
        if now < last + self._slow_interval_s / 2:
            return self.reserve(ip, now)
        self._last_start[network] = now
        return now

    def _forget(self, now: float) -> None:
        self._next_start = {network: at for network, at in self._next_start.items() if at > now}
        # Amortised: the next clean-up comes after at least as many reservations as there are networks left.
        self._until_forget = max(_FORGET_EVERY, len(self._next_start))
