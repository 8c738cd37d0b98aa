"""What people hear of targets that were not visited because this machine had no way to them.

The line is bounded: neighbouring networks are merged, and the first `MAX_NAMED` blocks are named.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from scanner.engine import Pool
from scanner.engine.away import Away
from scanner.engine.networks import network_text
from scanner.engine.no_way import NoWay
from scanner.settings import Settings
from scanner.sweeps.known_names import ELSEWHERE
from scanner.sweeps.lateness import lateness_notices
from scanner.sweeps.resolve import Unresolved
from scanner.text.counted import counted

#: Blocks named in one line.
MAX_NAMED = 8


def machine_notices(pool: Pool, settings: Settings, not_visited: int | None) -> list[str]:
    """Return what there is to say of the machine that a sweep ran on.

    Args:
        pool: what visited.
        settings: as the sweep had them.
        not_visited: how many targets were not; None when people stopped the sweep: they know why hosts are missing.
    """
    missing = [no_way_notice(pool.no_way, not_visited)] if pool.no_way and not_visited is not None else []
    return missing + away_notices(pool.away) + lateness_notices(pool.lateness, settings)


def away_notices(away: Away) -> list[str]:
    """Say how many visits failed while this machine's network was away."""
    if not away.again:
        return []
    made = "1 visit was" if away.again == 1 else f"{away.again:,} visits were"
    left = f"; {away_reason(away.given_up)}" if away.given_up else ""
    return [f"{made} made again: this machine's network was away meanwhile (interface, address or gateway){left}"]


def away_reason(given_up: int) -> str:
    """Say in a few words how many targets were not visited since the network never held through a visit to them."""
    were = "was" if given_up == 1 else "were"
    return f"{counted(given_up, 'target')} {were} not visited: this machine's network was away during each visit"


def names_reason(unresolved: Mapping[str, Unresolved]) -> str:
    """Say how many names lead nowhere, or, when that is so of all of them, elsewhere than the sweep began with."""
    names = counted(len(unresolved), "name")
    if all(each.reason.endswith(ELSEWHERE) for each in unresolved.values()):
        return f"{names} could not be swept, and by now have addresses that this sweep has not: sweep them on their own"
    return f"{names} could not be resolved"


def no_way_reason(no_way: NoWay, not_visited: int) -> str:
    """Say in a few words how many targets were not visited, how many of them had no way, and why."""
    lost, were = len(no_way), "was" if not_visited == 1 else "were"
    whom = "there" if lost >= not_visited else f"to {lost:,} of those that were tried"
    return f"{counted(not_visited, 'target')} {were} not visited: this machine had no way {whom} ({no_way.reasons})"


def no_way_notice(no_way: NoWay, not_visited: int) -> str:
    """Say which networks that was, and what to do about it."""
    return (
        f"{no_way_reason(no_way, not_visited)}, in {_blocks(no_way.networks)}; "
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
