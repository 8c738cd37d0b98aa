"""Claims about `scanner.relay.trial`: one record through a sink, and what the answer means."""

import asyncio
from collections.abc import Sequence

import orjson
import pytest

from scanner.formats import Event, make_format
from scanner.relay import Policy
from scanner.relay.destination import Destination
from scanner.relay.trial import Trial, try_sink
from scanner.sinks.receiver import (
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from tests.receivers_fake import Answer, FakeReceiver
from tests.test_relay import record


async def tried(receiver: FakeReceiver, timeout_s: float = 20) -> Trial:
    one = Destination("fake", "fake://h", "fake://h", receiver, make_format("native"), Policy.SPOOL, 100)
    return await try_sink(one, record(1).rstrip(b"\n"), timeout_s)


async def test_a_record_that_is_taken_is_the_one_that_was_sent() -> None:
    receiver = FakeReceiver()
    trial = await tried(receiver)

    assert (trial.ok, trial.text) == (True, "took 1 event (native)")
    assert [event.body for event in receiver.taken] == [record(1).rstrip(b"\n")]
    assert (receiver.opened_for, receiver.closed) == (["sinks-test"], 1)
    assert orjson.loads(receiver.taken[0].body)["event_id"] == f"{1:032x}"


async def test_a_repeat_is_said_to_be_one() -> None:
    trial = await tried(FakeReceiver(lambda batch: Receipt(duplicates=1)))

    assert (trial.ok, trial.text) == (True, "took 1 event (native) (it had the same event already)")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (TryLaterError("503 busy"), "503 busy: "),
        (AccessDeniedError("401 who are you"), "401 who are you: it does not let us in: check the secret"),
        (TooLargeError("413"), "413: even one record is too large for it"),
        (BatchRefusedError("400 bad"), "400 bad: it refuses the record: check format and destination"),
        (lambda _: Receipt(refused=(RefusedEvent(0, "no field x"),)), "no field x: it refuses the record"),
        (lambda _: Receipt(retry=(0,), reason="queue is full"), "queue is full: "),
        (lambda _: Receipt(retry=(0,)), "not taken: "),
    ],
)
async def test_what_is_not_taken_is_said_in_the_receivers_words_with_advice(
    answer: Answer | Exception, words: str
) -> None:
    receiver = FakeReceiver(answer)
    trial = await tried(receiver)

    assert not trial.ok
    assert trial.text.startswith(words)
    assert len(trial.text) > len(words)
    assert receiver.closed == 1


async def test_a_sink_that_does_not_answer_is_left_after_the_time_out() -> None:
    class Silent(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            await asyncio.Event().wait()
            raise AssertionError

    receiver = Silent()
    trial = await tried(receiver, timeout_s=0.05)

    assert (trial.ok, trial.text) == (False, "no answer within 0.05 s to 1 event (native)")
    assert receiver.closed == 1
