"""Claims about `RelaySupervisor` and `SpoolSink` when the relay's process fails, gives up or cannot be started.

The process is a real one, except where only its reports matter: those are given to the service as they would come.
"""

import asyncio
import errno
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.relay.supervisor import RelaySupervisor
from scanner.delivery.spool import Quota, RunFolder
from scanner.errors import SinkError
from scanner.timeouts import patience
from tests.support.receivers_fake import provided
from tests.support.relays import report
from tests.support.spooled_records import record

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def their_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with `scriptfile://`, for this process and those it starts."""
    folder = provided(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    monkeypatch.syspath_prepend(str(folder))


def remote(tmp_path: Path, **options: Any) -> SpoolSink:
    urls = [f"scriptfile://h{tmp_path / 'out'}?name=siem"]
    return SpoolSink(RunFolder(tmp_path / "run"), make_destinations(urls), {}, drain_s=20.0, **options)


def lines(first: int, last: int) -> list[bytes]:
    return [record(number) for number in range(first, last + 1)]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_process_that_cannot_be_started_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = remote(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(tmp_path / "no python"))
        with pytest.raises(SinkError, match=r"^the process for remote sinks cannot be started \(No such file or"):
            await sinks.open(None)
    sinks.last_call()
    sinks.hurry()
    await sinks.close()

    assert sinks.sinks == []
    assert sinks.discard(finished=True) is None
    with sinks.folder.locked("log"), sinks.folder.locked("relay"):
        assert sinks.folder.segment(1).read_bytes() == b""
    again = remote(tmp_path)  # what is there holds no record, and is taken over
    await again.open(None)
    await again.write(lines(1, 3))
    await again.close()
    assert again.sinks[0]["delivered"] == 3


def test_the_first_reason_to_give_up_is_the_one_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quota = Quota()
    asked: list[str] = []
    urls = [f"scriptfile://h{tmp_path / 'out'}?name=siem"]
    service = RelaySupervisor(
        RunFolder(tmp_path / "run"), "r", make_destinations(urls), quota, lambda: asked.append("room")
    )
    for failure in ("it cannot be read", "its process was killed"):
        service.take_report({"failure": failure})

    assert (quota.hopeless, service.failure) == ("it cannot be read", "its process was killed")
    assert asked == ["room", "room"]
    assert [line.getMessage() for line in caplog.records] == [
        "it cannot be read; the records stay in the log",
        "its process was killed; the records stay in the log",
    ]


async def test_a_process_that_ends_again_and_again_is_given_up_and_the_records_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scanner.delivery.relay.supervisor.MAX_RESTARTS", 1)
    (tmp_path / "out.gone").touch()
    sinks = remote(tmp_path)
    await sinks.open(None)
    await sinks.write(lines(1, 3))
    with pytest.raises(SinkError, match=r"^sink siem lacks 3 records \(the process for remote sinks ended 2 ti"):
        await sinks.close()

    assert caplog.messages == [
        "the process for remote sinks ended with code 9 and is started again",
        "the process for remote sinks ended 2 times with code 9; the records stay in the log",
    ]
    assert not (tmp_path / "out").exists()


async def test_what_the_process_cannot_begin_with_is_said_and_not_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sinks = remote(tmp_path)
    sinks.folder.create()
    (sinks.folder.sinks / "siem.cursor").write_bytes(b"{}")
    await sinks.open(None)
    await sinks.write(lines(1, 3))
    with pytest.raises(SinkError, match=r"siem lacks 3 records \(.*siem\.cursor: is damaged: move it away"):
        await sinks.close()

    (said,) = caplog.messages
    assert said.endswith("siem.cursor: is damaged: move it away to send everything again; the records stay in the log")


async def test_a_disk_that_fails_at_the_end_is_said_and_no_reason_not_to_deliver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = remote(tmp_path)
    await sinks.open(None)
    await sinks.write(lines(1, 3))
    monkeypatch.setattr(sinks._log, "_append", full)
    with pytest.raises(SinkError, match=r"cannot be written \(No space left on device\)"):
        await sinks.close()

    assert (tmp_path / "out").read_bytes() == b"".join(lines(1, 3))
    assert (sinks.sinks[0]["delivered"], sinks.sinks[0]["waiting"]) == (3, 0)


async def test_the_log_of_a_run_goes_only_when_nobody_needs_it_and_nobody_is_at_work_on_it(tmp_path: Path) -> None:
    sinks = remote(tmp_path)
    await sinks.open(None)
    await sinks.write(lines(1, 3))
    assert sinks.discard(finished=True) is None
    assert sinks.folder.segments() == [1]  # nobody was asked yet who has what
    await sinks.close()
    await sinks.close()

    kept = f"the log of the run is kept: {sinks.folder.path}"
    assert sinks.discard(finished=False) == kept
    with sinks.folder.locked("relay"):
        stays = str(sinks.discard(finished=True))
    assert stays.startswith("every sink has everything, but the log of the run stays: ")
    assert "another process is at work on it" in stays
    assert sinks.folder.segments() == [1]
    assert sinks.discard(finished=True) is None
    assert not sinks.folder.path.exists()


async def test_a_run_that_is_to_be_kept_is(tmp_path: Path) -> None:
    sinks = remote(tmp_path, keep_run=True)
    await sinks.open(None)
    await sinks.close()

    assert sinks.discard(finished=True) == f"the log of the run is kept: {sinks.folder.path}"
    assert sinks.folder.segments() == [1]


def test_a_sweep_can_be_resumed_with_other_options_of_its_sinks_but_not_with_other_sinks(tmp_path: Path) -> None:
    def identity(url: str) -> str:
        return SpoolSink(RunFolder(tmp_path / "run"), make_destinations([url]), {}).identity

    before = identity("scriptfile://h/out?name=siem")
    assert identity("scriptfile://h/out?name=siem&policy=required&max_lag=5") == before
    assert identity("scriptfile://h/other?name=siem") != before
    assert identity("scriptfile://h/out?name=other") != before


@pytest.fixture
def quota() -> Quota:
    return Quota(limit_bytes=1000)


@pytest.fixture
def service(tmp_path: Path, quota: Quota) -> RelaySupervisor:
    urls = [f"scriptfile://h{tmp_path / name}?name={name}" for name in ("quick", "slow")]
    return RelaySupervisor(RunFolder(tmp_path / "run"), "r", make_destinations(urls), quota, lambda: None)


def test_who_has_given_up_holds_the_log_back_only_once_nobody_is_further_behind(
    service: RelaySupervisor, quota: Quota
) -> None:
    service.durable(20)
    service.take_report({"relays": [report("quick", 10, failure="it can never work"), report("slow", 5)]})
    assert (quota.done, quota.stuck, quota.hopeless) == (5, None, None)  # there is room when the slow one goes on

    service.take_report({"relays": [report("quick", 10, failure="it can never work"), report("slow", 12)]})
    assert (quota.done, quota.stuck) == (10, "sink quick has given up (it can never work)")


def test_trouble_is_said_once_and_that_it_is_over_too(
    service: RelaySupervisor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for trouble in (None, "it is down", "it is down", None, None):
        service.take_report({"relays": [report("quick", 1, trouble=trouble), report("slow", 1)]})

    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("WARNING", "sink quick: it is down"),
        ("INFO", "sink quick: is well again"),
    ]


async def test_who_answers_without_getting_on_is_waited_for(service: RelaySupervisor) -> None:
    """A batch of which every record is refused takes many answers before the first record of it is settled."""
    renewed: list[float] = []

    async with patience(60.0) as limit:
        service._limit = limit
        service.take_report({"relays": [report("quick", 1), report("slow", 1)]})
        limit.renew = lambda: renewed.append(limit.left_s)  # type: ignore[method-assign]
        service.take_report({"relays": [report("quick", 1), report("slow", 1)]})
        assert renewed == []
        service.take_report({"relays": [report("quick", 1), report("slow", 1, answers=1)]})

    assert len(renewed) == 1


async def test_who_waits_for_a_required_sink_is_told_so_and_not_that_the_log_is_full(
    tmp_path: Path, quota: Quota
) -> None:
    url = f"scriptfile://h{tmp_path / 'out'}?name=siem&policy=required&max_lag=5"
    one = RelaySupervisor(RunFolder(tmp_path / "run"), "r", make_destinations([url]), quota, lambda: None)
    one.durable(10)
    one.take_report({"relays": [report("siem", 2, trouble="HTTP 503", policy="required")]})

    one.last_call(0.01)
    while quota.hopeless is None:
        await asyncio.sleep(0.001)

    assert quota.held
    assert quota.hopeless == (
        "sink siem (required) is 8 records behind (HTTP 503), and no sink has acknowledged anything for 0.01 s"
    )
