"""The interface of a sink, which is one destination of records: four methods and a name.

A sink takes lines, each one record: a JSON object that ends with a line feed. `write` is the acknowledgement: it
returns when the destination has every line, and not before. The sweep's checkpoint follows it. Records that a sink has
acknowledged are never sent again; all others are sent again when the sweep is resumed.

Calls come from one task: `open` once, then `write` many times but never two at a time, then `close` once, also after
an error. `position` may be called between them. The first `write` has no lines. It means that every sink is open and
the sweep begins; a sink that replaces an earlier output does so then. Nothing here may block the event loop: slow work
goes through `asyncio.to_thread` or an asynchronous library.

A sink that may wait for long (for a receiver, or for room on the disk) can also implement `Patient`.

docs/write-a-sink.md contains a complete sink of a third party.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

#: How far a destination holds the acknowledged records: a small JSON object that only the sink itself interprets. The
#: checkpoint stores it, and `Sink.open` gets it back when the sweep is resumed.
Position: TypeAlias = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """The user's options that concern all sinks; a sink ignores those that make no sense for it.

    `rotate_size` is in bytes: begin a new part before the current one grows larger; None: never. `if_exists` tells what
    to do when the destination already holds something and no sweep is resumed: refuse it, append, or overwrite.
    """

    rotate_size: int | None = None
    if_exists: Literal["refuse", "append", "overwrite"] = "refuse"


class Sink(Protocol):
    """A destination of records; the module's docstring has the order of calls."""

    @property
    def name(self) -> str:
        """The destination's name in messages: printable, without secrets."""
        ...

    async def open(self, resume: Position | None) -> None:
        """Get ready to write; `resume` is the last position in the checkpoint, None for a new sweep.

        A destination that holds less than `resume` is opened all the same. `position` then returns what it really
        holds, and the caller sends the rest again.

        Raises:
            InputError: when the destination cannot be used as given; one line with what happened, where, what to do.
            SinkError: when it fails for another reason.
        """
        ...

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the destination has taken all the lines, in this order.

        After an error the caller counts none of them as taken. Lines that were taken nevertheless are sent again when
        the sweep is resumed, with the same `event_id`.

        Raises:
            SinkError: when the destination does not take them; one line with what happened, where, what to do.
        """
        ...

    def position(self) -> Position | None:
        """Return how far the acknowledged records are held, or None when the destination has no such position."""
        ...

    async def close(self) -> None:
        """Make the last records as durable as the destination can, and release it. Harmless when not open.

        Raises:
            SinkError: when the destination could not keep what it had taken.
        """
        ...


@runtime_checkable
class Patient(Protocol):
    """Additional methods of a sink that can wait for a long time. Both return at once; call them at any moment."""

    def last_call(self) -> None:
        """Bound every wait from now on: no new visits begin, only those in progress still bring records."""

    def hurry(self) -> None:
        """End every wait within half a second: `write` fails, `close` keeps what it can."""


@runtime_checkable
class Vouching(Protocol):
    """An additional method of a sink that can compare an earlier position with what its destination really holds."""

    def vouches(self, position: Position) -> bool:
        """Return whether everything up to an earlier position is held; called before the first `write`, in order.

        Raises:
            InputError: when something else is held there.
        """
        ...


def identity_of(sink: Sink) -> str:
    """Return what tells a destination from all others: its `identity` when it has one, else its name. No secrets.

    A state file belongs to the outputs of its sweep. Two spellings of one path are the same output.
    """
    return str(getattr(sink, "identity", sink.name))
