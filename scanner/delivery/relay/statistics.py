"""The statistics of a relay: its policy, its state, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner.delivery.relay.breaker import BreakerState


class OverflowPolicy(StrEnum):
    """What happens when a receiver does not keep up with the sweep."""

    REQUIRED = "required"  # the sweep waits when it is more than `max_lag` records behind
    SPOOL = "spool"  # the spool grows up to its quota, then the sweep waits
    BEST_EFFORT = "best_effort"  # records that are more than `max_lag` behind are skipped, counted and noted


class RelayState(StrEnum):
    """What a relay is doing."""

    STARTING = "starting"
    DELIVERING = "delivering"
    WAITING = "waiting"  # everything is delivered
    RETRYING = "retrying"  # the receiver is down, or refuses for now
    DENIED = "denied"  # the receiver denies access: a person has to act
    FAILED = "failed"  # it can never work as asked for
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """A snapshot. `sequence` is the cursor; counts of records (`delivered`, `dead`, `skipped`) are totals of the run.

    `answers` counts the receiver's answers that made progress; while it grows, the receiver is not stuck. `oldest_s` is
    how long the oldest batch in progress has been waiting, in seconds, None when there is none. `trouble` is why the
    receiver takes nothing at this moment, `reason` that of the first dead letter.
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
