"""Turn what the engine brings back into records on their way to the sinks, and count them.

This runs for every host, so it is synchronous and does nothing twice. It also counts, for the summary, what only a
whole sweep can show: a box in between that answers for many hosts, and pools behind one address. A resumed sweep knows
only what its last run saw.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from scanner.delivery import Delivery
from scanner.engine import Gate
from scanner.model import Attempt, Status
from scanner.record import encode
from scanner.settings import Settings
from scanner.sweeps.interception import Interception
from scanner.sweeps.ledger import Outcome
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.reverse_dns import NameStage
from scanner.sweeps.samples import Pools


class Results:
    """The results of one sweep. `pending` counts those that the sinks do not have yet."""

    def __init__(
        self, settings: Settings, builder: RecordBuilder, gate: Gate, delivery: Delivery, names: NameStage | None
    ) -> None:
        """Take what builds records, counts refusals and takes records: names are looked up first, if at all."""
        self._builder, self._gate, self._delivery, self._names = builder, gate, delivery, names
        self._wanted = frozenset(status for status in Status if settings.all_statuses or status.answered)
        self._outcomes: dict[int, Outcome] = {}
        self._interception = Interception()
        self._pools = Pools() if settings.samples > 1 else None

    @property
    def pending(self) -> int:
        """How many results the sinks do not have yet."""
        return len(self._outcomes)

    @property
    def pending_records(self) -> int:
        """How many of the results that the sinks do not have yet have a record."""
        return sum(outcome.recorded for outcome in self._outcomes.values())

    def add(self, attempts: Iterable[Attempt], now: float) -> None:
        """Send the records of attempts to the sinks; `now` is the time of the gate's clock."""
        build, put, outcomes, wanted = self._builder.record, self._delivery.put, self._outcomes, self._wanted
        names, watch, pools, gate = self._names, self._interception.observe, self._pools, self._gate
        for attempt in attempts:
            record = build(attempt)
            position, status, software = attempt.target.position, record.status, record.software
            is_wanted = status in wanted
            refused_us = record.refusal is not None and record.refusal.refused_us
            if refused_us:
                gate.refused(attempt.target.ip, now)
            elif status is Status.EXCLUDED and gate.is_closed(attempt.target.ip):
                continue  # its network was closed after the plan was made: it has no result, and stays unvisited
            elif record.banner is not None and gate.counts_answers:
                gate.greeted(attempt.target.ip, now)
            product = software.product if software is not None else None
            outcomes[position] = Outcome(status, product, is_wanted, refused_us)
            watch(record)
            if pools is not None:
                pools.observe(record)
            if names is not None and is_wanted and record.banner is not None:
                names.put(position, record)
            else:
                put(position, encode(record) if is_wanted else None)

    def add_excluded(self, attempt: Attempt) -> None:
        """Send the record of a target that is excluded, and so never visited, to the sinks."""
        self._delivery.put(attempt.target.position, encode(self._builder.record(attempt)))

    def take_outcomes(self, positions: Sequence[int]) -> list[Outcome]:
        """Return the outcomes at positions whose records every sink has, and forget them."""
        return list(map(self._outcomes.pop, positions))

    def document(self) -> dict[str, Any]:
        """Return the parts of the summary about the sweep as a whole; `samples` is null without `--samples`."""
        return {
            "interception": self._interception.suspects(),
            "samples": None if self._pools is None else self._pools.document(),
        }
