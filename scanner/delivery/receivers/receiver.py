"""What a remote destination is, as the relay sees it: something that takes batches of events and says what it took.

The relay (`delivery.relay`) does the rest for all of them alike: reading the log, the cursor, batches, retries with a
growing pause, the circuit breaker, splitting, bisecting, dead letters. So a receiver is short, holds no queue, and
retries nothing by itself: it sends one batch, waits for the answer, and says truthfully what the answer means.

Calls come from one event loop: `open` until it succeeds, then `send`, up to `limits.in_flight` at a time, then `close`.
Messages are one line of printable ASCII and never hold a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from scanner.formats.event import Event


class RefusedEvent(NamedTuple):
    """An event that will never be taken as it is: its place in the batch, from 0, and the receiver's reason."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. Everything that is not named here was taken and is safe.

    `retry` are the places of events to send again, `after_s` the pause that the receiver asked for. `duplicates`
    counts events that the receiver says it had already: they are taken.
    """

    refused: tuple[RefusedEvent, ...] = ()
    retry: tuple[int, ...] = ()
    after_s: float | None = None
    duplicates: int = 0
    reason: str | None = None


#: Every event was taken.
TAKEN = Receipt()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large a batch may be (`max_bytes` counts bodies), how long a small one waits for more, how many at a time.

    With `in_flight` 1 the order of events is kept. With `whole_segments` a batch is all that a segment of the log
    holds, however much that is, and comes when the segment is closed: for destinations that keep objects. One that is
    sent again is the same, and its first event has the same `sequence`.
    """

    max_events: int = 500
    max_bytes: int = 1 << 20
    linger_s: float = 0.2
    in_flight: int = 1
    whole_segments: bool = False


class TryLaterError(Exception):
    """Raised when nothing of a batch is known to be taken and a later attempt may succeed: network, 429, 5xx, time-out.

    `after_s` is the pause that the receiver asked for (`Retry-After`), None when it did not. `answered` says that there
    was an answer, so that nobody is told that it cannot be reached.
    """

    def __init__(self, reason: str, after_s: float | None = None, *, answered: bool = False) -> None:
        super().__init__(reason)
        self.after_s, self.answered = after_s, answered


class TooLargeError(Exception):
    """Raised when a batch is too large for the receiver (413): the relay sends it in halves."""


class BatchRefusedError(Exception):
    """Raised when a batch was refused whole, nothing of it taken, for what may be one bad event: the relay bisects."""


class AccessDeniedError(Exception):
    """Raised when who we are, or what we may do, is the trouble (401, 403): a person has to act; nothing is refused."""


class Receiver(Protocol):
    """A remote destination; see the module for the rules of calling."""

    @property
    def name(self) -> str:
        """What to call it in messages: printable, without secrets."""
        ...

    @property
    def limits(self) -> BatchLimits:
        """The size of batches."""
        ...

    async def open(self, run: str) -> None:
        """Make ready to take events of a run (its id). Called again after it failed.

        Raises:
            TryLaterError: when it cannot be reached now.
            AccessDeniedError: when it does not let us in.
            InputError: when it can never work as asked for; nothing is retried then.
        """
        ...

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send a batch and return when the receiver has answered for all of it.

        Raises:
            TryLaterError, TooLargeError, BatchRefusedError, AccessDeniedError: as they say.
        """
        ...

    async def close(self) -> None:
        """Let go of it; raises nothing.

        One that only finds out here whether events were read (no acknowledgements: syslog, GELF) has an attribute
        `unconfirmed_from`: at any time, the lowest `sequence` of an event that was sent and may not have been read,
        else None. Those do not count as delivered when it ends, however that comes.
        """
        ...
