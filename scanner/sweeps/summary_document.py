"""Build the summary of a sweep: its counts, its options, why it is not complete, and what people should know."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from scanner.engine import PoolStatistics
from scanner.model import Status
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.plan import Plan
from scanner.sweeps.state import SweepState
from scanner.sweeps.summary import SUMMARY_SCHEMA, Summary, iso, shown_options
from scanner.version import VERSION


def make_summary(
    plan: Plan,
    state: SweepState,
    counts: PoolStatistics,
    *,
    reason: str | None,
    facts_of: str | None,
    elapsed_s: float,
    sinks: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any],
    notices: Sequence[str],
) -> Summary:
    """Return the summary of a sweep.

    Args:
        plan: what was to be visited.
        state: which sweep it is, and its balanced books.
        counts: what the pool did.
        reason: why the sweep is not complete; None when it is.
        facts_of: the date of the facts that versions were compared with.
        elapsed_s: seconds that this run took.
        sinks: what each sink has.
        whole: the parts about the sweep as a whole (`Results.document`).
        notices: lines for people.
    """
    identity, ledger, complete = state.identity, state.ledger, reason is None
    document = {
        "schema": SUMMARY_SCHEMA,
        "scan_id": identity.scan_id,
        "version": VERSION,
        "facts_of": facts_of,
        "started_at": identity.started_at,
        "ended_at": iso(time.time()),
        "elapsed_s": round(elapsed_s, 3),
        "complete": complete,
        "reason": reason,
        "seed": identity.seed,
        "shard": identity.shard,
        "digest": identity.digest,
        "targets_digest": plan.targets_digest,
        "options": shown_options(plan.settings),
        **_target_counts(plan, ledger),
        "sinks": sinks,
        "refused_us": ledger.refused_us,
        "unresolved": [{"name": name, **each._asdict()} for name, each in plan.unresolved.items()],
        "connections": counts.started,
        "retried": counts.retried,
        "local_errors": counts.local_errors,
        **whole,
        "notices": notices,
    }
    return Summary(complete=complete, reason=reason, document=document)


def _target_counts(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    return {
        "planned": ledger.planned,
        "excluded": ledger.excluded,
        "excluded_why": dict(plan.excluded_why),
        "not_visited": ledger.not_visited,
        "statuses": {status.value: ledger.statuses[status] for status in Status if ledger.statuses[status]},
        "products": dict(ledger.products.most_common()),
        "records": ledger.records,
    }
