"""Claims about `scanner.sweeps.shutdown`: who is told what when a sweep ends, and that nobody holds it up."""

import asyncio
import gc
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from scanner.delivery import Position
from scanner.errors import SinkError
from scanner.settings import Settings
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import make_plan
from scanner.sweeps.shutdown import Shutdown
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec
from tests.support.waiting import eventually


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
    error: Exception = SinkError("plain: the disk did not keep it")

    async def open(self, resume: Position | None) -> None: ...

    async def write(self, lines: Sequence[bytes]) -> None: ...

    def position(self) -> Position | None:
        return None

    async def close(self) -> None:
        raise self.error


def ending(*sinks: Stubborn | Plain, done: list[str] | None = None) -> Shutdown:
    done = [] if done is None else done
    return Shutdown(
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

    with pytest.raises(SinkError, match=r"^stubborn: did not close in time: what it holds is not acknowledged$"):
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
    await eventually(lambda: len(done) >= 2)
    await asyncio.sleep(0)

    assert done == ["give up", "abort"]


async def test_nothing_happens_after_the_end() -> None:
    done: list[str] = []
    bounds = ending(done=done)
    before = asyncio.all_tasks()
    bounds.begin()
    (counting,) = asyncio.all_tasks() - before
    bounds.over()
    await asyncio.wait([counting])

    assert (counting.cancelled(), done) == (True, [])


class Leaping:
    """The clock of the loop and of the limits, which leaps whenever it is told to: the process was suspended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leapt_s = 0.0
        time = asyncio.get_running_loop().time
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: time() + self.leapt_s)

    def __call__(self) -> float:
        return asyncio.get_running_loop().time()


async def test_a_suspension_after_the_request_leaves_the_sinks_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    clock = Leaping(monkeypatch)
    bounds = Shutdown(
        (), grace_s=3, drain_s=3, give_up=lambda: done.append("give up"), abort=lambda: done.append("abort"),
        clock=clock,
    )  # fmt: skip
    bounds.begin()
    seen = []
    while "abort" not in done:
        clock.leapt_s += 60.0
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append(len(done))

    assert (seen.count(0) >= 3, seen.count(1) >= 3) == (True, True)


class Swallowing(Stubborn):
    """A sink that does not even let its closing be cancelled."""

    async def close(self) -> None:
        while not self.may_go.is_set():
            self.closing.set()
            with suppress(asyncio.CancelledError):
                await self.may_go.wait()
        raise SinkError("swallowing: at last")


async def test_the_closing_of_a_sink_that_is_left_alone_is_over_when_the_sweep_goes_on() -> None:
    sink = Stubborn()
    bounds = ending(sink)
    bounds.hurry()
    with pytest.raises(SinkError, match="did not close in time"):
        await bounds.close(sink)

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_closing_that_ignores_its_end_keeps_an_owner_and_its_error_is_not_lost_on_the_loop() -> None:
    before, sink = asyncio.all_tasks(), Swallowing()
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    bounds = ending(sink)
    bounds.hurry()
    with pytest.raises(SinkError, match="did not close in time"):
        await bounds.close(sink)
    (left,) = asyncio.all_tasks() - before
    sink.may_go.set()
    await asyncio.wait([left])
    await asyncio.sleep(0)
    del left
    gc.collect()

    assert (asyncio.all_tasks() - before, heard) == (set(), [])


async def test_whatever_else_a_sink_raises_when_it_is_closed_is_the_sinks_failure() -> None:
    sink = Plain()
    sink.error = OSError("surprise")
    with pytest.raises(SinkError, match=r"^plain: closing it failed with OSError, a bug in this sink$"):
        await ending(sink).close(sink)


class Opening(Plain):
    """A sink that notes whether it was closed, and may fail when it is opened."""

    def __init__(self, *, opens: bool = True, error: Exception | None = None) -> None:
        self.opens, self.failure, self.closed = opens, error, False

    async def open(self, resume: Position | None) -> None:
        if not self.opens:
            raise SinkError("plain: cannot be opened")

    async def close(self) -> None:
        self.closed = True
        if self.failure is not None:
            raise self.failure


async def test_every_sink_that_was_opened_is_closed_when_a_later_one_fails_whatever_the_others_raise() -> None:
    sinks = [Opening(error=OSError("surprise")), Opening(error=SinkError("plain: full")), Opening()]
    settings = Settings(ports=(1,))
    asked = parse_spec([TextSource(COMMAND_LINE, ["127.0.0.1"])])
    plan = await make_plan(asked, parse_exclusions([]), settings)
    with pytest.raises(SinkError, match=r"^plain: cannot be opened$"):
        await Sweep(plan, [*sinks, Opening(opens=False)]).prepare()

    assert [sink.closed for sink in sinks] == [True, True, True]
