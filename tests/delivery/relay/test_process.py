"""Claims about `delivery.relay.process`: what the sweep orders is done, what becomes of it is reported, and it ends."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery.relay import Relay, process
from scanner.delivery.relay.process import RelayProcess
from scanner.delivery.spool import RunFolder
from scanner.errors import InputError
from tests.support.receivers_fake import provided
from tests.support.spooled_records import log_of, record
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def their_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with `scriptfile://`."""
    monkeypatch.syspath_prepend(str(provided(tmp_path / "site")))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


class Sweep:
    """The other side: gives orders, reads reports."""

    def __init__(self) -> None:
        self.orders = asyncio.StreamReader()
        self._reading, self.writing = os.pipe()

    def say(self, **order: Any) -> None:
        self.orders.feed_data(orjson.dumps(order, option=orjson.OPT_APPEND_NEWLINE))

    def reports(self) -> list[dict[str, Any]]:
        """Return what it has heard, when the other side has ended."""
        os.close(self.writing)
        with os.fdopen(self._reading, "rb") as stream:
            return [orjson.loads(line) for line in stream]


def order(folder: RunFolder, *urls: str, **more: Any) -> dict[str, Any]:
    return {"folder": str(folder.path), "run": "run-1", "urls": urls, **more}


def asked(file: Path) -> bool:
    """Whether the receiver of a file has been asked."""
    return Path(f"{file}.asked").exists()


async def test_the_whole_log_is_delivered_and_the_last_report_says_so(folder: RunFolder, tmp_path: Path) -> None:
    await log_of(folder, 95)
    sweep = Sweep()
    one = RelayProcess(
        order(folder, f"scriptfile://localhost{tmp_path}/a", f"scriptfile://localhost{tmp_path}/b"), sweep.writing
    )
    sweep.say(durable=50)
    sweep.say(durable=95, end=True)
    await one.run(sweep.orders)

    last = sweep.reports()[-1]["relays"]
    assert [(relay["name"], relay["sequence"], relay["failure"]) for relay in last] == [
        ("scriptfile-1", 95, None),
        ("scriptfile-2", 95, None),
    ]
    expected = b"".join(record(number) for number in range(1, 96))
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [expected, expected]


@pytest.mark.parametrize("how", ["told", "the sweep is gone"])
async def test_it_ends_while_a_receiver_is_down_when_told_so_or_when_the_sweep_is_gone(
    folder: RunFolder, tmp_path: Path, how: str
) -> None:
    await log_of(folder, 5)
    (tmp_path / "a.down").touch()
    sweep = Sweep()
    running = asyncio.create_task(
        RelayProcess(order(folder, f"scriptfile://localhost{tmp_path}/a"), sweep.writing).run(sweep.orders)
    )
    sweep.say(durable=5)
    await eventually(lambda: asked(tmp_path / "a"))
    if how == "told":
        sweep.say(stop=True)
    else:
        sweep.orders.feed_eof()
    await running

    (last,) = sweep.reports()[-1]["relays"]
    assert (last["sequence"], last["failure"], "it is down" in last["trouble"]) == (0, None, True)


async def test_a_receiver_that_can_never_work_is_reported_and_the_others_go_on(
    folder: RunFolder, tmp_path: Path
) -> None:
    await log_of(folder, 5)
    sweep = Sweep()
    urls = (f"scriptfile://localhost{tmp_path}/hopeless", f"scriptfile://localhost{tmp_path}/b")
    one = RelayProcess(order(folder, *urls), sweep.writing)
    sweep.say(durable=5, end=True)
    await one.run(sweep.orders)

    first, second = sweep.reports()[-1]["relays"]
    assert (first["failure"], first["sequence"]) == ("it can never work", 0)
    assert (second["failure"], second["sequence"]) == (None, 5)


