"""Claims about what a sweep says when several things ended it: each is named, with what to do about it."""

from pathlib import Path

import orjson
import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError
from scanner.sweeps.pipeline import Sweep
from tests.support.pipelines import MemorySink, plan, run, settings
from tests.support.receivers_fake import provided
from tests.support.servers import greets, serving
from tests.support.spooled_records import record

GREETING = b"220 mail.example.com ESMTP\r\n"


class LeavesSome(MemorySink):
    """Takes no more after some records, and says at its end what is to be done."""

    async def close(self) -> None:
        await super().close()
        raise SinkError("sink siem lacks 3 records: smtpsweep replay run delivers them")


async def test_who_takes_no_more_says_at_its_end_what_to_do() -> None:
    with serving(greets(GREETING)) as server:
        summary = await run(Sweep(await plan("127.7.0.0/28", settings(server.port)), [LeavesSome(fail_after=0)]))

    assert summary.reason == ("memory: full; empty it; sink siem lacks 3 records: smtpsweep replay run delivers them")


async def test_a_sweep_that_was_interrupted_says_so_also_when_a_sink_has_not_got_everything() -> None:
    with serving(greets(GREETING)) as server:
        sweep = Sweep(await plan("127.9.0.0/26", settings(server.port, concurrency=1)), [LeavesSome()])
        await sweep.prepare()
        sweep.stop()
        summary = await sweep.run()

    left = summary.document["not_visited"]
    assert left > 0
    assert summary.reason == (
        f"interrupted, {left} not visited; sink siem lacks 3 records: smtpsweep replay run delivers them"
    )


async def test_a_run_whose_description_is_lost_is_kept_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(provided(tmp_path / "site")))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{Path(__file__).parents[2]}")
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations([f"scriptfile://h{tmp_path / 'out'}"]), {})
    await remote.open(None)
    await remote.write([record(1)])
    await remote.close()
    (tmp_path / "run" / "run.json").unlink()

    said = remote.discard(finished=True)

    assert said is not None
    assert said.startswith("the log of the run is kept, since not every sink of it is known: ")
    assert [orjson.loads(line)["event_id"] for line in (tmp_path / "out").read_bytes().splitlines()] == [f"{1:032x}"]
