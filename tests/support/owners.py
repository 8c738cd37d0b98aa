"""Which shard visits an address, by the rule of `scanner.targets.shards`."""

from functools import cache
from ipaddress import ip_address

from scanner.targets import Ranges
from scanner.targets.shards import V4_HOST_BITS, V6_HOST_BITS, share


def network_of(ip: str) -> tuple[int, int]:
    """Return the version of an address and the number of its network."""
    address = ip_address(ip)
    return address.version, int(address) >> (V4_HOST_BITS if address.version == 4 else V6_HOST_BITS)


def owner(ip: str, shards: int) -> int:
    """Return which of `shards` shards an address belongs to."""
    return _owner(*network_of(ip), shards)


@cache
def _owner(version: int, network: int, shards: int) -> int:
    first = network << (V4_HOST_BITS if version == 4 else V6_HOST_BITS)
    alone = Ranges.from_pairs(v4=[(first, first)]) if version == 4 else Ranges.from_pairs(v6=[(first, first)])
    (found,) = (shard for shard in range(shards) if share(alone, shard, shards))
    return found
