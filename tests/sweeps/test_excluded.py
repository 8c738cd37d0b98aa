"""Claims about records of excluded targets: each has one with `--all`, none was visited, and the books balance."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from scanner.delivery import FileSink, Position, Sink
from scanner.errors import SinkError, StateError
from scanner.record import json_schema
from scanner.settings import Settings
from scanner.sweeps.excluded import ExcludedTargets
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.summary import Summary
from scanner.targets import COMMAND_LINE, TextSource, parse_exclusions, parse_spec
from tests.support.command_line import smtpsweep
from tests.support.owners import owner

if TYPE_CHECKING:
    from scanner.model import Attempt

VALID = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


async def plan(targets: str, exclude: str, **changes: Any) -> Plan:
    options: dict[str, Any] = {
        "rate": 0,
        "subnet_rate": 0,
        "seed": 7,
        "retries": 0,
        "all_statuses": True,
        "ports": (1,),
    }
    never = parse_exclusions([TextSource(COMMAND_LINE, [text]) for text in exclude.split()])
    return await make_plan(
        parse_spec([TextSource(COMMAND_LINE, targets.split())]), never, Settings(**options | changes)
    )


async def swept(folder: Path, planned: Plan, *, state: bool = False) -> Summary:
    run = Sweep(planned, [FileSink(folder / "out")], state=folder / "state" if state else None)
    await run.prepare()
    return await run.run()


def records(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "out").read_bytes().splitlines()]


async def test_every_planned_target_has_a_record_with_all_and_the_excluded_ones_say_why(tmp_path: Path) -> None:
    summary = await swept(tmp_path, await plan("127.40.0.0/29 224.0.0.1", "127.40.0.4/31", ports=(1, 2)))

    assert summary.complete
    assert (summary.document["planned"], summary.document["excluded"], summary.document["records"]) == (18, 6, 18)
    assert summary.document["statuses"] == {"refused": 12}
    assert summary.document["connections"] == 12
    excluded = [record for record in records(tmp_path) if record["status"] == "excluded"]
    assert [(record["ip"], record["port"], record["error"]) for record in excluded] == [
        ("127.40.0.4", 1, "excluded: yours"),
        ("127.40.0.5", 1, "excluded: yours"),
        ("224.0.0.1", 1, "excluded: multicast"),
        ("127.40.0.4", 2, "excluded: yours"),
        ("127.40.0.5", 2, "excluded: yours"),
        ("224.0.0.1", 2, "excluded: multicast"),
    ]
    assert {record["tries"] for record in excluded} == {0}
    assert len({record["event_id"] for record in records(tmp_path)}) == 18
    for record in records(tmp_path):
        VALID.validate(record)


async def test_without_all_there_are_none(tmp_path: Path) -> None:
    summary = await swept(tmp_path, await plan("127.40.0.0/30", "127.40.0.1", all_statuses=False))

    assert summary.complete
    assert records(tmp_path) == []


async def test_samples_and_shards_have_their_share(tmp_path: Path) -> None:
    found: Counter[tuple[str, int]] = Counter()
    for shard in range(2):
        planned = await plan("127.40.0.0/30 127.40.1.0/30", "127.40.0.1 127.40.1.2", samples=3, shard=shard, shards=2)
        folder = tmp_path / str(shard)
        folder.mkdir()
        assert (await swept(folder, planned)).complete
        found.update((each["ip"], each["sample"]) for each in records(folder) if each["status"] == "excluded")
        assert {owner(each["ip"], 2) for each in records(folder)} <= {shard}

    assert found == Counter((ip, sample) for ip in ("127.40.0.1", "127.40.1.2") for sample in range(3))


class Failing:
    """A sink that takes so many lines and then fails."""

    name = "failing"

    def __init__(self, room: int) -> None:
        self._room = room

    async def open(self, resume: Position | None) -> None: ...

    async def write(self, lines: Sequence[bytes]) -> None:
        self._room -= len(lines)
        if self._room < 0:
            raise SinkError("failing: full; empty it")

    def position(self) -> Position | None:
        return None

    async def close(self) -> None: ...


async def test_a_sink_that_fails_ends_them_and_the_rest_is_recorded_when_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.sweeps.pipeline.MAX_PENDING", 10)
    sinks: list[Sink] = [Failing(20)]
    first = Sweep(await plan("127.40.0.0/26", "127.40.0.4/30 127.40.0.32/27"), sinks, state=tmp_path / "state")
    await first.prepare()
    summary = await first.run()
    assert summary.reason == "failing: full; empty it"
    sinks[0] = Failing(1000)
    second = Sweep(await plan("127.40.0.0/26", "127.40.0.4/30 127.40.0.32/27"), sinks, state=tmp_path / "state")
    await second.prepare()

    summary = await second.run()

    assert summary.complete
    assert (summary.document["planned"], summary.document["records"]) == (64, 64)
    assert summary.document["connections"] <= 28


async def test_those_that_are_recorded_are_not_recorded_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert (await swept(tmp_path, await plan("127.40.0.0/29", "127.40.0.4/31"), state=True)).complete

    assert Counter(record["status"] for record in records(tmp_path)) == {"refused": 6, "excluded": 2}


async def test_a_state_without_them_does_not_go_on_with_them(tmp_path: Path) -> None:
    quiet = await plan("127.40.0.0/29", "127.40.0.4/31", all_statuses=False)
    assert (await swept(tmp_path, quiet, state=True)).complete

    with pytest.raises(StateError, match="belongs to a sweep without --all, and this one is with --all"):
        await swept(tmp_path, await plan("127.40.0.0/29", "127.40.0.4/31"), state=True)


async def test_a_sweep_that_is_stopped_meanwhile_is_not_complete(tmp_path: Path) -> None:
    run = Sweep(await plan("127.40.0.0/16", "127.40.0.4/30 127.40.128.0/17"), [FileSink(tmp_path / "out")])
    await run.prepare()
    run.stop()
    summary = await run.run()

    assert not summary.complete
    assert summary.reason == "interrupted"
    assert records(tmp_path) == []


async def test_they_are_made_only_as_fast_as_there_is_room_and_none_is_kept() -> None:
    """A /8 of which half is excluded: nothing is made before it is wanted."""
    made: list[Attempt] = []
    left_out = ExcludedTargets(await plan("10.0.0.0/8", "10.128.0.0/9"), made.append, lambda: 100 - len(made))
    assert left_out.count == 2**23

    recording = asyncio.create_task(left_out.record(2**22))
    for _ in range(10):
        await asyncio.sleep(0)
    assert [(made[i].target.ip, made[i].target.position) for i in (0, 99)] == [
        ("10.192.0.0", -1 - 2**22),
        ("10.192.0.99", -100 - 2**22),
    ]
    left_out.wake()
    await asyncio.sleep(0)
    assert (len(made), recording.done()) == (100, False)
    left_out.stop()
    await recording
    assert len(made) == 100


def test_the_whole_command_writes_them(tmp_path: Path) -> None:
    done = smtpsweep(
        "sweep", "127.40.0.0/30", "-x", "127.40.0.2", "-p", "1", "--all", "--retries", "0", "-q", cwd=tmp_path
    )

    assert (done.code, done.err) == (0, "")
    assert Counter(orjson.loads(line)["status"] for line in done.out.splitlines()) == {"refused": 3, "excluded": 1}
