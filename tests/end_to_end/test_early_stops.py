"""Claims about a sweep that is stopped before it visits anybody: it ends as such, and writes the summary asked for."""

from pathlib import Path

import orjson
import pytest

from scanner.delivery.local.file import FileSink
from scanner.sweeps.pipeline import Sweep
from tests.support.pipelines import plan, settings
from tests.support.processes import PATIENCE_S, started

_SLOW_SINK = """
import asyncio, os, signal
from scanner.cli import entry
from scanner.delivery.local.file import FileSink

opened = FileSink.open

async def open_late(self, resume):
    for _ in range(REQUESTS):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)  # the loop calls what requests do
    await opened(self, resume)

FileSink.open = open_late
entry.main()
"""


@pytest.mark.parametrize("requests", [1, 2])
def test_who_stops_a_sweep_while_its_sinks_are_opened_gets_a_summary(tmp_path: Path, requests: int) -> None:
    arguments = ["smtpsweep", "sweep", "127.0.0.1", "-p", "9", "-o", "out", "--summary", "s.json", "--state", "state"]
    code = f"import sys\nsys.argv = {arguments!r}\n" + _SLOW_SINK.replace("REQUESTS", str(requests))
    with started((), tmp_path, code) as process:
        _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 3, said
    assert b"Traceback" not in said
    summary = orjson.loads((tmp_path / "s.json").read_bytes())
    assert (summary["complete"], summary["reason"], summary["not_visited"]) == (False, "interrupted", 1)
    assert (tmp_path / "state").exists()


@pytest.mark.parametrize("ends", [Sweep.stop, Sweep.abort])
async def test_a_sweep_that_was_ended_before_it_ran_visits_nobody(tmp_path: Path, ends: object) -> None:
    sweep = Sweep(await plan("127.9.0.0/30", settings(9)), [FileSink(tmp_path / "out")])
    await sweep.prepare()
    assert callable(ends)
    ends(sweep)

    summary = await sweep.run()

    assert (summary.complete, summary.reason) == (False, "interrupted")
    assert (summary.document["not_visited"], summary.document["connections"]) == (4, 0)
