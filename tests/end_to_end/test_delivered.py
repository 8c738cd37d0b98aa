"""The command, and what it claims: delivered is what the receiver has, and everything else is said, counted, exit 3.

The lab has 64 hosts that answer; receivers are `scriptfile://` of `tests.support.receivers_fake` and an HTTP server
that answers what it is told.
"""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.run import is_made_by_us
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter
from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.receivers.http_server import Got, Say, ScriptedServer
from tests.support.receivers_fake import provided

ROOT = Path(__file__).parents[2]
HOSTS, NETWORK = 64, "127.41.0.0/26"


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(LabSettings(port=0, profile="dense")) as process:
        yield process


class Web:
    """An HTTP server in a thread of its own; `answer` may be changed at any time."""

    def __init__(self) -> None:
        self.answer = Say()
        self.got: list[Got] = []
        self.port = 0
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        async with ScriptedServer(default=lambda _: self.answer) as server:
            self.port, self.got = server.port, server.got
            self._ready.set()
            await self._end.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    def ids(self) -> set[str]:
        return {record["event_id"] for got in self.got for record in orjson.loads(got.body)}


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{provided(tmp_path / 'site')}:{ROOT}"}


class Commands:
    """Runs the command in a folder of its own."""

    def __init__(self, lab: LabProcess, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment, self._port = folder, environment, lab.port
        folder.mkdir()

    def smtpsweep(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "scanner", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=50, check=False
        )

    def arguments(self, *more: str) -> list[str]:
        pace = ("--port", str(self._port), "--rate", "0", "--subnet-rate", "0", "--seed", "5", "--quiet")
        return ["sweep", NETWORK, *pace, "--summary", "summary.json", *more]

    def sweep(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.smtpsweep(*self.arguments(*more))

    def summary(self) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads((self.folder / "summary.json").read_bytes())
        return document

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"summary.json"}


@pytest.fixture
def commands(lab: LabProcess, tmp_path: Path, environment: dict[str, str]) -> Commands:
    return Commands(lab, tmp_path / "a folder", environment)


def test_a_receiver_that_refuses_everything_has_nothing(commands: Commands, web: Web) -> None:
    web.answer = Say(400, b"no such field")
    url = f"http://127.0.0.1:{web.port}/in?name=hook"
    swept = commands.sweep("-o", url, "--run", "the run", "-o", "out.jsonl")

    said = swept.stderr.splitlines()
    assert swept.returncode == 3
    assert "sink hook: " in said[0]
    assert "not delivered (dead letters), the first: HTTP 400 no such field" in said[0]
    assert len(said) == 2  # one line while it happens, one at the end
    summary = commands.summary()
    assert summary["complete"] is False
    assert summary["reason"].startswith(f"sink hook: {HOSTS} records not delivered (the first: HTTP 400 no such field)")
    assert {**summary["sinks"][1], "url": ""} == {
        "name": "hook", "url": "", "policy": "spool", "delivered": 0, "dead": HOSTS, "skipped": 0, "duplicates": 0,
        "waiting": 0, "reason": "HTTP 400 no such field",
    }  # fmt: skip
    assert summary["sinks"][0]["delivered"] == HOSTS
    assert commands.names() == {"the run", "out.jsonl"}

    replayed = commands.smtpsweep("replay", "the run")
    assert replayed.returncode == 3
    assert f"{HOSTS} records not delivered" in replayed.stderr
    again = commands.smtpsweep("replay", "the run", "--dead-letters")
    assert again.returncode == 3
    assert f"hook: 0 delivered, {HOSTS} not delivered (dead letters)" in again.stderr

    web.answer = Say()
    hint = summary["reason"].split("says why: ")[1].removesuffix(" sends them again")
    done = commands.smtpsweep(*shlex.split(hint)[1:])  # as it was printed, with the blank in the folder's name
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"hook: {HOSTS} delivered")
    assert len(web.ids()) == HOSTS
    assert commands.names() == {"out.jsonl"}


def test_the_folder_of_a_run_goes_when_every_sink_has_everything(commands: Commands, web: Web) -> None:
    url = f"http://127.0.0.1:{web.port}/in"
    swept = commands.sweep("-o", url)

    assert (swept.returncode, swept.stderr) == (0, "")
    assert len(web.ids()) == HOSTS
    assert commands.names() == set()
    (commands.folder / "summary.json").unlink()
    kept = commands.sweep("-o", url, "--run", "kept", "--keep-run")
    assert kept.returncode == 0
    assert commands.names() == {"kept"}
    assert "the log of the run is kept: kept" in commands.summary()["notices"]


