"""Measure whether the mail servers of a network refuse us: the number of refusals, and their share of the answers.

A few hosts that refuse our address say little about their neighbours. When most hosts of a network do, one filter
stands in front of all of them. So a network is slowed or closed only when both hold: its refusals have reached the
limit, and at least `REFUSAL_SHARE` of its recent answers were refusals. Both measures forget: a refusal counts half
after `HALF_LIFE_S`, and about the last `RECENT_ANSWERS` answers count in the share. When the refusals stop, the
restraint ends.

Counting begins with the first refusal of a network, so a sweep without refusals pays nothing. The clock is an
argument.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

from scanner.engine.networks import MAX_NETWORKS, checked_network, network_text
from scanner.errors import StateError

#: With this share of refusals in its recent answers, a network refuses us as a whole.
REFUSAL_SHARE = 0.5
#: A restraint ends when either measure has fallen to this part of what began it.
RELIEF = 0.5
#: Answers of a network that weigh in its share: each later answer lowers the weight of one by 1/64.
RECENT_ANSWERS = 64
#: Seconds after which a refusal counts half. It is long because a large sweep visits a network once in minutes.
HALF_LIFE_S = 3600.0

_FADING = 1 - 1 / RECENT_ANSWERS


class Restraint(NamedTuple):
    """A change in how a network is visited, its `kind` ("slowed", "closed" or "lifted"), and why.

    `network` is a CIDR block. `refusals` of its `answers`, both counted from its first refusal on, were about us.
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
        self.refusals = self.recent_refusals = self.recent_answers = 0.0  # these fade, the first one with time
        self.total = self.answers = 0  # these do not; they are for people

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
        """Whether the network refuses us as a whole. A refusal that has just begun to fade still counts fully."""
        return self.refusals > limit - 0.5 and self.share >= REFUSAL_SHARE

    def is_relieved(self, limit: int) -> bool:
        """Whether the refusals have stopped."""
        return self.refusals < limit * RELIEF or self.share < REFUSAL_SHARE * RELIEF


class Refusals:
    """The tallies of all networks that have refused us; the oldest one is forgotten beyond `MAX_NETWORKS`."""

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


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
