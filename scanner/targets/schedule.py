"""The order of a run: which target comes at which position.

Order is arithmetic, not state. A sweep of A addresses on P ports has n = A x P indices, shuffled by the seed's
permutation. So a target is a function of its position: a retry or a resumed run needs only the position, and memory
does not depend on n. A shard is a sweep of its own over the networks that it owns (`shards.share`).

Several samples of each target are as many passes over that order: n x samples positions, where position p is position
p mod n of pass p div n. So two visits to one target lie a whole pass apart.

Left out: what is excluded (subtracted from the ranges before), pacing, and what became of a target (`Progress`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from scanner.errors import InputError, StateError
from scanner.model import Target
from scanner.targets.permutation import MAX_N, Permutation
from scanner.targets.progress import MAX_SPREAD, Progress
from scanner.targets.ranges import Ranges

#: Targets computed at once: enough to make numpy's cost per call vanish, few enough to take a millisecond or two.
BLOCK = 2048

# Target(...) for a tuple of its fields, without Python code between: a third of the time of calling Target.
_target = partial(tuple.__new__, Target)


class Schedule:
    """The targets in order, each as position, address, port and host name.

    Args:
        ranges: the addresses to visit.
        ports: the ports to visit at each address.
        seed: chooses the order, 0 to 2**53-1.
        samples: visits to each target.
        hosts: address -> the name that the user gave for it.
        progress: positions already done, which `take` leaves out. It is read as blocks are computed, not changed.

    Raises:
        InputError: when the sweep has more than 2**63 targets.
        StateError: when `progress` knows positions that this sweep does not have.
        ValueError: when there is no port; the settings have refused that before.
    """

    def __init__(
        self,
        ranges: Ranges,
        *,
        ports: tuple[int, ...],
        seed: int,
        samples: int = 1,
        hosts: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._progress = Progress() if progress is None else progress
        self._size = ranges.count * len(ports)
        self.planned = self._size * samples
        self._refuse_what_cannot_be(ports)
        self._ranges = ranges
        self._ports = ports
        self._hosts = hosts or {}
        self._passes = samples
        self._permutation = Permutation(self._size, seed)
        self._cursor = self._progress.low_water  # the first position that no block was computed for
        self._ready: list[Target] = []  # the current block, of which `_served` were handed out
        self._served = 0

    def _refuse_what_cannot_be(self, ports: tuple[int, ...]) -> None:
        if not ports:
            raise ValueError("a schedule needs at least one port")
        if self.planned > MAX_N:
            raise InputError(f"{self.planned} targets are more than 2**63: visit less at once")
        if self._progress.high_water > self.planned:
            raise StateError(
                f"the state knows position {self._progress.high_water - 1}, but this run has {self.planned} targets: "
                "it belongs to another sweep"
            )

    def __repr__(self) -> str:
        next_position = self._cursor if self.exhausted else self._ready[self._served].position
        return f"<Schedule: at {next_position:,} of {self.planned:,}>"

    @property
    def exhausted(self) -> bool:
        """Whether `take` has nothing more to give."""
        self._fill()
        return not self._ready

    def take(self, n: int) -> list[Target]:
        """Return the next targets in order, at most `n`, without those that are done; an empty list means the end.

        The end also comes when `MAX_SPREAD` positions lie between the lowest open one and the next, because a state
        with a wider spread could not be read again. The targets that are left stay open in the state.
        """
        taken: list[Target] = []
        while len(taken) < n and not self.exhausted:
            chunk = self._ready[self._served : self._served + n - len(taken)]
            self._served += len(chunk)
            taken += chunk
        return taken

    def targets_at(self, positions: Sequence[int]) -> list[Target]:
        """Return the targets at these positions, done or not, in this order.

        Raises:
            IndexError: when a position is not below `planned`.
        """
        return self._targets(np.array(positions, dtype=np.uint64))

    def sample(self, position: int) -> int:
        """Return which of the visits to its target a position is: 0 for the first."""
        return position // self._size

    def _fill(self) -> None:
        """Compute blocks until one holds a target not handed out yet, or until the end."""
        while self._served == len(self._ready):
            stop = min(self._cursor + BLOCK, self.planned, self._progress.low_water + MAX_SPREAD)
            if self._cursor >= stop:
                self._ready, self._served = [], 0
                return
            self._ready = self._targets(self._progress.pending(self._cursor, stop))
            self._served = 0
            self._cursor = stop

    def _targets(self, positions: NDArray[np.uint64]) -> list[Target]:
        # Position p of a pass holds index j = permute(p).
        indices = self._permutation.many(positions if self._passes == 1 else positions % np.uint64(self._size))
        # Index j is address j mod A on port number j div A.
        ports, addresses = np.divmod(indices, np.uint64(self._ranges.count))
        ips = self._ranges.pick_many(addresses)
        several = len(self._ports) > 1
        fields = zip(
            positions.tolist(),
            ips,
            map(self._ports.__getitem__, ports.tolist()) if several else repeat(self._ports[0]),
            map(self._hosts.get, ips) if self._hosts else repeat(None),
            strict=False,  # `repeat` has no end
        )
        return list(map(_target, fields))
