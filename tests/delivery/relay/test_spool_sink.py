"""Claims about remote sinks as a sweep has them: log, relay process and cursors together, under fire.

The receiver is a file that is "down" while a file beside it exists; the process of the relay finds it by its entry
point, as it would find anybody's.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.replay import Replayed, replay, replay_dead_letters
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.relay.stored_run import StoredRun
from scanner.delivery.sink import Position
from scanner.delivery.spool import Cursor, Quota, RunFolder, read_cursor, write_cursor
from scanner.errors import InputError, SinkError
from tests.support.receivers_fake import provided, taken
from tests.support.spooled_records import record, records

ABOUT = {"version": "1", "seed": "7"}


@pytest.fixture(autouse=True)
def their_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with `scriptfile://`, for this process and those it starts."""
    folder = provided(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[3]}")
    monkeypatch.syspath_prepend(str(folder))


def sinks(tmp_path: Path, *urls: str, quota: Quota | None = None, drain_s: float = 20.0) -> SpoolSink:
    return SpoolSink(RunFolder(tmp_path / "run"), make_destinations(urls), ABOUT, quota, drain_s=drain_s)


async def replayed(path: Path, sink: str, *, first: int | None = None, patience_s: float = 20.0) -> Replayed:
    stored = StoredRun(RunFolder(path))
    return await replay(
        stored, stored.destination(sink), first=first, patience_s=patience_s, on_progress=lambda _: None
    )


@asynccontextmanager
async def opened(remote: SpoolSink, resume: Position | None = None) -> AsyncIterator[SpoolSink]:
    await remote.open(resume)
    try:
        yield remote
    finally:
        await remote.close()


def take_down(out: Path) -> None:
    Path(f"{out}.down").touch()


def bring_up(out: Path) -> None:
    Path(f"{out}.down").unlink()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does; the time limit of the test bounds it."""
    while not condition():
        await asyncio.sleep(0.01)


def _has_more_than(out: Path, count: int) -> Callable[[], bool]:
    return lambda: len(taken(out)) > count


def relay_pid(remote: SpoolSink) -> int:
    assert remote.relay_pid is not None
    return remote.relay_pid


async def test_every_record_arrives_once_and_in_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    remote = sinks(tmp_path, f"scriptfile://h{out}")
    await remote.open(None)
    for first in range(1, 1000, 100):
        await remote.write(records(first, first + 99))
    await remote.close()

    assert taken(out) == list(range(1, 1001))
    run = RunFolder(tmp_path / "run").description()["run"]
    assert remote.position() == {"run": run, "sequence": 1002, "delivered": 1}


async def test_a_receiver_that_is_down_stops_neither_the_sweep_nor_the_others(tmp_path: Path) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    take_down(down)
    remote = sinks(tmp_path, f"scriptfile://h{up}?name=up", f"scriptfile://h{down}?name=down", drain_s=4)
    await remote.open(None)
    await remote.write(records(1, 500))
    with pytest.raises(SinkError, match=r"^sink down lacks 500 records \(it is down\): .*replay .*/run delivers them$"):
        await remote.close()

    assert taken(up) == list(range(1, 501))
    assert taken(down) == []
    bring_up(down)
    done = await replayed(tmp_path / "run", "down")
    assert (done.delivered, done.left) == (500, 0)
    assert taken(down) == list(range(1, 501))


async def test_a_killed_relay_process_is_started_again_and_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    remote = sinks(tmp_path, f"scriptfile://h{out}?batch=10")
    await remote.open(None)
    for first in range(1, 3000, 100):
        await remote.write(records(first, first + 99))
        if first in (501, 1501):
            await until(_has_more_than(out, first // 2))
            os.kill(relay_pid(remote), signal.SIGKILL)
    await remote.close()

    assert set(taken(out)) == set(range(1, 3001))
    assert len(taken(out)) < 3000 + 2 * 2000  # what one cursor interval had acknowledged is repeated, not everything


async def test_a_relay_whose_sweep_was_killed_ends_by_itself(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take_down(out)
    code = f"""
import asyncio, os, signal
from pathlib import Path
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder

