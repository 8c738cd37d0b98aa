"""Visit targets: connections, deadlines, pacing. Every socket to a target is opened here. Linux only."""

import select

from scanner.errors import LocalError

if not hasattr(select, "epoll"):
    raise LocalError("mail servers are visited with epoll(7), which only Linux has: run this command on Linux")

from scanner.engine.descriptors import DescriptorBudget, descriptor_budget
from scanner.engine.pacing import Gate
from scanner.engine.pool import Pool
from scanner.engine.statistics import PoolStatistics

__all__ = ["DescriptorBudget", "Gate", "Pool", "PoolStatistics", "descriptor_budget"]