def test_only_what_is_ours_is_removed(commands: Commands, web: Web) -> None:
    mine = commands.folder / "mine"
    (mine / "sinks").mkdir(parents=True)
    (mine / "notes.txt").write_text("precious")
    swept = commands.sweep("-o", f"http://127.0.0.1:{web.port}/in", "--run", "mine")

    assert swept.returncode == 0
    assert [path.name for path in mine.rglob("*") if path.is_file()] == ["notes.txt"]
    assert any("holds what is not ours" in notice for notice in commands.summary()["notices"])


def test_a_finished_sweep_that_is_started_again_has_nothing_to_do(commands: Commands, web: Web) -> None:
    url = f"http://127.0.0.1:{web.port}/in"
    for _ in range(3):
        swept = commands.sweep("-o", url, "--state", "state")
        assert (swept.returncode, swept.stderr) == (0, "")
        assert commands.names() == {"state"}
    assert len(web.got) == 1


def test_a_replay_leaves_what_a_sweep_needs_to_go_on(commands: Commands, web: Web) -> None:
    web.answer = Say(503)
    url = f"http://127.0.0.1:{web.port}/in"
    assert commands.sweep("-o", url, "--state", "state", "--drain", "0.3").returncode == 3
    assert commands.summary()["sinks"][0]["waiting"] == HOSTS  # records, without the lines about the run
    web.answer = Say()

    replayed = commands.smtpsweep("replay", "state.run")
    assert replayed.returncode == 0
    assert list((commands.folder / "state.run").glob("records-*")) == []
    again = commands.sweep("-o", url, "--state", "state")
    assert (again.returncode, again.stderr) == (0, "")
    assert commands.names() == {"state"}
    assert len(web.ids()) == HOSTS


def test_gaps_of_best_effort_are_not_delivered(commands: Commands, tmp_path: Path) -> None:
    out = tmp_path / "out"
    Path(f"{out}.down").touch()
    url = f"scriptfile://h{out}?name=low&policy=best_effort&max_lag=10"
    swept = commands.sweep("-o", url, "--run", "run", "--drain", "0.5")
    assert swept.returncode == 3
    Path(f"{out}.down").unlink()

    replayed = commands.smtpsweep("replay", "run")
    served = commands.smtpsweep("replay", "run", "--sink", "low", "--from", "1")

    assert replayed.returncode in (0, 3)  # 3 when something was skipped before it was down for good
    assert served.returncode == (0 if (commands.folder / "run").exists() or replayed.returncode else 2)
    assert len({orjson.loads(line)["event_id"] for line in out.read_bytes().splitlines()}) == HOSTS


def test_the_state_of_the_sweep_misses_what_the_log_has_lost(commands: Commands, web: Web) -> None:
    web.answer = Say(503)
    url = f"http://127.0.0.1:{web.port}/in?name=hook"
    commands.sweep("-o", url, "--state", "state", "--drain", "0.3")
    run = commands.folder / "state.run"
    for name in ("log.index", "log.last", "records-000000000001.jsonl"):
        (run / name).unlink()
    web.answer = Say()

    replayed = commands.smtpsweep("replay", "state.run")

    assert replayed.returncode == 3
    (letter,) = dead_letters.read(run / "sinks" / "hook.dead.jsonl")
    assert letter.sequence == 1
    assert letter.last >= HOSTS


@pytest.mark.parametrize("damage", ["cut", "emptied", "gone", "changed"])
def test_a_log_that_was_changed_is_not_delivered_whole(commands: Commands, web: Web, damage: str) -> None:
    web.answer = Say(503)
    commands.sweep("-o", f"http://127.0.0.1:{web.port}/in?name=hook", "--run", "run", "--drain", "0.3")
    segment = RunFolder(commands.folder / "run").segment(1)
    lines = segment.read_bytes().splitlines(keepends=True)
    assert len(lines) == HOSTS + 2
    match damage:
        case "cut":
            segment.write_bytes(b"".join(lines[:20]))
        case "emptied":
            segment.write_bytes(b"")
        case "gone":
            segment.unlink()
        case "changed":
            segment.write_bytes(b"".join(lines).replace(b'"tries":1', b'"tries":2', 1))
    web.answer = Say()
    web.got.clear()  # what it was offered before and refused

    replayed = commands.smtpsweep("replay", "run")

    assert replayed.returncode == 3
    assert "Traceback" not in replayed.stderr
    assert "in the log of the run" in replayed.stderr
    letters = list(dead_letters.read(commands.folder / "run" / "sinks" / "hook.dead.jsonl"))
    numbers = [number for one in letters for number in range(one.sequence, max(one.sequence, one.last) + 1)]
    expected = {"cut": range(21, HOSTS + 3), "changed": range(2, 3)}.get(damage, range(2, HOSTS + 3))
    # The first is a note about the run, so it may have been done while the receiver took nothing.
    assert [number for number in numbers if number > 1] == list(expected)
    assert len(web.ids()) == {"cut": 19, "changed": HOSTS - 1}.get(damage, 0)


