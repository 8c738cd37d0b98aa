"""Remove secrets from everything that a receiver reports.

Every receiver is wrapped in a `DiscreetReceiver` when it is made, including those of other distributions. Its
exceptions and receipts are cleaned here, before the relay can log, count or keep them. Code that cuts a peer's text
cleans it before (`Redaction.beginning`), since the beginning of a secret is harder to recognise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    Receiver,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.redaction import Redaction
from scanner.errors import SmtpsweepError
from scanner.formats.event import Event

_KNOWN = (TryLaterError, TooLargeError, BatchRefusedError, AccessDeniedError, SmtpsweepError)


class DiscreetReceiver:
    """Wraps another receiver (`inner`), and cleans its errors and receipts of our secrets."""

    def __init__(self, inner: Receiver, redaction: Redaction) -> None:
        """Take the receiver, and the filter for the secrets that it was given."""
        self.inner = inner
        self._clean = redaction.clean

    def __repr__(self) -> str:
        return f"<DiscreetReceiver: {self.name}>"

    def __getattr__(self, name: str) -> object:
        """Return another attribute of the receiver, such as `unconfirmed_from`; none of them is a message."""
        return getattr(self.inner, name)

    @property
    def name(self) -> str:
        """The receiver's name."""
        return self.inner.name

    @property
    def limits(self) -> BatchLimits:
        """The size of batches."""
        return self.inner.limits

    async def open(self, run: str) -> None:
        """Open it; see `Receiver`."""
        try:
            await self.inner.open(run)
        except (Exception, SystemExit) as error:  # noqa: BLE001  said again in other words, whatever it is
            raise _said_again(error, self._clean) from None

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send a batch; see `Receiver`."""
        try:
            receipt = await self.inner.send(batch)
        except (Exception, SystemExit) as error:  # noqa: BLE001  said again in other words, whatever it is
            raise _said_again(error, self._clean) from None
        if not receipt.refused and receipt.reason is None:
            return receipt
        return replace(
            receipt,
            refused=tuple(one._replace(reason=self._clean(one.reason)) for one in receipt.refused),
            reason=None if receipt.reason is None else self._clean(receipt.reason),
        )

    async def close(self) -> None:
        """Close it; see `Receiver`."""
        try:
            await self.inner.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001  said again in other words, whatever it is
            raise _said_again(error, self._clean) from None


def _said_again(error: Exception | SystemExit, clean: Callable[[str], str]) -> Exception:
    """Return an error with a clean message: the same one where we know what it is, else one of the same name.

    An unknown error is replaced, since its other attributes may be shown in a traceback.
    """
    text = clean(str(error))
    if isinstance(error, _KNOWN):
        error.args = (text,)
        return error
    bug: Exception = type(type(error).__name__, (RuntimeError,), {})(text)
    return bug
