"""A receiver whose messages hold no secret, whatever it says: the one door between receivers and everybody else.

Every receiver is put into one of these when it is made, also those of other distributions. What it raises and what its
receipts say are cleaned here, before the relay can log, count or keep them. Places that cut a peer's text clean it
before that (`Redaction.beginning`), since the beginning of a secret is harder to tell.
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
    """Another receiver (`inner`), without our secrets in what it says."""

    def __init__(self, inner: Receiver, redaction: Redaction) -> None:
        """Take the receiver, and the secrets that it was given."""
        self.inner = inner
        self._clean = redaction.clean

    def __repr__(self) -> str:
        return f"<DiscreetReceiver: {self.name}>"

    def __getattr__(self, name: str) -> object:
        """Return what else the receiver has, as `unconfirmed_from`; None of that is a message."""
        return getattr(self.inner, name)

    @property
    def name(self) -> str:
        """What the receiver is called."""
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
        """Let go of it."""
        try:
            await self.inner.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001  said again in other words, whatever it is
            raise _said_again(error, self._clean) from None


def _said_again(error: Exception | SystemExit, clean: Callable[[str], str]) -> Exception:
    """Return an error with a clean message: the same one where we know what it is, else one of the same name.

    What an unknown one holds besides its message may be shown in a traceback.
    """
    text = clean(str(error))
    if isinstance(error, _KNOWN):
        error.args = (text,)
        return error
    bug: Exception = type(type(error).__name__, (RuntimeError,), {})(text)
    return bug
