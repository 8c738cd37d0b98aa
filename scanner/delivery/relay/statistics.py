"""What a relay says of itself: what it is to do, what it does, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner.delivery.relay.breaker import BreakerState


class OverflowPolicy(StrEnum):
    """What the sweep does for a receiver that does not keep up."""

    REQUIRED = "required"  # the sweep waits when it is more than `max_lag` records behind
    SPOOL = "spool"  # the log grows up to its quota, then the sweep waits
    BEST_EFFORT = "best_effort"  # what is more than `max_lag` records behind is skipped, counted and noted


class RelayState(StrEnum):
    """What a relay is doing."""

    STARTING = "starting"
    DELIVERING = "delivering"
    WAITING = "waiting"  # everything is delivered
    RETRYING = "retrying"  # the receiver is down, or refuses for now
    DENIED = "denied"  # the receiver does not let us in: a person has to act
    FAILED = "failed"  # it can never work as asked for
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """A snapshot. `sequence` is the cursor; counts of records (`delivered`, `dead`, `skipped`) are totals of the run.

    `answers` counts what the receiver has answered to some purpose: it grows as long as there is any progress.

    `oldest_s` is how long the oldest batch under way has been waiting, in seconds, None when there is none. `trouble`
    is why the receiver takes nothing at this moment, `reason` why the first dead letter is one.
    """

    name: str
    state: RelayState
    policy: OverflowPolicy
    sequence: int
    last: int
    delivered: int
    dead: int
    skipped: int
    duplicates: int
    in_flight: int
    answers: int
    retries: Mapping[str, int]
    breaker: BreakerState
    oldest_s: float | None
    trouble: str | None
    reason: str | None

    @property
    def lag(self) -> int:
        """Records in the log that this receiver has not got."""
        return self.last - self.sequence
