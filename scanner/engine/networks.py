"""The networks whose rates and refusals are counted: the /24 of an IPv4 address, the /64 of an IPv6 address.

A network is named by a key, the common beginning of its addresses: "192.0.2", "2001:db8:0:0". A key is made for each
visit, so it is cut out of the text of the address. The same networks decide which shard visits an address
(`scanner.targets.shards`).
"""

from ipaddress import IPv6Address
from typing import Any

from scanner.errors import StateError

#: Networks that are counted at the same time, and those of each kind in a saved state: a bound on memory.
MAX_NETWORKS = 65_536


def network_of(ip: str) -> str:
    """Return the key of the network of an address."""
    if ":" not in ip:
        return ip[: ip.rindex(".")]
    head, _, tail = ip.partition("::")
    groups = head.split(":") if head else []
    if tail or ip.endswith("::"):
        tail_groups = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(tail_groups)) + tail_groups
    return ":".join(groups[:4])


def network_text(network: str) -> str:
    """Write the key of a network as a CIDR block: "192.0.2.0/24", "2001:db8::/64"."""
    return f"{IPv6Address(network + '::')}/64" if ":" in network else f"{network}.0/24"


def checked_network(key: Any) -> str:
    """Return the key of a network from a saved state.

    Raises:
        StateError: when it is not such a key.
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


def checked_networks(keys: Any) -> list[str]:
    """Return a list of keys of networks from a saved state.

    Raises:
        StateError: when it is not such a list.
    """
    if not isinstance(keys, list):
        raise StateError("its refusals are damaged: a list of networks is missing")
    return [checked_network(key) for key in keys]
