"""Claims about waiting on the way to remote sinks: it has an end whenever it is of no use, and no change is missed."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import orjson
import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.process import own_channels
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.relay.supervisor import RelaySupervisor
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter
from scanner.delivery.spool.room import Room
from scanner.errors import SinkError
from tests.support.receivers_fake import provided
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def their_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with `scriptfile://`, for this process and those it starts."""
    folder = provided(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    monkeypatch.syspath_prepend(str(folder))


def records(first: int, last: int) -> list[bytes]:
    return [
        orjson.dumps(
            {"schema": "smtpsweep.record/1", "event_id": f"{number:032x}", "ip": "192.0.2.1", "port": 25,
             "observed_at": "2026-11-22T10:16:56.123Z", "findings": []}, option=orjson.OPT_APPEND_NEWLINE,
        )
        for number in range(first, last + 1)
    ]  # fmt: skip


async def write_a_thousand(sinks: SpoolSink) -> None:
    for first in range(1, 1000, 50):
        await sinks.write(records(first, first + 49))


def remote(tmp_path: Path, *more: str, quota: Quota | None = None, drain_s: float = 1000.0) -> SpoolSink:
    urls = [f"scriptfile://h{tmp_path / 'out'}?name=siem{one}" for one in more or ("",)]
    return SpoolSink(RunFolder(tmp_path / "run"), make_destinations(urls), {}, quota, drain_s=drain_s)


def let(tmp_path: Path, state: str, text: bytes = b"") -> None:
    (tmp_path / f"out.{state}").write_bytes(text)


def service_of(sinks: SpoolSink) -> RelaySupervisor:
    assert sinks._supervisor is not None
    return sinks._supervisor


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def pid_of(sinks: SpoolSink) -> int:
    assert sinks.relay_pid is not None
    return sinks.relay_pid


async def test_room_that_comes_while_it_is_looked_for_is_not_missed() -> None:
    """The change comes when the look is over and its answer, no, is on its way."""
    room = Room("log", Quota(), lambda _full: None)
    answers = [True, False]

    def look() -> bool:
        room.again()  # in a thread, as `asyncio.Event.set` may not be, but nobody waits for it yet
        return answers.pop()

    await asyncio.wait_for(room.wait(look), 20)

    assert answers == []


@pytest.mark.parametrize("change", ["hopeless", "stuck"])
async def test_a_wait_that_is_of_no_use_ends(change: str) -> None:
    quota, full = Quota(), list[bool]()
    room = Room("log x", quota, full.append)
    waiting = asyncio.create_task(room.wait(lambda: False))
    await eventually(lambda: full == [True])
    setattr(quota, change, "sink siem has given up (why)")
    room.again()

    with pytest.raises(SinkError, match=r"^log x: takes no more records: sink siem has given up \(why\)$"):
        await waiting


async def test_a_log_that_is_held_back_is_not_ended_by_what_concerns_its_size() -> None:
    quota, full = Quota(held=True, stuck="one of them has given up"), list[bool]()
    room = Room("log", quota, full.append)
    waiting = asyncio.create_task(room.wait(lambda: True))
    await eventually(lambda: full == [True])
    quota.held = False
    room.again()
    await waiting

    assert full == [True, False]


async def test_a_line_about_the_run_needs_no_room(tmp_path: Path) -> None:
    log = SpoolWriter(RunFolder(tmp_path / "run"), Quota(limit_bytes=1, held=True, hopeless="no"))
    await log.open(None)
    await log.note(b"{}\n")

    assert log.last == 1
    await log.close()


async def test_a_log_that_is_closed_waits_for_an_append_that_was_cancelled(tmp_path: Path) -> None:
    """Its thread goes on; by then the number of the descriptor could be another file's."""
    log = SpoolWriter(RunFolder(tmp_path / "run"), Quota())
    await log.open(None)
    with log._appending:  # the append waits in its thread
        writing = asyncio.create_task(log.write([b"one\n"]))
        await eventually(lambda: _threads_in(SpoolWriter) == 1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        closing = asyncio.create_task(log.close())
        await eventually(lambda: _threads_in(SpoolWriter) == 2)
        assert log._fd >= 0
    await closing

    assert (tmp_path / "run" / "records-000000000001.jsonl").read_bytes() in (b"one\n", b"")
    assert log._fd == -1


def _threads_in(kind: type) -> int:
    """Count the threads, other than this one, that stand in a method of a class."""
    frames = (frame for ident, frame in sys._current_frames().items() if ident != threading.get_ident())
    return sum(isinstance(frame.f_locals.get("self"), kind) for frame in frames)


async def test_a_sweep_that_is_over_waits_for_room_as_long_as_its_patience(tmp_path: Path) -> None:
    let(tmp_path, "down")
    sinks = remote(tmp_path, quota=Quota(limit_bytes=3_000), drain_s=0.1)
    await sinks.open(None)
    waiting = asyncio.create_task(sinks.write(records(1, 100)))
    await eventually(lambda: sinks.full)
    sinks.last_call()

    with pytest.raises(SinkError, match=r"takes no more records: it is full, and no sink has acknowledged anything"):
        await waiting
    with pytest.raises(SinkError, match="sink siem lacks"):
        await sinks.close()


async def test_whoever_is_in_a_hurry_waits_for_no_room(tmp_path: Path) -> None:
    let(tmp_path, "down")
    sinks = remote(tmp_path, quota=Quota(limit_bytes=3_000))
    await sinks.open(None)
    waiting = asyncio.create_task(sinks.write(records(1, 100)))
    await eventually(lambda: sinks.full)
    sinks.hurry()

    with pytest.raises(SinkError, match="takes no more records: the sweep was stopped"):
        await waiting
    with pytest.raises(SinkError, match="sink siem lacks"):
        await sinks.close()


@pytest.mark.parametrize("options", ["", "&policy=required&max_lag=10"])
async def test_a_receiver_that_has_given_up_is_not_waited_for(tmp_path: Path, options: str) -> None:
    """With a quota, or because it is required; the log cannot become shorter, and the sink will not come nearer."""
    sinks = SpoolSink(
        RunFolder(tmp_path / "run"),
        make_destinations([f"scriptfile://h{tmp_path / 'hopeless'}?name=siem{options}"]),
        {},
        Quota(limit_bytes=10_000_000 if options else 3_000),
    )
    await sinks.open(None)
    await eventually(lambda: any(one["failure"] for one in sinks.reports))
    with pytest.raises(SinkError, match=r"sink siem has given up \(it can never work\)"):
        await write_a_thousand(sinks)
    sinks.hurry()
    with pytest.raises(SinkError, match=r"sink siem lacks .* \(it can never work\)"):
        await sinks.close()


async def test_best_effort_that_has_given_up_holds_nobody_back(tmp_path: Path) -> None:
    sinks = SpoolSink(
        RunFolder(tmp_path / "run"),
        make_destinations([f"scriptfile://h{tmp_path / 'hopeless'}?policy=best_effort",
                           f"scriptfile://h{tmp_path / 'out'}?name=siem"]),
        {},
        Quota(limit_bytes=20_000),
        drain_s=20.0,
    )  # fmt: skip
    await sinks.open(None)
    await write_a_thousand(sinks)
    with pytest.raises(SinkError, match=r"^sink scriptfile-1 lacks [0-9,]+ records \(it can never work\)"):
        await sinks.close()

    assert (tmp_path / "out").read_bytes().count(b"\n") >= 1000


async def test_words_of_a_library_are_no_reports_and_harm_nobody(tmp_path: Path) -> None:
    let(tmp_path, "prints", b'{"relays": [{"name"')  # torn, without a line end: the next report would be torn by it
    sinks = remote(tmp_path)
    await sinks.open(None)
    await sinks.write(records(1, 50))
    await sinks.close()

    assert (tmp_path / "out").read_bytes().count(b"\n") >= 50


@pytest.mark.parametrize(
    "line",
    [b"hello\n", b"{\n", b"[]\n", b'{"relays": [{}]}\n', b'{"relays": 1}\n', b'{"failure": 1}\n', b"\xff\n", b"\n",
     b"x" * 3_000_000 + b"\n"],
    ids=lambda line: repr(line[:20]),
)  # fmt: skip
async def test_a_line_that_is_no_report_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    sinks = remote(tmp_path)
    await sinks.open(None)
    service = service_of(sinks)
    reader = asyncio.StreamReader(limit=1 << 20)
    assert service._process is not None
    process = service._process
    reports, process.stdout = process.stdout, reader
    reading = asyncio.create_task(service._read_reports(process))
    reader.feed_data(line)
    reader.feed_eof()
    await reading
    process.stdout = reports

    assert "wrote something unexpected" in caplog.text
    await sinks.write(records(1, 5))
    await sinks.close()
    assert (tmp_path / "out").read_bytes().count(b"\n") >= 5


async def test_a_supervisor_that_dies_says_so_takes_its_process_along_and_lets_nobody_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = remote(tmp_path, quota=Quota(limit_bytes=3_000))
    await sinks.open(None)
    await eventually(lambda: bool(sinks.reports))
    service, pid = service_of(sinks), pid_of(sinks)

    def fail(report: object) -> None:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(service, "take_report", fail)
    let(tmp_path, "down")
    with pytest.raises(SinkError, match=r"cannot be supervised any more \(KeyError: 'what nobody thought of'\)"):
        await write_a_thousand(sinks)

    await eventually(lambda: is_gone(pid))
    with pytest.raises(SinkError, match=r"sink siem lacks .* cannot be supervised any more"):
        await sinks.close()


async def test_a_process_that_ends_well_before_the_log_does_is_started_again(tmp_path: Path) -> None:
    """As when a library calls `sys.exit(0)`."""
    sinks = remote(tmp_path)
    await sinks.open(None)
    service = service_of(sinks)
    first = pid_of(sinks)
    service._tell({"stop": True})
    await eventually(lambda: pid_of(sinks) != first)
    await sinks.write(records(1, 5))
    await sinks.close()

    assert (tmp_path / "out").read_bytes().count(b"\n") >= 5


async def test_a_process_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    sinks = remote(tmp_path)
    await sinks.open(None)
    await eventually(lambda: bool(sinks.reports))
    pid = pid_of(sinks)
    os.kill(pid, signal.SIGSTOP)  # as a library that blocks its loop
    await sinks.write(records(1, 5))
    sinks.hurry()
    with pytest.raises(SinkError, match="sink siem lacks"):
        await sinks.close()

    assert is_gone(pid)


async def test_a_process_whose_loop_is_blocked_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """Only a hang-up is waited for, in a thread: the loop need not turn, and orders may be left unread."""
    code = """
import os, sys, threading
from scanner.delivery.relay.process import end_with
threading.Thread(target=end_with, args=(0, 0.0), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"an order that nobody reads\n")
    await process.stdin.drain()
    process.stdin.close()

    assert await process.wait() == 1


def test_a_library_neither_swallows_an_order_nor_tears_a_report(tmp_path: Path) -> None:
    """In a child, since it moves the standard descriptors of its process."""
    given, heard, errors = (tmp_path / name for name in ("given", "heard", "errors"))
    given.write_bytes(b"order\n")
    if (pid := os.fork()) == 0:
        os.dup2(os.open(given, os.O_RDONLY), 0)
        os.dup2(os.open(heard, os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
        orders, reports = own_channels()
        swallowed = os.read(0, 10)
        os.write(1, b"a word of a library\n")
        os.write(reports, os.read(orders, 100) + swallowed)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

    assert heard.read_bytes() == b"order\n"
    assert errors.read_bytes() == b"a word of a library\n"
