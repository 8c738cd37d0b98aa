"""Claims about a sweep that goes on: only into the outputs that have its first records."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery import FileSink, Sink
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.sink import identity_of
from scanner.delivery.spool import RunFolder
from scanner.errors import InputError, StateError
from scanner.settings import RefusalAction, Settings
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import make_plan
from scanner.sweeps.summary import Summary
from scanner.targets import COMMAND_LINE, TextSource, parse_spec
from tests.support.command_line import smtpsweep
from tests.support.servers import greets, serving
from tests.support.waiting import eventually

BLOCKED = greets(b"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org\r\n")


async def sweep(folder: Path, *outputs: str, port: int = 1, targets: str = "127.31.0.0/29", **changes: Any) -> Sweep:
    options = Settings(
        ports=(port,), **{"rate": 0, "subnet_rate": 0, "seed": 7, "retries": 0, "all_statuses": True} | changes
    )
    plan = await make_plan(parse_spec([TextSource(COMMAND_LINE, [targets])]), parse_spec([]), options)
    sinks: list[Sink] = [FileSink(folder / output) for output in outputs]
    run = Sweep(plan, sinks, state=folder / "state")
    await run.prepare()
    return run


async def done(folder: Path, *outputs: str, **changes: Any) -> Summary:
    return await (await sweep(folder, *outputs, **changes)).run()


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "others",
    [["c"], ["a"], ["b", "a"], ["a", "b", "c"], []],
    ids=["another", "one less", "another order", "one more", "none"],
)
async def test_other_outputs_than_those_of_the_state_are_refused_by_name(tmp_path: Path, others: list[str]) -> None:
    """1,024 records were counted, and the new output was empty."""
    assert (await done(tmp_path, "a", "b")).complete
    before = {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)}

    with pytest.raises(StateError) as caught:
        await sweep(tmp_path, *others)

    theirs = f"-o {tmp_path}/a -o {tmp_path}/b"
    ours = " ".join(f"-o {tmp_path}/{name}" for name in others)
    assert str(caught.value) == (
        f"{tmp_path}/state: belongs to a sweep with {theirs}, not {ours}: "
        "repeat those, in this order, or use another --state file"
    )
    assert {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)} == before


async def test_the_same_outputs_may_be_written_otherwise(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert (await done(tmp_path, "a")).complete

    assert (await done(tmp_path, "folder/../a")).document["connections"] == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is not there any more"),
        (lambda path: path.write_bytes(b""), "is empty, and held records of the sweep"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "an output file is shorter than the state says"),
    ],
    ids=["missing", "empty", "partial"],
)
async def test_an_output_that_does_not_hold_its_records_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    assert (await done(tmp_path, "a", "b")).complete
    damage(tmp_path / "b")
    names = listing(tmp_path)

    with pytest.raises(InputError, match=message):
        await sweep(tmp_path, "a", "b")
    assert listing(tmp_path) == names


async def test_an_output_that_vanishes_at_the_end_is_neither_complete_nor_done_in_the_state(tmp_path: Path) -> None:
    run = await sweep(tmp_path, "a")
    (tmp_path / "a").unlink()
    summary = await run.run()

    assert not summary.complete
    assert summary.reason is not None
    assert summary.reason.startswith(f"{tmp_path}/a: was removed while the sweep wrote it")
    assert summary.document["not_visited"] == 8


def test_a_pipe_does_not_go_on_in_a_file(tmp_path: Path) -> None:
    arguments = ("sweep", "127.0.0.1", "-p", "1", "--all", "--retries", "0", "--state", "state", "-q")
    assert smtpsweep(*arguments, cwd=tmp_path).code == 0

    other = smtpsweep(*arguments, "-o", "out.jsonl", cwd=tmp_path)

    assert other.code == 2
    assert "belongs to a sweep with -o stdout (pipe), not -o " in other.err
    assert listing(tmp_path) == {"state"}


async def test_networks_that_have_refused_us_are_still_slowed_when_a_sweep_goes_on(tmp_path: Path) -> None:
    with serving(BLOCKED) as server:
        changes: dict[str, Any] = {
            "port": server.port, "targets": "127.32.0.0/26", "refusal_limit": 3,
            "refusal_action": RefusalAction.STOP, "concurrency": 2, "rate": 300,
        }  # fmt: skip
        first = await done(tmp_path, "a", **changes)
        again = await sweep(tmp_path, "a", **changes)
        second = await again.run()

    assert first.document["not_visited"] > 0
    assert second.document["connections"] == 0
    assert second.document["not_visited"] == first.document["not_visited"]
    assert any("127.32.0.0/24" in notice and "refused us" in notice for notice in second.document["notices"])


async def test_refusals_survive_a_kill(tmp_path: Path) -> None:
    """Without an end in good order: the journal has them."""
    with serving(BLOCKED) as server:
        changes: dict[str, Any] = {
            "port": server.port, "targets": "127.33.0.0/26", "refusal_limit": 3,
            "refusal_action": RefusalAction.STOP, "concurrency": 2, "rate": 300,
        }  # fmt: skip
        run = await sweep(tmp_path, "a", **changes)
        running = asyncio.create_task(run.run())
        await eventually(lambda: b'"closed":["127.33' in (tmp_path / "state").read_bytes())
        state = (tmp_path / "state").read_bytes()
        run.abort()
        await running
        (tmp_path / "state").write_bytes(state)
        second = await done(tmp_path, "a", **changes)

    assert second.document["connections"] == 0


def test_a_sink_without_identity_is_told_by_its_name() -> None:
    class Theirs:
        name = "theirs"

    assert identity_of(Theirs()) == "theirs"  # type: ignore[arg-type]  # of a sink, this needs the name only


async def test_the_state_names_its_outputs(tmp_path: Path) -> None:
    await done(tmp_path, "a", "b")

    head = orjson.loads((tmp_path / "state").read_bytes().splitlines()[0])
    assert head["identity"]["outputs"] == [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert set(head["sinks"]) == {f"0:{tmp_path}/a", f"1:{tmp_path}/b"}


def test_receivers_are_told_by_their_address_and_name_without_options_and_secrets(tmp_path: Path) -> None:
    def identity(*urls: str) -> str:
        return identity_of(SpoolSink(RunFolder(tmp_path / "run"), make_destinations(urls), {}))

    one = "syslog+tcp://127.0.0.1:9?format=cef"

    assert identity(one) == "syslog+tcp://127.0.0.1:9 (syslog-tcp-1)"
    assert identity("syslog+tcp://127.0.0.1:9?format=ecs") == identity(one)
    assert identity("syslog+tcp://127.0.0.1:10") != identity(one)
    assert identity(one, "syslog+tcp://127.0.0.1:10") == (
        "syslog+tcp://127.0.0.1:9 (syslog-tcp-1) syslog+tcp://127.0.0.1:10 (syslog-tcp-2)"
    )
