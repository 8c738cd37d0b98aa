"""Claims about `scanner.ending`: who is told what when a sweep ends, and that nobody holds it up."""

import asyncio
from collections.abc import Sequence

import pytest

from scanner.ending import Ending
from scanner.errors import SinkError
from scanner.sinks import Position


class Stubborn:
    """A sink that does not let go, whatever it is told; it notes what that was."""

    name = "stubborn"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.closing = asyncio.Event()
        self.may_go = asyncio.Event()

    async def open(self, resume: Position | None) -> None: ...

    async def write(self, lines: Sequence[bytes]) -> None: ...

    def position(self) -> Position | None:
        return None

    async def close(self) -> None:
        self.closing.set()
        await self.may_go.wait()

    def last_call(self) -> None:
        self.told.append("last call")

    def hurry(self) -> None:
        self.told.append("hurry")


class Plain:
    """A sink with the four methods that every sink has."""

    name = "plain"

    async def open(self, resume: Position | None) -> None: ...

    async def write(self, lines: Sequence[bytes]) -> None: ...

    def position(self) -> Position | None:
        return None

    async def close(self) -> None:
        raise SinkError("plain: the disk did not keep it")


def ending(*sinks: Stubborn | Plain, done: list[str] | None = None) -> Ending:
    done = [] if done is None else done
    return Ending(
        sinks, grace_s=0.0, drain_s=0.0, give_up=lambda: done.append("give up"), abort=lambda: done.append("abort")
    )


async def test_only_sinks_that_can_wait_are_told() -> None:
    sink = Stubborn()
    bounds = ending(sink, Plain())
    bounds.last_call()
    bounds.hurry()

    assert sink.told == ["last call", "hurry"]


async def test_a_sink_that_does_not_let_go_is_left_alone_once_nobody_waits() -> None:
    sink = Stubborn()
    bounds = ending(sink)
    closing = asyncio.create_task(bounds.close(sink))
    await sink.closing.wait()
    assert not closing.done()
    bounds.hurry()

    with pytest.raises(SinkError, match=r"^stubborn: did not let go in time: what it holds is not acknowledged$"):
        await closing


async def test_a_sink_is_waited_for_while_nobody_is_in_a_hurry() -> None:
    sink = Stubborn()
    closing = asyncio.create_task(ending(sink).close(sink))
    await sink.closing.wait()
    sink.may_go.set()

    await closing


async def test_what_a_sink_says_when_it_is_closed_is_passed_on() -> None:
    sink = Plain()
    with pytest.raises(SinkError, match=r"^plain: the disk did not keep it$"):
        await ending(sink).close(sink)


async def test_visits_are_given_up_first_and_then_everything_and_each_once() -> None:
    done: list[str] = []
    bounds = ending(done=done)
    bounds.begin()
    bounds.begin()
    while len(done) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert done == ["give up", "abort"]


async def test_nothing_happens_after_the_end() -> None:
    done: list[str] = []
    bounds = ending(done=done)
    bounds.begin()
    bounds.over()
    await asyncio.sleep(0.01)

    assert done == []
