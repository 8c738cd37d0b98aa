"""The sinks in the summary of a sweep: how much each has, what was not delivered, and why.

A sink that the sweep writes itself has every acknowledged record, or it failed, and that ends the sweep. A sink that
keeps records for others (`Spool`: remote sinks behind the log of a run) reports itself how far those are. At the end it
is told to remove what none of them needs any more.
"""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from scanner.delivery.sink import Sink


@runtime_checkable
class Spool(Protocol):
    """A sink that keeps records for others."""

    @property
    def sinks(self) -> list[dict[str, Any]]:
        """Each of the others, in the form of the summary."""
        ...

    def discard(self, *, finished: bool) -> str | None:
        """Remove what is kept for the others when they have everything; return a notice for people, or None."""
        ...


def accounts(sinks: Iterable[Sink], *, records: int, waiting: int, failure: str | None) -> list[dict[str, Any]]:
    """Return every sink of a sweep in the form of the summary.

    Args:
        sinks: all of them.
        records: how many records every sink has acknowledged.
        waiting: how many records exist and are not acknowledged.
        failure: the error that ended the sweep, if there was one.
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
    """Remove what no sink needs any more; return notices for people."""
    notices = (sink.discard(finished=finished) for sink in sinks if isinstance(sink, Spool))
    return [notice for notice in notices if notice]
