"""Find out how many sockets this process may hold at once.

Every visited host costs a descriptor from the SYN to the last 221, and a silent host costs one for the whole greeting
time-out. So the soft limit is raised to the hard one, which setrlimit(2) allows to everybody, and the pool stays below
it. A scanner that runs into EMFILE in the middle of a sweep reports hosts as dead that are not.
"""

import resource
from pathlib import Path
from typing import NamedTuple

#: Descriptors for the loop, log files, sinks and DNS: never given to targets.
RESERVED = 48
#: Below this a sweep cannot be useful.
MINIMUM = 8


class DescriptorBudget(NamedTuple):
    """What the pool may use: `sockets` at once, `connecting` of them in an attempt; `notice` when fewer than asked."""

    sockets: int
    connecting: int
    notice: str | None


def descriptor_budget(concurrency: int) -> DescriptorBudget:
    """Raise the soft descriptor limit as far as allowed and fit the concurrency into it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _raised(soft, hard)
    sockets = max(MINIMUM, limit - RESERVED - _already_open())
    if concurrency <= sockets:
        return DescriptorBudget(sockets, concurrency, None)
    notice = (
        f"concurrency lowered from {concurrency} to {sockets}: this process may open {limit} files "
        f"(raise it with 'ulimit -n' or LimitNOFILE=)"
    )
    return DescriptorBudget(sockets, sockets, notice)


def _raised(soft: int, hard: int) -> int:
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1 << 20)  # the kernel's own ceiling, fs.nr_open, has this default
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft  # some containers refuse: then the old limit applies
    return hard


def _already_open() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 16
