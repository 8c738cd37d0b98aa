"""The interface of a receiver, which is one remote destination: it sends batches of events and reports what was taken.

The relay (`delivery.relay`) does the rest for all receivers: reading the spool, the cursor, batches, retries with
growing pauses, the circuit breaker, splitting, bisecting, dead letters. So a receiver is short, has no queue, and does
not retry: it sends one batch, waits for the answer, and returns or raises what the answer means.

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
    """The result of a batch. Every event that is neither refused nor to be retried was taken and is safe.

    `retry` are the places of events to send again, `after_s` the pause that the receiver asked for. `duplicates`
    counts events that the receiver had already; they are taken.
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

    With `in_flight` 1 the order of events is kept. With `whole_segments` a batch is a whole closed segment of the
    spool, whatever its size, for destinations that store objects. A segment that is sent again gives the same batch,
    and its first event has the same `sequence`.
    """

    max_events: int = 500
    max_bytes: int = 1 << 20
    linger_s: float = 0.2
    in_flight: int = 1
    whole_segments: bool = False


class TryLaterError(Exception):
    """Raised when nothing of a batch is known to be taken and a later attempt may succeed: network, 429, 5xx, time-out.

    `after_s` is the pause that the receiver asked for (`Retry-After`), None when it did not. `answered` is set when
    there was an answer, so that messages do not say that it cannot be reached.
    """

    def __init__(self, reason: str, after_s: float | None = None, *, answered: bool = False) -> None:
        super().__init__(reason)
        self.after_s, self.answered = after_s, answered


class TooLargeError(Exception):
    """Raised when a batch is too large for the receiver (413): the relay sends it in halves."""


class BatchRefusedError(Exception):
    """Raised when a batch was refused as a whole, perhaps for one bad event, and none was taken: the relay bisects."""


class AccessDeniedError(Exception):
    """Raised when our identity or rights do not suffice (401, 403): a person has to act, and no event is refused."""


class Receiver(Protocol):
    """A remote destination; the module's docstring has the order of calls."""

    @property
    def name(self) -> str:
        """Its name in messages: printable, without secrets."""
        ...

    @property
    def limits(self) -> BatchLimits:
        """The size of batches."""
        ...

    async def open(self, run: str) -> None:
        """Get ready to send events of a run, given by its id. Called again after it failed.

        Raises:
            TryLaterError: when the destination cannot be reached now.
            AccessDeniedError: when it denies access.
            InputError: when it can never work as asked for; nothing is retried then.
        """
        ...

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send a batch and return when the receiver has answered for all of it.

        Raises:
            TryLaterError, TooLargeError, BatchRefusedError, AccessDeniedError: as their docstrings describe.
        """
        ...

    async def close(self) -> None:
        """Release all resources; raises nothing.

        A receiver without acknowledgements (syslog, GELF) only finds out here whether events were read. It has an
        attribute `unconfirmed_from`: at any time, the lowest `sequence` of an event that was sent and may not have been
        read, else None. Such events do not count as delivered when the receiver ends in any way.
        """
        ...