async def test_the_quota_is_kept_within_one_record_whatever_a_batch_holds(tmp_path: Path) -> None:
    folder, quota = RunFolder(tmp_path / "run"), Quota(limit_bytes=300_000)
    log = SpoolWriter(folder, quota)
    most = 0

    def durable(last: int) -> None:
        nonlocal most
        most = max(most, sum(folder.segment(first).stat().st_size for first in folder.segments()))
        quota.done = last  # a receiver that is as fast as the disk
        log.room_again()

    log = SpoolWriter(folder, quota, on_durable=durable)
    await log.open(None, "r")
    await log.write([b'{"n":%d,"x":"%s"}\n' % (number, b"x" * 5000) for number in range(1000)])
    await log.write([b'{"n":0,"x":"%s"}\n' % (b"x" * 250_000)] * 3)
    await log.close()

    assert log.last == 1003
    assert 200_000 < most <= 300_000


async def test_a_record_larger_than_the_quota_is_kept_alone_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quota = Quota(limit_bytes=20_000)
    log = SpoolWriter(RunFolder(tmp_path / "run"), quota)
    await log.open(None, "r")
    await log.write([b'{"x":"%s"}\n' % (b"x" * 50_000)])
    await log.close()

    assert "is larger than --spool-limit: it is kept all the same" in caplog.text


def test_a_quota_too_small_for_any_record_is_refused(commands: Commands) -> None:
    refused = commands.sweep("-o", "https://127.0.0.1:9/in", "--spool-limit", "1000")

    assert refused.returncode == 2
    assert refused.stderr == "smtpsweep: --spool-limit 1000: must be at least 16 KiB, so that a record fits\n"
    assert commands.names() == set()


#: Runs the command, and kills itself at the Nth thing that it does to a file in the folder.
KILLED = """
import os, signal, sys
at, folder = int(sys.argv[1]), sys.argv[2]
seen = 0
def watch(event, arguments):
    global seen
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.truncate", "subprocess.Popen", "fcntl.flock"):
        if event.startswith(("sub", "fcntl")) or str(arguments[0]).startswith(folder):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
from scanner.cli.entry import run
import scanner.cli.sweep, scanner.delivery.relay.spool_sink
os.chdir(folder)
sys.addaudithook(watch)
code = run(sys.argv[3:])
print(seen)
os._exit(code)
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_whatever_step_of_the_start_is_the_last_the_same_command_goes_on(
    lab: LabProcess, tmp_path: Path, environment: dict[str, str]
) -> None:
    kills = 0
    for at in range(1, 60):
        folder = tmp_path / f"run-{at}"
        folder.mkdir()
        out = folder / "remote"
        sweep = Commands.__new__(Commands)
        sweep.folder, sweep.environment, sweep._port = folder, environment, lab.port
        arguments = sweep.arguments(
            "-o", f"{folder}/out.jsonl", "-o", f"scriptfile://h{out}?name=siem", "--state", f"{folder}/state"
        )
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(at), str(folder), *arguments],
            capture_output=True, cwd=ROOT, env=environment, timeout=50, check=False,
        )  # fmt: skip
        done = sweep.smtpsweep(*arguments)

        assert (done.returncode, done.stderr) == (0, ""), at
        ids = {orjson.loads(line)["event_id"] for line in out.read_bytes().splitlines()}
        assert ids == {orjson.loads(line)["event_id"] for line in (folder / "out.jsonl").read_bytes().splitlines()}
        assert len(ids) == HOSTS, at
        # What the receiver has made, and a temporary file that was being written when the end came, are not the run.
        names = {path.name for path in folder.iterdir() if not path.name.startswith(("remote", ".smtpsweep-"))}
        assert names == {"out.jsonl", "state", "summary.json"}, at
        if killed.returncode != -signal.SIGKILL:
            break
        kills += 1
    assert kills > 20
    assert is_made_by_us(RunFolder(tmp_path / "none"))
