"""Whatever a receiver raises or answers, `DiscreetReceiver` says it without secrets and with the same meaning."""

import traceback
from collections.abc import Sequence

import pytest

from scanner.delivery.receivers.discreet import DiscreetReceiver
from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError, SinkError
from scanner.formats import Event

TOLD = "no: Bearer hunter2hunter"


class Telling:
    """A receiver that raises or returns what it was given."""

    name = "telling"
    limits = BatchLimits(max_events=3)

    def __init__(self, what: Exception | Receipt) -> None:
        self._what = what
        self.opened: list[str] = []
        self.closed = 0
        self.unconfirmed_from: int | None = None

    async def open(self, run: str) -> None:
        self.opened.append(run)
        if isinstance(self._what, Exception):
            raise self._what

    async def send(self, batch: Sequence[Event]) -> Receipt:
        del batch
        if isinstance(self._what, Exception):
            raise self._what
        return self._what

    async def close(self) -> None:
        self.closed += 1


def discreet(what: Exception | Receipt) -> DiscreetReceiver:
    return DiscreetReceiver(Telling(what), Redaction("hunter2hunter"))


@pytest.mark.parametrize(
    "error",
    [
        TryLaterError(TOLD, 7.0),
        TryLaterError(TOLD, answered=True),
        TooLargeError(TOLD),
        BatchRefusedError(TOLD),
        AccessDeniedError(TOLD),
        InputError(TOLD),
        SinkError(TOLD),
    ],
)
async def test_an_error_keeps_its_meaning(error: Exception) -> None:
    one = discreet(error)
    for call in (one.open("run"), one.send([])):
        with pytest.raises(type(error)) as caught:
            await call
        assert str(caught.value) == "no: Bearer ***"
        for name in ("after_s", "answered"):
            assert getattr(caught.value, name, None) == getattr(error, name, None)


async def test_a_bug_keeps_its_name_and_its_traceback_holds_no_secret() -> None:
    with pytest.raises(RuntimeError, match=r"no: Bearer \*\*\*") as caught:
        await discreet(KeyError(TOLD)).open("run")

    assert type(caught.value).__name__ == "KeyError"
    assert "hunter" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("error", [SinkError(TOLD), KeyError(TOLD), SystemExit(TOLD)])
async def test_what_a_close_raises_is_cleaned(error: BaseException) -> None:
    one = discreet(TAKEN)

    async def close() -> None:
        raise error

    one.inner.close = close  # type: ignore[method-assign]
    with pytest.raises((SinkError, RuntimeError)) as caught:
        await one.close()

    assert "Bearer ***" in str(caught.value)
    assert "hunter" not in "".join(traceback.format_exception(caught.value))


async def test_reasons_of_a_receipt_are_cleaned_and_the_rest_stays() -> None:
    receipt = Receipt(refused=(RefusedEvent(2, TOLD),), retry=(0, 1), after_s=3.0, duplicates=4, reason=TOLD)

    assert await discreet(receipt).send([]) == Receipt(
        refused=(RefusedEvent(2, "no: Bearer ***"),), retry=(0, 1), after_s=3.0, duplicates=4, reason="no: Bearer ***"
    )
    assert await discreet(Receipt(refused=(RefusedEvent(2, TOLD),))).send([]) == Receipt(
        refused=(RefusedEvent(2, "no: Bearer ***"),)
    )
    assert await discreet(TAKEN).send([]) is TAKEN


async def test_everything_else_is_the_receivers_own() -> None:
    one = discreet(TAKEN)
    assert isinstance(one.inner, Telling)

    await one.open("run")
    await one.close()
    one.inner.unconfirmed_from = 7

    assert (one.name, one.limits, repr(one)) == ("telling", BatchLimits(max_events=3), "<DiscreetReceiver: telling>")
    assert (one.inner.opened, one.inner.closed) == (["run"], 1)
    assert one.unconfirmed_from == 7
    assert not hasattr(one, "no_such_thing")
