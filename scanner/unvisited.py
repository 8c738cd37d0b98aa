"""What people hear of targets that were not visited because this machine had no way to them.

The line is bounded: neighbouring networks are merged, and the first `MAX_NAMED` blocks are named.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from scanner.engine import Pool
from scanner.engine.no_way import NoWay
from scanner.engine.refusals import network_text
from scanner.lateness import lateness_notices
from scanner.settings import Settings

#: Blocks named in one line.
MAX_NAMED = 8


def machine_notices(pool: Pool, settings: Settings, *, stopped: bool) -> list[str]:
    """Return what there is to say of the machine that a sweep ran on; who stopped it knows why hosts are missing."""
    missing = [no_way_notice(pool.no_way)] if pool.no_way and not stopped else []
    return missing + lateness_notices(pool.lateness, settings)


def no_way_reason(no_way: NoWay) -> str:
    """Say in a few words how many targets had no way, and why."""
    targets = "1 target was" if len(no_way) == 1 else f"{len(no_way):,} targets were"
    return f"{targets} not visited: this machine had no way there ({no_way.reasons})"


def no_way_notice(no_way: NoWay) -> str:
    """Say which networks that was, and what to do about it."""
    return (
        f"{no_way_reason(no_way)}, in {_blocks(no_way.networks)}; "
        "run again when it has, or exclude what it can never reach (-x)"
    )


def _blocks(networks: Iterable[str]) -> str:
    texts = [network_text(network) for network in networks]
    merged = [
        *map(str, collapse_addresses(IPv4Network(text) for text in texts if ":" not in text)),
        *map(str, collapse_addresses(IPv6Network(text) for text in texts if ":" in text)),
    ]
    rest = len(merged) - MAX_NAMED
    return ", ".join(merged[:MAX_NAMED]) + (f" and {rest:,} more networks" if rest > 0 else "")