async def test_a_bug_of_ours_in_one_relay_is_reported_and_the_others_go_on(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(relay: Relay) -> None:
        if relay.name.endswith("1"):
            raise KeyError("a secret of ours")
        await true_run(relay)

    true_run = Relay.run
    monkeypatch.setattr(Relay, "run", run)
    await log_of(folder, 5)
    sweep = Sweep()
    urls = (f"scriptfile://localhost{tmp_path}/a", f"scriptfile://localhost{tmp_path}/b")
    one = RelayProcess(order(folder, *urls), sweep.writing)
    sweep.say(durable=5, end=True)
    await one.run(sweep.orders)

    first, second = sweep.reports()[-1]["relays"]
    assert (first["failure"], first["sequence"]) == ("failed with KeyError, a bug", 0)
    assert (second["failure"], second["sequence"]) == (None, 5)


async def test_it_waits_for_who_still_has_the_run(folder: RunFolder, tmp_path: Path) -> None:
    await log_of(folder, 5)
    sweep = Sweep()
    with folder.locked("relay"):
        running = asyncio.create_task(
            RelayProcess(order(folder, f"scriptfile://localhost{tmp_path}/a"), sweep.writing).run(sweep.orders)
        )
        sweep.say(durable=5, end=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not asked(tmp_path / "a")
    await running

    assert sweep.reports()[-1]["relays"][0]["sequence"] == 5


async def test_a_run_that_somebody_keeps_is_an_error(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOCK_PATIENCE_S", 0.0)
    await log_of(folder, 5)
    sweep = Sweep()
    one = RelayProcess(order(folder, f"scriptfile://localhost{tmp_path}/a"), sweep.writing)
    with folder.locked("relay"), pytest.raises(InputError, match="another process is at work on it"):
        await one.run(sweep.orders)
    sweep.reports()


@pytest.fixture
def _same_signals_and_channels() -> Iterator[None]:
    """What the process does to itself must not stay with the tests."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    kept = os.dup(0), os.dup(1)
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    for target, descriptor in enumerate(kept):
        os.dup2(descriptor, target)
        os.close(descriptor)


@pytest.mark.usefixtures("_same_signals_and_channels")
@pytest.mark.parametrize("kind", ["/a", "/never", "gone"])
async def test_the_exit_code_and_the_last_word_tell_what_became_of_it(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """`gone`: nobody reads the reports any more."""
    ended = threading.Event()
    monkeypatch.setattr(process, "ORPHAN_S", 0.0)
    monkeypatch.setattr(process, "end_with", lambda orders, after_s: ended.set())
    await log_of(folder, 5)
    (orders, say), (hear, reports) = os.pipe(), os.pipe()
    name = "/a" if kind == "gone" else kind
    lines = [order(folder, f"scriptfile://localhost{tmp_path}{name}"), {"durable": 5, "end": True}]
    os.write(say, b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    if kind == "gone":
        os.close(hear)
    code = await process.main(orders, reports)
    os.close(say)
    os.close(reports)

    assert code == (0 if kind == "/a" else 1)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert ended.wait(10)
    if kind != "gone":
        with os.fdopen(hear, "rb") as stream:
            last = orjson.loads(stream.readlines()[-1])
        said = last.get("failure") or last["relays"][0]["sequence"]
        assert said == (5 if kind == "/a" else f"-o scriptfile://localhost{tmp_path}/never: never")


@pytest.mark.usefixtures("_same_signals_and_channels")
def test_what_a_library_prints_or_reads_touches_neither_reports_nor_orders() -> None:
    (orders, say), (hear, reports), (errors, err) = os.pipe(), os.pipe(), os.pipe()
    kept = os.dup(2)
    os.dup2(orders, 0)
    os.dup2(reports, 1)
    os.dup2(err, 2)
    try:
        own_orders, own_reports = process.own_channels()
        os.write(say, b"an order")
        os.write(1, b"a stray line")
        os.write(own_reports, b"a report")
        assert os.read(0, 100) == b""
    finally:
        os.dup2(kept, 2)
    assert (os.read(own_orders, 100), os.read(hear, 100), os.read(errors, 100)) == (
        b"an order",
        b"a report",
        b"a stray line",
    )
    for descriptor in (orders, say, hear, reports, errors, err, kept, own_orders, own_reports):
        os.close(descriptor)


def test_when_the_sweep_is_gone_it_ends_whatever_its_loop_does(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    orders, say = os.pipe()
    os.write(say, b"an order that nobody has read")
    watching = threading.Thread(target=process.end_with, args=(orders, 0.0))
    watching.start()
    assert codes == []
    os.close(say)
    watching.join(20)
    os.close(orders)

    assert codes == [1]
