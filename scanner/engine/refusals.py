"""How a network's mail servers have answered lately: how many refused us, and which share of the answers that was.

A few hosts that refuse our address say little about their neighbours; when most of a network does, it is one filter in
front of all of them. So a network is treated with more care when both hold: it has refused us as often as the limit
says, and `REFUSAL_SHARE` of its recent answers were refusals. Both forget: the number by half each `HALF_LIFE_S`, the
share with every answer, of which about the last `RECENT_ANSWERS` count. When the refusals stop, the care ends.

Counting begins with a network's first refusal, so a sweep that nobody refuses pays nothing. The clock is an argument.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from math import isfinite
from typing import Any, NamedTuple

from scanner.errors import StateError

#: The share of its recent answers from which on a network is taken to refuse us as a whole.
REFUSAL_SHARE = 0.5
#: Care ends when either measure has fallen to this part of what began it.
RELIEF = 0.5
#: How many answers of a network weigh in its share: the weight of each falls by this part with every later one.
RECENT_ANSWERS = 64
#: Seconds after which a refusal counts half. Long, since a large sweep comes to each network once in minutes.
HALF_LIFE_S = 3600.0
#: Networks that are counted at the same time, and those of each kind in a snapshot: the oldest are forgotten first.
MAX_NETWORKS = 65_536

_FADING = 1 - 1 / RECENT_ANSWERS


class Restraint(NamedTuple):
    """A network that is treated otherwise from now on: "slowed", "closed" or "lifted", and why.

    `network` is a CIDR block. `refusals` of the recent `answers` (both from its first refusal on) were about us.
    """

    network: str
    kind: str
    refusals: int
    answers: int

    @property
    def share(self) -> float:
        """The share of the answers that refused us, 0 to 1."""
        return self.refusals / self.answers if self.answers else 0.0


class NetworkTally:
    """The answers of one network since it first refused us."""

    __slots__ = ("answers", "at", "recent_answers", "recent_refusals", "refusals", "total")

    def __init__(self, now: float) -> None:
        self.at = now
        self.refusals = self.recent_refusals = self.recent_answers = 0.0  # fading; the first with time
        self.total = self.answers = 0  # as they were, for people

    @property
    def share(self) -> float:
        """The share of the recent answers that refused us, 0 to 1."""
        return self.recent_refusals / self.recent_answers if self.recent_answers else 0.0

    def add(self, now: float, *, refused: bool) -> None:
        """Count one answer."""
        if now > self.at:
            self.refusals *= 0.5 ** ((now - self.at) / HALF_LIFE_S)
            self.at = now
        self.refusals += refused
        self.recent_refusals = self.recent_refusals * _FADING + refused
        self.recent_answers = self.recent_answers * _FADING + 1
        self.total += refused
        self.answers += 1

    def is_over(self, limit: int) -> bool:
        """Whether the network refuses us as a whole. A refusal that has only begun to fade is still one."""
        return self.refusals > limit - 0.5 and self.share >= REFUSAL_SHARE

    def is_relieved(self, limit: int) -> bool:
        """Whether the refusals have stopped."""
        return self.refusals < limit * RELIEF or self.share < REFUSAL_SHARE * RELIEF


class Refusals:
    """The tallies of all networks that have refused us at least once."""

    def __init__(self) -> None:
        self._tallies: dict[str, NetworkTally] = {}

    def __bool__(self) -> bool:
        return bool(self._tallies)

    def refused(self, network: str, now: float) -> NetworkTally:
        """Count a refusal; return the network's tally."""
        tally = self._tallies.get(network)
        if tally is None:
            if len(self._tallies) >= MAX_NETWORKS:
                del self._tallies[next(iter(self._tallies))]
            tally = self._tallies[network] = NetworkTally(now)
        tally.add(now, refused=True)
        return tally

    def greeted(self, network: str, now: float) -> NetworkTally | None:
        """Count an answer that is not a refusal; None for a network that has never refused us."""
        tally = self._tallies.get(network)
        if tally is not None:
            tally.add(now, refused=False)
        return tally

    def restraint(self, network: str, kind: str) -> Restraint:
        """Describe what happens to a network, for people."""
        tally = self._tallies.get(network) or NetworkTally(0.0)
        return Restraint(network_text(network), kind, tally.total, tally.answers)

    def snapshot(self) -> dict[str, list[float]]:
        """Return the counts of each network as plain values."""
        return {
            network: [
                round(tally.refusals, 3),
                round(tally.recent_refusals, 3),
                round(tally.recent_answers, 3),
                tally.total,
                tally.answers,
            ]
            for network, tally in self._tallies.items()
        }

    def restore(self, snapshot: Any, now: float) -> None:
        """Take over what `snapshot` returned.

        Raises:
            StateError: when it holds something else.
        """
        if not isinstance(snapshot, Mapping):
            raise StateError("its refusals are damaged: the counts are missing")
        tallies: dict[str, NetworkTally] = {}
        for network, counts in list(snapshot.items())[-MAX_NETWORKS:]:
            tally = tallies[checked_network(network)] = NetworkTally(now)
            if not isinstance(counts, list) or len(counts) != 5 or not all(map(_is_count, counts)):
                raise StateError(f"its refusals are damaged: {network} has something other than counts")
            tally.refusals, tally.recent_refusals, tally.recent_answers = map(float, counts[:3])
            tally.total, tally.answers = map(int, counts[3:])
        self._tallies = tallies


def network_text(network: str) -> str:
    """Write the key of a network as a CIDR block: "192.0.2.0/24", "2001:db8::/64"."""
    return f"{IPv6Address(network + '::')}/64" if ":" in network else f"{network}.0/24"


def checked_network(key: Any) -> str:
    """Return a saved key of a network when it is one.

    Raises:
        StateError: when it is not.
    """
    try:
        if ":" in key:
            if len(key.split(":")) == 4:
                IPv6Address(key + "::")
                return str(key)
        elif len(parts := key.split(".")) == 3 and all(part.isdecimal() and int(part) < 256 for part in parts):
            return str(key)
    except (TypeError, ValueError, AttributeError):
        pass
    raise StateError(f"its refusals are damaged: {key!a} does not name a network")


def checked_networks(keys: Any) -> Iterable[str]:
    """Return saved keys of networks when that is what they are.

    Raises:
        StateError: when they are not.
    """
    if not isinstance(keys, list):
        raise StateError("its refusals are damaged: a list of networks is missing")
    return map(checked_network, keys)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
