"""One sweep into every kind of receiver at once, and everything is killed: the sweep, the receivers, their answers.

The command itself runs: 100,000 hosts of the lab, one process killed with SIGKILL and resumed again and again, at
moments that a seed draws over the whole of the work: while it visits, and while it only delivers. Meanwhile each
receiver is killed once and started again, and two of them stand behind a network that fails. In the end everybody has
every record of the file. Who can drop repeats has each record once; the others say how many they got twice.

And all of them are down for a whole sweep: it ends with exit code 3, and `replay` delivers everything later.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from scanner.delivery.spool import RunFolder
from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.receivers.contract import Restartable
from tests.receivers.stations import SECRETS, one_of_each
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.slow]

HOSTS = 100_000
TARGETS = f"127.64.0.0-127.65.{HOSTS // 256 - 256}.{HOSTS % 256 - 1}"
FEW, FEW_TARGETS = 2048, "127.66.0.0/21"
SWEEP_KILLS = 6
SEED = 20261123


class SweepUnderFire:
    """The command, to be killed and started again with the same words."""

    def __init__(self, folder: Path, port: int, targets: str, urls: Iterable[str], *, drain: str) -> None:
        self.output, self.run = folder / "out.jsonl", RunFolder(folder / "run")
        pace = ("--port", str(port), "--rate", "0", "--subnet-rate", "0", "--seed", "5", "--quiet", "--drain", drain)
        outputs = [word for url in (str(self.output), *urls) for word in ("-o", url)]
        files = ("--state", str(folder / "state"), "--run", str(self.run.path), "--keep-run")
        self._command = [sys.executable, "-m", "scanner", "sweep", targets, *pace, *outputs, *files]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start or resume."""
        self._process = await asyncio.create_subprocess_exec(*self._command, env={**os.environ, **SECRETS})

    async def kill(self) -> int:
        """Kill it; return its exit code, which says whether it was still there to be killed."""
        assert self._process is not None
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        return await self._process.wait()

    async def wait(self) -> int:
        """Return its exit code when it has done all."""
        assert self._process is not None
        return await self._process.wait()

    def done(self) -> int:
        """How many records all receivers together have acknowledged."""
        cursors = self.run.sinks.glob("*.cursor")
        return sum(orjson.loads(cursor.read_bytes())["sequence"] for cursor in cursors)

    async def until(self, records: int) -> None:
        """Return when so many are acknowledged."""
        assert self._process is not None
        process = self._process
        await eventually(lambda: process.returncode is not None or self.done() >= records, patience_s=300)
        assert process.returncode is None, "the sweep ended before it could be killed"

    def ids(self) -> list[str]:
        """Return the event id of every line of the file that it writes beside."""
        return [orjson.loads(line)["event_id"] for line in self.output.read_bytes().splitlines()]

    def logged(self) -> Iterator[str]:
        """Yield the event id of every record in the log of the run."""
        for first in self.run.segments():
            for line in self.run.segment(first).read_bytes().splitlines():
                document = orjson.loads(line)
                if "event_id" in document:
                    yield document["event_id"]


async def fire(sweep: SweepUnderFire, servers: Sequence[Restartable], chance: random.Random) -> list[int]:
    """Kill each server once and the sweep `SWEEP_KILLS` times, and start them again; return the sweep's exit codes.

    The moments are drawn from the first four fifths of what is to be acknowledged, so that every kill hits work.
    """
    victims: list[Restartable | None] = [*servers, *[None] * SWEEP_KILLS]  # None: the sweep
    chance.shuffle(victims)
    work = HOSTS * len(servers) * 4 // 5
    exit_codes = []
    await sweep.start()
    for moment in sorted(chance.randrange(work) for _ in victims):
        await sweep.until(moment)
        if (server := victims.pop()) is not None:
            server.kill()
            await server.start()
        else:
            exit_codes.append(await sweep.kill())
            await sweep.start()
    return [*exit_codes, await sweep.wait()]


@pytest.mark.timeout(900)
async def test_the_sweep_and_its_receivers_are_killed_and_every_receiver_has_every_record(tmp_path: Path) -> None:
    with LabProcess(LabSettings(port=0, profile="dense")) as lab:
        async with one_of_each(tmp_path) as receivers:
            urls = [one.url for one in receivers.values()]
            sweep = SweepUnderFire(tmp_path, lab.port, TARGETS, urls, drain="300")
            servers = [one.server for one in receivers.values()]
            try:
                exit_codes = await fire(sweep, servers, random.Random(SEED))
            finally:
                await sweep.kill()
            found = {name: await one.ids() for name, one in receivers.items()}

    assert exit_codes == [-signal.SIGKILL] * SWEEP_KILLS + [0]
    in_file = sweep.ids()
    expected = set(in_file)
    assert len(expected) == HOSTS
    assert {name: len(expected - set(ids)) for name, ids in found.items()} == dict.fromkeys(receivers, 0)
    assert {name: len(set(ids) - expected) for name, ids in found.items()} == dict.fromkeys(receivers, 0)
    logged = Counter(sweep.logged())
    repeats = {name: ids.total() - HOSTS for name, ids in found.items()}
    print(f"repeats: {repeats}, {len(in_file) - HOSTS} in the file, {logged.total() - HOSTS} in the log")  # noqa: T201  a measurement, shown with -s
    assert [name for name, one in receivers.items() if one.drops_repeats and repeats[name]] == []
    assert found["s3"] == logged  # one object a segment, which is written over when it is sent again
    assert list(sweep.run.sinks.glob("*.dead.jsonl")) == []


@pytest.mark.timeout(600)
async def test_receivers_that_are_down_for_the_whole_sweep_get_everything_from_replay(tmp_path: Path) -> None:
    with LabProcess(LabSettings(port=0, profile="dense")) as lab:
        async with one_of_each(tmp_path) as receivers:
            for one in receivers.values():
                one.server.kill()
            sweep = SweepUnderFire(
                tmp_path, lab.port, FEW_TARGETS, [one.url for one in receivers.values()], drain="500ms"
            )
            await sweep.start()
            exit_code = await sweep.wait()
            assert exit_code == 3
            for one in receivers.values():
                await one.server.start()
            replays = {name: await replay(sweep.run, name) for name in receivers}
            found = {name: await one.ids() for name, one in receivers.items()}

    expected = set(sweep.ids())
    assert len(expected) == FEW
    assert replays == dict.fromkeys(receivers, 0)
    assert {name: ids for name, ids in found.items() if set(ids) != expected} == {}
    assert {
        name: ids.total() for name, ids in found.items() if receivers[name].drops_repeats and ids.total() > FEW
    } == {}


async def replay(run: RunFolder, name: str) -> int:
    """Deliver what a sink has not got; return the exit code of the command."""
    command = [sys.executable, "-m", "scanner", "replay", str(run.path), "--sink", name, "--quiet", "--keep-run"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **SECRETS})
    return await process.wait()
