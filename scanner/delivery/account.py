"""What the summary says of each sink: who has how much, and what was not delivered, with the reason.

A sink that the sweep writes itself has every record that is acknowledged, or it failed, which ends the sweep. One that
keeps records for others (`Spool`, remote sinks behind a log) says itself how far those are, and is told at the end
that nothing of it is needed any more.
"""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from scanner.delivery.sink import Sink


@runtime_checkable
class Spool(Protocol):
    """A sink that stands for others."""

    @property
    def sinks(self) -> list[dict[str, Any]]:
        """Each of the others, as the summary has it."""
        ...

    def discard(self, *, finished: bool) -> str | None:
        """Remove what is kept for the others when they have everything; return a notice for people."""
        ...


def accounts(sinks: Iterable[Sink], *, records: int, waiting: int, failure: str | None) -> list[dict[str, Any]]:
    """Return every sink of a sweep as the summary has it.

    Args:
        sinks: all of them.
        records: how many every sink has acknowledged.
        waiting: how many are made and not acknowledged.
        failure: what ended the sweep, if anything did.
    """
    found: list[dict[str, Any]] = []
    for sink in sinks:
        if isinstance(sink, Spool):
            found += sink.sinks
        else:
            own = [part for part in (failure or "").split("; ") if part.startswith(f"{sink.name}: ")]
            found.append(
                {
                    "name": sink.name,
                    "url": sink.name,
                    "policy": "required",  # the sweep goes as fast as it writes, and ends when it fails
                    "delivered": records,
                    "dead": 0,
                    "skipped": 0,
                    "duplicates": 0,
                    "waiting": waiting,
                    "reason": own[0] if own else None,
                }
            )
    return found


def discard(sinks: Iterable[Sink], *, finished: bool) -> list[str]:
    """Remove what no sink needs any more; return what people should know of it."""
    notices = (sink.discard(finished=finished) for sink in sinks if isinstance(sink, Spool))
    return [notice for notice in notices if notice]
