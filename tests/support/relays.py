"""Relays to a receiver that the test holds, and what their reports look like to the process of the sweep."""

from collections.abc import Sequence
from typing import Any

from scanner.delivery.relay import Relay
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.spool import RunFolder
from scanner.formats import Event, make_format
from tests.support.receivers_fake import FakeReceiver


def relay(folder: RunFolder, receiver: FakeReceiver, name: str = "fake", **options: Any) -> Relay:
    return Relay(
        name, receiver, make_format("native"), folder, "run-1", breaker=Breaker(lambda low, high: 0.0), **options
    )


async def delivered(one: Relay, last: int) -> None:
    one.durable(last)
    one.finish()
    await one.run()


def numbers(events: Sequence[Event]) -> list[int]:
    return [int(event.id, 16) for event in events]


def report(name: str, sequence: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "sequence": sequence, "needs_after": sequence, "policy": "spool", "failure": None,
            "trouble": None, "answers": 0, "dead": 0, "skipped": 0, "reason": None} | more  # fmt: skip
