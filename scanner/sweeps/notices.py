"""Write the lines that people see about a sweep: which targets were not visited and why, and what the machine lacked.

Lines are bounded: neighbouring networks are merged, and the first `MAX_NAMED` blocks are named.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any

from scanner.engine import Gate, Pool
from scanner.engine.away import Away
from scanner.engine.networks import network_text
from scanner.engine.no_way import NoWay
from scanner.settings import Settings
from scanner.sweeps.interception import describe
from scanner.sweeps.known_names import ELSEWHERE
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.plan import Plan
from scanner.sweeps.refusal_notices import refusal_reason
from scanner.sweeps.resolve import Unresolved
from scanner.text.counted import counted
from scanner.timeouts import Lateness

#: Blocks named in one line.
MAX_NAMED = 8
#: A process that was held up for less than this many seconds in all is not worth a line: a disk was slow once.
WORTH_TELLING_S = 2.0


def machine_notices(pool: Pool, settings: Settings, not_visited: int | None) -> list[str]:
    """Return the lines about the machine that a sweep ran on.

    Args:
        pool: the pool of the sweep, after its run.
        settings: the settings of the sweep.
        not_visited: how many targets were not visited; None when the user stopped the sweep and knows why.
    """
    missing = [no_way_notice(pool.no_way, not_visited)] if pool.no_way and not_visited is not None else []
    return missing + away_notices(pool.away) + lateness_notices(pool.lateness, settings)


def away_notices(away: Away) -> list[str]:
    """Return a line when visits failed while this machine's network was away."""
    if not away.again:
        return []
    made = "1 visit was" if away.again == 1 else f"{away.again:,} visits were"
    left = f"; {away_reason(away.given_up)}" if away.given_up else ""
    return [f"{made} made again: this machine's network was away meanwhile (interface, address or gateway){left}"]


def lateness_notices(lateness: Lateness, settings: Settings) -> list[str]:
    """Return a line when this process did not run in time: it was suspended, or the machine is too slow."""
    if lateness.is_too_slow:
        lost_s = lateness.late_s + lateness.paused_s
        line = (
            f"this machine is too slow for what it was asked to do: for {lost_s:,.0f} s of {lateness.elapsed_s:,.0f} s "
            "this process did not run in time, and time-outs were extended; lower --concurrency "
            f"({settings.concurrency:,}) or --rate, or give it more of a processor"
        )
        return [line]
    if lateness.paused_s >= WORTH_TELLING_S:
        times = "once" if lateness.pauses == 1 else f"{lateness.pauses:,} times"
        line = (
            f"this process was suspended or held up {times}, for {lateness.paused_s:,.0f} s in all: "
            "time-outs were extended by as much"
        )
        return [line]
    return []


def remarks(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each suspect and for the pools in a summary, which may lack these parts."""
    found = [describe(suspect) for suspect in document.get("interception") or ()]
    pools = (document.get("samples") or {}).get("found", 0)
    if pools:
        found.append(f"targets that gave different answers, so that more than one server is behind each: {pools:,}")
    return found


def reason_incomplete(plan: Plan, ledger: Ledger, pool: Pool, gate: Gate, *, stopped: bool) -> str:
    """Say in a few words why a sweep that did not fail is not complete."""
    if plan.unresolved and not ledger.not_visited:
        return names_reason(plan.unresolved)
    if stopped:
        return "interrupted"
    if pool.no_way:
        return no_way_reason(pool.no_way, ledger.not_visited)
    if pool.away.given_up:
        return away_reason(pool.away.given_up)
    return refusal_reason(ledger.not_visited, gate.closed, plan.settings) if gate.closed else "interrupted"


def away_reason(given_up: int) -> str:
    """Say how many targets were not visited because this machine's network was away during each visit."""
    were = "was" if given_up == 1 else "were"
    return f"{counted(given_up, 'target')} {were} not visited: this machine's network was away during each visit"


def names_reason(unresolved: Mapping[str, Unresolved]) -> str:
    """Say how many names could not be resolved, or that all of them now lead to addresses outside the sweep."""
    names = counted(len(unresolved), "name")
    if all(each.reason.endswith(ELSEWHERE) for each in unresolved.values()):
        return f"{names} could not be swept, and by now have addresses that this sweep has not: sweep them on their own"
    return f"{names} could not be resolved"


def no_way_reason(no_way: NoWay, not_visited: int) -> str:
    """Say how many targets were not visited, how many of them had no way, and why."""
    lost, were = len(no_way), "was" if not_visited == 1 else "were"
    whom = "there" if lost >= not_visited else f"to {lost:,} of those that were tried"
    return f"{counted(not_visited, 'target')} {were} not visited: this machine had no way {whom} ({no_way.reasons})"


def no_way_notice(no_way: NoWay, not_visited: int) -> str:
    """Say the same with the networks, and what to do about it."""
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
