"""Which shard visits an address: the rule as `scanner.targets.networks` tells it, for one address."""

from ipaddress import ip_address

import numpy as np

from scanner.targets import networks


def network_of(ip: str) -> tuple[int, int]:
    """Return the version of an address and the number of its network."""
    address = ip_address(ip)
    bits = networks.V4_HOST_BITS if address.version == 4 else networks.V6_HOST_BITS
    return address.version, int(address) >> bits


def owner(ip: str, shards: int) -> int:
    """Return which of `shards` shards an address belongs to."""
    (place,) = networks._places(np.array([network_of(ip)[1]], np.uint64))
    return int(place) % shards
