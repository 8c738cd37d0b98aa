"""Hold targets that this machine has no way to: a route that is gone, an interface that is down, a local firewall.

What our own kernel says before a packet has left is not a target's result. Such a target is put back here, as its
position only, and the others are visited meanwhile. From time to time some of those put back are tested again, all in
turn: the kernel is asked for a route, which sends no packet, and targets with one are returned to the pool. While no
target has a way the tests become rarer. When a connection could be started they follow each other at once.

When everything else is done, the targets are tested for another `patience_s` seconds, and at least once each. A target
without a way then was not visited: it has no result, and `networks` says where it is.
"""

import logging
from collections import Counter
from collections.abc import Callable

from scanner.engine.back_off import BackOff
from scanner.engine.networks import MAX_NETWORKS, network_of, network_text
from scanner.engine.source import TargetSource
from scanner.engine.transport import HOPELESS_ERRORS, error_name
from scanner.errors import LocalError
from scanner.model import Target
from scanner.targets.positions import PositionSet
from scanner.text.counted import counted

log = logging.getLogger(__name__)

#: Targets tested together, and when there is nothing else to do.
BATCH, IDLE_BATCH = 256, 1024
#: Targets that were returned and have not been started yet.
MAX_RETURNED = 1024
#: Seconds between two warnings.
_WARN_EVERY_S = 60.0


class NoWay:
    """The targets that were put back. `len` counts them, without those that were just returned to the pool."""

    def __init__(
        self,
        source: TargetSource,
        has_way: Callable[[str], bool],
        *,
        patience_s: float,
    ) -> None:
        """Prepare; `has_way` tells whether this machine has a way to an address, and must not send anything."""
        self._source = source
        self._has_way = has_way
        self._patience_s = patience_s
        self._waiting = PositionSet()
        self._networks: dict[str, int] = {}
        self._lost_at: dict[str, float] = {}
        self._codes: Counter[int] = Counter()
        self._returned: set[int] = set()
        self._last = -1  # the position that was tested last
        self._proved = False  # a connection could be started since the last test
        self._back_off = BackOff()
        self._warn_at = float("-inf")
        self._untold: tuple[str, int] | None = None
        self._idle_since: float | None = None
        self._idle_rounds = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def networks(self) -> dict[str, int]:
        """How many targets wait in each network (by its key), for at most `MAX_NETWORKS` networks."""
        return dict(self._networks)

    @property
    def reasons(self) -> str:
        """The names of the errors, most frequent first: "ENETUNREACH, EACCES"."""
        return ", ".join(error_name(code) for code, _ in self._codes.most_common(3))

    def no_network(self) -> LocalError:
        """Return the error for a machine without a network: the waiting targets are all that were tried."""
        return LocalError(
            f"no route from this machine to {_all_of(len(self))} ({self.reasons}): check its network, then run again"
        )

    def add(self, target: Target, code: int, now: float) -> None:
        """Put a target back that the kernel has no way to; `code` is the errno."""
        network, position = network_of(target.ip), target.position
        was_returned = position in self._returned
        if not self._waiting and not self._returned:
            self._back_off.wait_s = 0.0
            self._untold = network, code
        if (was_returned or not self._waiting) and now >= self._back_off.until:
            self._back_off.extend(now)
        self._returned.discard(position)
        self._waiting.add(position)
        self._codes[code] += 1
        if network in self._networks or len(self._networks) < MAX_NETWORKS:
            self._networks[network] = self._networks.get(network, 0) + 1
            if not was_returned or not self._has_way(target.ip):
                self._lost_at[network] = now  # else a local firewall refuses this address, and its network has a way
        if len(self._lost_at) > 2 * MAX_NETWORKS:
            self._lost_at = {each: at for each, at in self._lost_at.items() if each in self._networks}

    def warn(self, now: float) -> None:
        """Log a warning, once for each loss and not too often. The pool calls this when some other target had a way."""
        if self._untold is not None and now >= self._warn_at and self._patience_s:
            network, code = self._untold
            self._untold, self._warn_at = None, now + _WARN_EVERY_S
            log.warning(
                "this machine has no way to %s (%s): its targets wait while the others are visited",
                network_text(network),
                error_name(code),
            )

    def was_lost(self, ip: str, since: float) -> bool:
        """Whether a way into the network of an address was missing at some time after `since`."""
        return bool(self._lost_at) and self._lost_at.get(network_of(ip), -1.0) >= since

    def started(self, position: int) -> None:
        """Note that a connection to a target was started; if it had been put back, its way is there again."""
        if position in self._returned:
            self._returned.discard(position)
            self._proved, self._back_off.wait_s = True, 0.0
            self._idle_since, self._idle_rounds = None, 0

    def dropped(self, position: int) -> None:
        """Note that a target that was returned is not visited for another reason."""
        self._returned.discard(position)

    def find_ways(self, now: float, *, idle: bool) -> list[Target]:
        """Test some targets again and return those that have a way; `idle` when there is nothing else to do."""
        if idle and self._idle_since is None:
            self._idle_since = now
        if not self._waiting or not self._is_due(now):
            return []
        self._proved = False
        found = [target for target in self._next(IDLE_BATCH if idle else BATCH) if self._has_way(target.ip)]
        for target in found:
            self._remove(target)
        if not found and (not idle or self._last < 0):
            self._back_off.extend(now)
        return found

    def is_hopeless(self, now: float) -> bool:
        """Whether to give up the waiting targets, when there is nothing else to do."""
        if not self._patience_s or self._codes.keys() <= HOPELESS_ERRORS:
            return True
        since = self._idle_since
        return since is not None and now - since > self._patience_s and self._idle_rounds > 0

    def _is_due(self, now: float) -> bool:
        if self._proved:
            return len(self._returned) < MAX_RETURNED
        return not self._returned and now >= self._back_off.until

    def _next(self, most: int) -> list[Target]:
        """Return the next targets to test; after the last comes the first again."""
        positions = self._waiting.next_after(self._last, most)  # not empty: only a target that was tested leaves
        self._last = int(positions[-1])
        if not len(self._waiting.next_after(self._last, 1)):
            self._last = -1  # the round is over
            self._idle_rounds += self._idle_since is not None
        return self._source.targets_at(positions.tolist())

    def _remove(self, target: Target) -> None:
        network = network_of(target.ip)
        self._waiting.discard(target.position)
        self._returned.add(target.position)
        left = self._networks.get(network, 0) - 1
        if left > 0:
            self._networks[network] = left
        else:
            self._networks.pop(network, None)


def _all_of(count: int) -> str:
    return "the one target that was tried" if count == 1 else f"any of the first {counted(count, 'target')}"
