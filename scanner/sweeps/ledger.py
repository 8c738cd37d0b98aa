"""Keep the books of a sweep: every planned target has one terminal status, and the run fails when they do not balance.

    planned = excluded + one terminal status each + not visited (nothing, when the sweep is complete)

A target is counted when its result has reached the sinks, not before, so that books and checkpoint agree.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scanner.errors import LedgerError, StateError
from scanner.model import Status


class Outcome(NamedTuple):
    """What is booked for one target: `recorded` if a record was written, `refused_us` if it refused our address."""

    status: Status
    product: str | None
    recorded: bool
    refused_us: bool = False


class Ledger:
    """Counts terminal statuses and products. The `excluded` targets are part of `planned` and never visited.

    `excluded_records` counts those of them that have a record, when such records were asked for. `refused_us` counts
    the hosts that refused our address: they have a status, but what they run was not seen.
    """

    def __init__(self, planned: int, excluded: int) -> None:
        self.planned = planned
        self.excluded = excluded
        self.statuses: Counter[Status] = Counter()
        self.products: Counter[str] = Counter()
        self.records = 0
        self.excluded_records = 0
        self.refused_us = 0

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Book the terminal statuses of a batch of targets."""
        for outcome, count in Counter(outcomes).items():  # equal ones are counted in C
            self.statuses[outcome.status] += count
            if outcome.product is not None:
                self.products[outcome.product] += count
            if outcome.recorded:
                self.records += count
            if outcome.refused_us:
                self.refused_us += count

    def count_excluded(self, records: int) -> None:
        """Book records of excluded targets, which were counted as excluded before."""
        self.excluded_records += records
        self.records += records

    @property
    def finished(self) -> int:
        """Targets that have their terminal status."""
        return self.statuses.total()

    @property
    def not_visited(self) -> int:
        """Targets without a result: 0 in a complete sweep."""
        return self.planned - self.excluded - self.finished

    def check(self, *, done: int, complete: bool) -> None:
        """Compare the books with the number of targets that are done by `Progress`.

        Raises:
            LedgerError: when they disagree, or a complete sweep has targets without a status.
        """
        wrong = self.finished != done or self.not_visited < 0 or self.excluded_records > self.excluded
        if wrong or (complete and self.not_visited):
            raise LedgerError(
                f"the books do not balance: {self.planned:,} planned, {self.excluded:,} excluded, "
                f"{self.finished:,} with a status, {done:,} marked as done; this is a bug in smtpsweep"
            )

    def snapshot(self) -> dict[str, Any]:
        """Return the counts as plain values for the state file."""
        return {
            "statuses": _plain(self.statuses),
            "products": _plain(self.products),
            "records": self.records,
            "excluded_records": self.excluded_records,
            "refused_us": self.refused_us,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take over the counts of an earlier run.

        Raises:
            StateError: when they are not counts.
        """
        try:
            statuses = Counter({Status(name): _checked(count) for name, count in snapshot["statuses"].items()})
            products = Counter({str(name): _checked(count) for name, count in snapshot["products"].items()})
            records = _checked(snapshot["records"])
            excluded_records = _checked(snapshot.get("excluded_records", 0))
            refused_us = _checked(snapshot.get("refused_us", 0))  # states of earlier versions do not have it
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StateError(f"its counts are damaged ({error})") from None
        self.statuses, self.products, self.records, self.refused_us = statuses, products, records, refused_us
        self.excluded_records = excluded_records


def _checked(count: Any) -> int:
    if type(count) is not int or count < 0:
        raise ValueError(f"{count!a} is not a count")
    return count


def _plain(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}
