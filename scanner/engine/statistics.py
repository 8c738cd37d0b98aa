"""A snapshot of the pool's counters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A snapshot for progress, benchmarks and tests. All are counts.

    `no_way` counts the targets that this machine has no way to now; after the run, those that were not visited.
    """

    started: int
    finished: int
    connecting: int
    waiting: int
    leaving: int
    deferred: int
    retrying: int
    retried: int
    local_errors: int
    no_way: int
    sockets: int
