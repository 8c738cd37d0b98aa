"""Send a batch of events until each is taken, or refused for good with a reason.

Failures that may pass are retried without end, with growing pauses; cancel it to stop. A batch that is too large is
sent in halves; one that was refused as a whole is bisected until the bad event is alone. Denied access is retried, too:
a person has to act, and no record is at fault.
"""

import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    Receiver,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.relay.breaker import Breaker
from scanner.errors import SinkError, SmtpsweepError
from scanner.formats.event import Event

log = logging.getLogger(__name__)

_SHOWN = 200


class RefusedForGood(NamedTuple):
    """An event that goes to the dead letters."""

    event: Event
    reason: str


async def _ignore(refused: list[RefusedForGood], rest: Event | None) -> None:
    """Do nothing."""


class Settling:
    """Sends batches to one receiver until they are settled; counts retries, duplicates and answers."""

    def __init__(self, receiver: Receiver, breaker: Breaker, alarm: Callable[[str, str], None]) -> None:
        """Take the receiver, its breaker, and `alarm(kind, reason)`, called with kind "" when trouble is over."""
        self._receiver = receiver
        self._breaker = breaker
        self._alarm = alarm
        self.retries: Counter[str] = Counter()
        self.duplicates = 0
        #: How many answers have made progress: something was taken, refused, or will be sent in halves.
        self.answers = 0

    async def open(self, run: str) -> None:
        """Open the receiver for a run, however long that takes.

        Raises:
            InputError: when it can never work as asked for.
            SinkError: when it raises an exception that `Receiver` does not allow.
        """
        while True:
            try:
                async with self._breaker.attempt():
                    await self._receiver.open(run)
            except TryLaterError as error:
                await self._pause("unreachable", error, error.after_s)
            except AccessDeniedError as error:
                await self._pause("access_denied", error)
            except (SmtpsweepError, OSError):
                raise
            except Exception as error:  # noqa: BLE001  a bug in a receiver ends that receiver
                reason = printable(str(error))[:_SHOWN]
                raise SinkError(f"failed with {type(error).__name__}, a bug in this sink: {reason}") from None
            else:
                self._is_well()
                return

    async def settle(
        self,
        events: Sequence[Event],
        on_part: Callable[[list[RefusedForGood], Event | None], Awaitable[None]] = _ignore,
    ) -> list[RefusedForGood]:
        """Return the events that were refused for good, when all the others are taken.

        Args:
            events: the batch, in the order of their numbers.
            on_part: called when a part is settled, with its events that were refused for good, and the first event
                that is not settled yet, None when all are.
        """
        refused: list[RefusedForGood] = []
        work = deque([list(events)])
        while work:
            batch = work.popleft()
            answers, known = self.answers, len(refused)
            work.extendleft(reversed(await self._try(batch, refused)))
            if self.answers != answers:
                await on_part(refused[known:], work[0][0] if work else None)
        return refused

    async def _try(self, batch: list[Event], refused: list[RefusedForGood]) -> list[list[Event]]:
        """Send a batch and count the answer; return what is to be sent after that, in order."""
        try:
            async with self._breaker.attempt():
                receipt = await self._receiver.send(batch)
                self._is_well()
        except TryLaterError as error:
            await self._pause("try_later", error, error.after_s)
        except AccessDeniedError as error:
            await self._pause("access_denied", error)
        except (TooLargeError, BatchRefusedError) as error:
            self._is_well()
            self.answers += 1
            if len(batch) == 1:
                refused.append(RefusedForGood(batch[0], str(error)))
                return []
            self.retries["split"] += 1
            middle = len(batch) // 2
            return [batch[:middle], batch[middle:]]
        except Exception as error:  # noqa: BLE001  a bug in a receiver must not cost a record; it may be transient
            await self._pause("bug", f"failed with {type(error).__name__}, a bug in this sink")
        else:
            return await self._part(batch, receipt, refused)
        return [batch]

    async def _part(self, batch: list[Event], receipt: Receipt, refused: list[RefusedForGood]) -> list[list[Event]]:
        """Count a receipt; return what is to be sent again."""
        self.duplicates += receipt.duplicates
        refused += [RefusedForGood(batch[one.place], one.reason) for one in receipt.refused]
        self.answers += len(receipt.retry) < len(batch)
        if not receipt.retry:
            return []
        await self._pause("try_later", receipt.reason or "a part of the batch was not taken", receipt.after_s)
        return [[batch[place] for place in receipt.retry]]

    async def _pause(self, kind: str, reason: object, asked_s: float | None = None) -> None:
        self.retries[kind] += 1
        self._alarm(kind, str(reason))
        log.debug("%s (%s), to be tried again", reason, kind)
        await self._breaker.failed(asked_s)

    def _is_well(self) -> None:
        self._breaker.succeeded()
        self._alarm("", "")
