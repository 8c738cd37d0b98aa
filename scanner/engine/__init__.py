"""Visit targets: connections, deadlines, pacing. Everything that touches a socket to a target is here."""

from scanner.engine.descriptors import DescriptorBudget, descriptor_budget
from scanner.engine.pacing import Gate
from scanner.engine.pool import Pool
from scanner.engine.statistics import PoolStatistics

__all__ = ["DescriptorBudget", "Gate", "Pool", "PoolStatistics", "descriptor_budget"]