async def main():
    remote = SpoolSink(RunFolder(Path({str(tmp_path / "run")!r})), make_destinations(["scriptfile://h{out}"]), {{}})
    await remote.open(None)
    await remote.write([{record(1)!r}])
    print(remote.relay_pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    relay = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until(
        lambda: not Path(f"/proc/{relay}").exists() or "Z" in Path(f"/proc/{relay}/stat").read_text().split()[2]
    )

    bring_up(out)
    done = await replayed(tmp_path / "run", "scriptfile-1")
    assert (done.delivered, done.left) == (1, 0)


async def test_a_resumed_run_goes_on_behind_what_was_delivered(tmp_path: Path) -> None:
    out = tmp_path / "out"
    url = f"scriptfile://h{out}"
    first = sinks(tmp_path, url)
    await first.open(None)
    await first.write(records(1, 300))
    position = first.position()
    await first.close()

    second = sinks(tmp_path, url)
    await second.open(position)
    await second.write(records(301, 400))
    await second.close()

    assert taken(out) == list(range(1, 401))


async def test_a_required_receiver_that_lags_makes_the_sweep_wait(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take_down(out)
    async with opened(sinks(tmp_path, f"scriptfile://h{out}?policy=required&max_lag=200")) as remote:
        await remote.write(records(1, 300))
        waiting = asyncio.create_task(remote.write(records(301, 310)))
        await until(lambda: remote.full)
        assert not waiting.done()

        bring_up(out)
        await waiting
        await until(lambda: len(taken(out)) == 310)

        assert not remote.full
        assert remote.waited_s > 0


async def test_the_quota_makes_the_sweep_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take_down(out)
    remote = sinks(tmp_path, f"scriptfile://h{out}", quota=Quota(limit_bytes=100_000))
    await remote.open(None)

    async def write() -> None:
        for first in range(1, 2000, 100):
            await remote.write(records(first, first + 99))

    writing = asyncio.create_task(write())
    await until(lambda: remote.full)
    bring_up(out)
    await writing
    await remote.close()

    assert taken(out) == list(range(1, 2001))
    left = RunFolder(tmp_path / "run")
    assert sum(left.segment(first).stat().st_size for first in left.segments()) <= 100_000


async def test_a_receiver_that_can_never_work_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    good, hopeless = tmp_path / "good", tmp_path / "hopeless"
    remote = sinks(tmp_path, f"scriptfile://h{good}?name=good", f"scriptfile://h{hopeless}?name=bad", drain_s=1)
    await remote.open(None)
    await remote.write(records(1, 10))
    with pytest.raises(SinkError, match=r"sink bad lacks 10 records \(it can never work\)"):
        await remote.close()

    assert taken(good) == list(range(1, 11))


async def test_best_effort_does_not_claim_what_it_has_not_delivered(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take_down(out)
    remote = sinks(tmp_path, f"scriptfile://h{out}?policy=best_effort", drain_s=0.5)
    await remote.open(None)
    await remote.write(records(1, 10))
    with pytest.raises(SinkError, match=r"sink scriptfile-1 lacks 10 records \(it is down\)"):
        await remote.close()

    assert taken(out) == []


async def test_hurrying_does_not_wait_for_anybody(tmp_path: Path) -> None:
    out = tmp_path / "out"
    take_down(out)
    remote = sinks(tmp_path, f"scriptfile://h{out}", drain_s=1000)
    await remote.open(None)
    await remote.write(records(1, 10))
    closing = asyncio.create_task(remote.close())
    await asyncio.sleep(0)
    remote.hurry()
    with pytest.raises(SinkError, match="lacks 10 records"):
        await closing  # a thousand seconds are more than any test may take


async def test_a_folder_with_a_run_is_not_used_for_another(tmp_path: Path) -> None:
    url = f"scriptfile://h{tmp_path / 'out'}"
    first = sinks(tmp_path, url)
    await first.open(None)
    await first.write(records(1, 1))
    await first.close()

    with pytest.raises(InputError, match="holds a run already"):
        await sinks(tmp_path, url).open(None)
    with pytest.raises(InputError, match="holds another run than the one in the state file"):
        await sinks(tmp_path, url).open({"run": "other", "sequence": 0})


async def test_a_resumed_run_without_its_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the log of the sweep that is resumed is not here"):
        await sinks(tmp_path, f"scriptfile://h{tmp_path / 'out'}").open({"run": "x", "sequence": 5})


async def test_replay_from_a_number_delivers_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    remote = sinks(tmp_path, f"scriptfile://h{out}")
    await remote.open(None)
    await remote.write(records(1, 10))
    await remote.close()
    await replayed(tmp_path / "run", "scriptfile-1", first=9)

    assert taken(out) == [*range(1, 11), 8, 9, 10]  # record 9 of the log is the eighth: the first is about the run
    with pytest.raises(InputError, match="the run has records 1 to 12"):
        await replayed(tmp_path / "run", "scriptfile-1", first=14)


async def test_replay_to_a_url_serves_a_sink_that_the_run_never_had(tmp_path: Path) -> None:
    remote = sinks(tmp_path, f"scriptfile://h{tmp_path / 'out'}")
    await remote.open(None)
    await remote.write(records(1, 10))
    await remote.close()
    done = await replayed(tmp_path / "run", f"scriptfile://h{tmp_path / 'new'}?name=new")

    assert done.delivered == 10
    assert taken(tmp_path / "new") == list(range(1, 11))
    with pytest.raises(InputError, match="is not a sink of this run: it has scriptfile-1; or a URL"):
        StoredRun(RunFolder(tmp_path / "run")).destination("other")


async def test_dead_letters_are_sent_once_more_and_leave_when_taken(tmp_path: Path) -> None:
    from scanner.delivery.relay import dead_letters  # noqa: PLC0415  for this test only

    out = tmp_path / "out"
    remote = sinks(tmp_path, f"scriptfile://h{out}")
    await remote.open(None)
    await remote.close()
    folder = RunFolder(tmp_path / "run")
    file = folder.sinks / "scriptfile-1.dead.jsonl"
    letter = dead_letters.DeadLetter(3, f"{77:032x}", "HTTP 400", record(77).rstrip(b"\n"))
    dead_letters.keep(file, [letter, letter])

    stored = StoredRun(folder)
    write_cursor(folder.sinks / "scriptfile-1.cursor", Cursor(stored.run, sequence=3, dead=1))

    done = await replay_dead_letters(stored, stored.destination("scriptfile-1"), patience_s=20)

    assert (done.delivered, done.dead, done.left) == (1, 0, 0)
    cursor = read_cursor(folder.sinks / "scriptfile-1.cursor", stored.run)
    assert (cursor.delivered, cursor.dead) == (1, 0)
    assert taken(out) == [77]
    assert not file.exists()


async def test_a_run_is_served_by_one_process_at_a_time(tmp_path: Path) -> None:
    async with opened(sinks(tmp_path, f"scriptfile://h{tmp_path / 'out'}")) as remote:
        await until(lambda: bool(remote.reports))
        with pytest.raises(InputError, match="another process is at work"):
            await replayed(tmp_path / "run", "scriptfile-1", patience_s=1)


async def test_a_name_that_means_another_receiver_now_is_refused(tmp_path: Path) -> None:
    first = sinks(tmp_path, f"scriptfile://h{tmp_path / 'a'}")
    await first.open(None)
    await first.write(records(1, 10))
    position = first.position()
    await first.close()

    with pytest.raises(
        InputError, match=r"is called scriptfile-1 as scriptfile://.*/a was, which has received records"
    ):
        await sinks(tmp_path, f"scriptfile://h{tmp_path / 'b'}").open(position)
    assert taken(tmp_path / "b") == []


async def test_the_run_of_a_sink_that_is_not_named_any_more_is_kept_while_it_lacks_records(tmp_path: Path) -> None:
    take_down(tmp_path / "a")
    first = sinks(tmp_path, f"scriptfile://h{tmp_path / 'a'}?name=a", drain_s=0.3)
    await first.open(None)
    await first.write(records(1, 10))
    position = first.position()
    with pytest.raises(SinkError, match="sink a lacks 10 records"):
        await first.close()

    second = sinks(tmp_path, f"scriptfile://h{tmp_path / 'b'}?name=b")
    await second.open(position)
    await second.close()

    assert taken(tmp_path / "b") == list(range(1, 11))
    assert "sink a lacks 10 records" in str(second.discard(finished=True))
    bring_up(tmp_path / "a")
    assert (await replayed(tmp_path / "run", "a")).delivered == 10
    assert taken(tmp_path / "a") == list(range(1, 11))
    assert second.discard(finished=True) is None
    assert not (tmp_path / "run").exists()


async def test_a_dead_letter_that_may_not_have_been_read_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scanner.delivery.relay import dead_letters  # noqa: PLC0415  for this test only

    remote = sinks(tmp_path, f"scriptfile://h{tmp_path / 'out'}")
    await remote.open(None)
    await remote.close()
    stored = StoredRun(RunFolder(tmp_path / "run"))
    file = stored.folder.sinks / "scriptfile-1.dead.jsonl"
    dead_letters.keep(file, [dead_letters.DeadLetter(n, f"{n:032x}", "why", record(n).rstrip(b"\n")) for n in (3, 4)])
    write_cursor(stored.folder.sinks / "scriptfile-1.cursor", Cursor(stored.run, sequence=4, dead=2))
    monkeypatch.setattr("tests.support.receivers_fake.FileReceiver.unconfirmed_from", 4, raising=False)

    done = await replay_dead_letters(stored, stored.destination("scriptfile-1"), patience_s=20)

    assert (done.delivered, done.dead, done.left) == (1, 1, 0)
    assert [letter.sequence for letter in dead_letters.read(file)] == [4]
