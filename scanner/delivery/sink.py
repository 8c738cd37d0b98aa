"""What a destination of records is: four methods and a name.

A sink takes lines (each one record, a JSON object with a line feed at its end) and says when it has them. The sweep's
checkpoint follows that answer: what a sink has taken is never sent again, what it has not taken is, after a resume.
So `write` must return only when the destination has every line, and never pretend.

Calls come from one task: `open` once, then `write` again and again but never two at a time, then `close` once, also
after an error. `position` may be called between them. The first `write` has no lines: it says that every sink is open
and the sweep begins, and what replaces an earlier output does so then. Nothing here may block the event loop: slow work
goes through `asyncio.to_thread` or an asynchronous library.

A sink that waits for others (for a receiver, for room) may have `last_call` and `hurry`, too: see `Patient`.

docs/write-a-sink.md shows one of a third party, in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

#: Up to where a destination holds what was acknowledged: a small JSON object of the sink's own making, which the
#: checkpoint keeps and `Sink.open` gets back when the sweep is resumed.
Position: TypeAlias = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """What the user asked for that concerns all sinks; a sink leaves alone what makes no sense for it.

    `rotate_size` is in bytes: begin a new part before one grows above it; None: never. `if_exists` says what to do
    when the destination already holds something and no sweep is resumed: refuse it, add to it, or begin anew.
    """

    rotate_size: int | None = None
    if_exists: Literal["refuse", "append", "overwrite"] = "refuse"


class Sink(Protocol):
    """A destination of records; see the module for the rules of calling."""

    @property
    def name(self) -> str:
        """What to call the destination in messages: printable, without secrets."""
        ...

    async def open(self, resume: Position | None) -> None:
        """Make ready to write; `resume` is the last position that the checkpoint knows, None for a new sweep.

        A destination that holds less than `resume` says is opened all the same: `position` then tells the truth, and
        the caller believes its checkpoint only as far as that.

        Raises:
            InputError: when the destination cannot be used as given: one line that says what, where, what to do.
            SinkError: when it fails for another reason.
        """
        ...

    async def write(self, lines: Sequence[bytes]) -> None:
        """Return when the destination has taken all the lines, in this order.

        After an error the caller counts none of them as taken; lines that were taken nevertheless are sent again after
        a resume, with the same `event_id`.

        Raises:
            SinkError: when the destination does not take them; one line that says what, where, what to do.
        """
        ...

    def position(self) -> Position | None:
        """Return up to where everything acknowledged is held, or None when the destination has no such place."""
        ...

    async def close(self) -> None:
        """Make what was written last, as far as the destination can, and let go of it. Harmless when not open.

        Raises:
            SinkError: when the destination could not keep what it took.
        """
        ...


@runtime_checkable
class Patient(Protocol):
    """What a sink has besides when it can wait for a long time. Both return at once and may be called at any moment."""

    def last_call(self) -> None:
        """Bound every wait from now on: nothing more is visited, only what is under way still comes."""

    def hurry(self) -> None:
        """End every wait within half a second: `write` fails, `close` keeps what it can."""


@runtime_checkable
class Vouching(Protocol):
    """What a sink has besides when it can compare an earlier position with what its destination really holds."""

    def vouches(self, position: Position) -> bool:
        """Say whether everything up to an earlier position is held; asked before the first `write`, in order.

        Raises:
            InputError: when something else is held there.
        """
        ...


def identity_of(sink: Sink) -> str:
    """Return what makes a destination this one and no other: its `identity` when it has one, else its name.

    A state belongs to its outputs: a path is told by where it leads, not by how it is written. No secrets.
    """
    return str(getattr(sink, "identity", sink.name))
