"""One record through a sink, and what the answer means: `smtpsweep sinks test`."""

from typing import NamedTuple

import orjson

from scanner.patience import patience
from scanner.relay.destination import Destination
from scanner.sinks.receiver import AccessDeniedError, BatchRefusedError, Receipt, TooLargeError, TryLaterError

_ADVICE = {
    TryLaterError: "it cannot be reached, or asks to come back later: a sweep would keep the records and try again",
    AccessDeniedError: "it does not let us in: check the secret, its rights, and where it is read from",
    TooLargeError: "even one record is too large for it: raise its limit",
    BatchRefusedError: "it refuses the record: check format and destination (index, topic, table); "
    "a sweep would put it with the dead letters",
}


class Trial(NamedTuple):
    """`ok`, and one line that says what was sent, what was answered, and what it means."""

    ok: bool
    text: str


async def try_sink(destination: Destination, line: bytes, timeout_s: float) -> Trial:
    """Open a sink, send it one record (a line without its end), and explain.

    Raises:
        InputError: when it can never work as asked for.
    """
    events = list(destination.format.events(orjson.loads(line), line))
    what = f"{len(events)} event{'s' if len(events) != 1 else ''} ({destination.format.name})"
    try:
        async with patience(timeout_s):
            await destination.receiver.open("sinks-test")
            receipt = await destination.receiver.send(events)
    except TimeoutError:
        return Trial(False, f"no answer within {timeout_s:g} s to {what}")  # noqa: FBT003  what Trial is about
    except (TryLaterError, AccessDeniedError, TooLargeError, BatchRefusedError) as error:
        return Trial(False, f"{error}: {_ADVICE[type(error)]}")  # noqa: FBT003  as above
    finally:
        await destination.receiver.close()
    return _judge(receipt, what)


def _judge(receipt: Receipt, what: str) -> Trial:
    if receipt.refused:
        return Trial(False, f"{receipt.refused[0].reason}: {_ADVICE[BatchRefusedError]}")  # noqa: FBT003  as above
    if receipt.retry:
        return Trial(False, f"{receipt.reason or 'not taken'}: {_ADVICE[TryLaterError]}")  # noqa: FBT003  as above
    again = " (it had the same event already)" if receipt.duplicates else ""
    return Trial(True, f"took {what}{again}")  # noqa: FBT003  as above
