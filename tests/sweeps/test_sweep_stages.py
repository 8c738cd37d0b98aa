"""Names, samples and the overview, through the whole pipeline against real sockets on loopback."""

import asyncio
from collections.abc import Awaitable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import dns.resolver
import orjson
import pytest
from jsonschema import Draft202012Validator

from scanner.delivery import FileSink
from scanner.errors import SinkError
from scanner.model import Record
from scanner.record import EventIds, json_schema
from scanner.settings import Settings
from scanner.sweeps import pipeline as sweep_module
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.reverse_dns import NameStage
from scanner.sweeps.summary import Summary
from scanner.targets import COMMAND_LINE, TextSource, parse_spec
from tests.support.servers import Peer, greets, serving
from tests.support.waiting import eventually

VALID = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


class Answers:
    """A resolver: every address has no name, and every name the address 127.60.0.0; `held` keeps it waiting."""

    def __init__(self, *, held: bool = False) -> None:
        self.asked = 0
        self._held = held

    def resolve(self, qname: str, rdtype: str, *, search: bool, lifetime: float) -> Awaitable[Iterable[Any]]:
        return self._answer("127.60.0.0")

    def resolve_address(self, ipaddr: str, *, lifetime: float) -> Awaitable[Iterable[Any]]:
        return self._answer(None)

    async def _answer(self, address: str | None) -> Iterable[Any]:
        self.asked += 1
        if self._held:
            await asyncio.sleep(60)
        if address is None:
            raise dns.resolver.NXDOMAIN
        return [type("Answer", (), {"address": address})]


async def plan(targets: str, port: int, **changes: Any) -> Plan:
    settings = Settings(ports=(port,), **{"rate": 0, "subnet_rate": 0, "seed": 7} | changes)
    return await make_plan(
        parse_spec([TextSource(COMMAND_LINE, targets.split())]), parse_spec([TextSource(COMMAND_LINE, [])]), settings
    )


async def run(sweep: Sweep) -> Summary:
    await sweep.prepare()
    return await sweep.run()


def records_of(path: Path) -> list[dict[str, Any]]:
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for record in records:
        VALID.validate(record)
    return records


POSTFIX = greets(b"220 mx.example.com ESMTP Postfix\r\n")


async def test_names_are_in_the_records_of_servers_that_spoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Answers()
    monkeypatch.setattr(sweep_module, "system_resolver", lambda: resolver)

    def script(peer: Peer) -> None:
        if peer.sock.getsockname()[0] != "127.60.0.3":
            POSTFIX(peer)

    with serving(script) as server:
        summary = await run(Sweep(await plan("127.60.0.0/30", server.port, dns=True), [FileSink(tmp_path / "out")]))

    names = {record["ip"]: record["names"] for record in records_of(tmp_path / "out")}
    assert summary.complete
    assert summary.document["options"]["dns"] is True
    assert {ip: each and each["greeting_confirmed"] for ip, each in names.items()} == {
        "127.60.0.0": True,
        "127.60.0.1": False,
        "127.60.0.2": False,
        "127.60.0.3": None,
    }
    assert names["127.60.0.3"] is None
    assert resolver.asked == 6


async def test_a_sweep_without_names_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "system_resolver", None)
    with serving(POSTFIX) as server:
        summary = await run(Sweep(await plan("127.60.0.0", server.port), [FileSink(tmp_path / "out")]))

    assert summary.complete
    assert [record["names"] for record in records_of(tmp_path / "out")] == [None]


async def test_after_the_grace_time_records_go_out_without_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Answers(held=True)
    monkeypatch.setattr(sweep_module, "system_resolver", lambda: resolver)
    monkeypatch.setattr(sweep_module, "NameStage", partial(NameStage, at_once=1, deadline_s=0.5))
    with serving(POSTFIX) as server:
        sweep = Sweep(await plan("127.60.0.0/30", server.port, dns=True, grace_s=0.1), [FileSink(tmp_path / "out")])
        await sweep.prepare()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(sweep.run())
            await eventually(lambda: sweep.statistics().pending >= 4)
            sweep.stop()

    assert running.result().complete
    errors = sorted(record["names"]["error"] for record in records_of(tmp_path / "out"))
    assert errors == ["no answer for PTR, A", *["not looked up: the sweep was stopped"] * 3]


async def test_an_abort_waits_for_no_name_server_and_the_rest_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "system_resolver", lambda: Answers(held=True))
    state = tmp_path / "state"
    with serving(POSTFIX) as server:
        planned = await plan("127.60.0.0/30", server.port, dns=True)
        sweep = Sweep(planned, [FileSink(tmp_path / "out")], state=state)
        await sweep.prepare()
        async with asyncio.timeout(4), asyncio.TaskGroup() as group:
            running = group.create_task(sweep.run())
            await eventually(lambda: sweep.statistics().pending >= 4)
            sweep.abort()
        assert not running.result().complete
        assert running.result().document["not_visited"] == 4

        monkeypatch.setattr(sweep_module, "system_resolver", Answers)
        summary = await run(Sweep(planned, [FileSink(tmp_path / "out")], state=state))

    assert summary.complete
    assert len(records_of(tmp_path / "out")) == 4


async def test_a_name_server_that_does_not_answer_holds_new_visits_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer, taken = asyncio.Event(), list[int]()

    class Late(Answers):
        async def _answer(self, address: str | None) -> Iterable[Any]:
            await may_answer.wait()
            return await super()._answer(address)

    class Narrow(NameStage):
        def put(self, position: int, record: Record) -> None:
            super().put(position, record)
            taken.append(position)

    monkeypatch.setattr(sweep_module, "system_resolver", Late)
    monkeypatch.setattr(sweep_module, "NameStage", partial(Narrow, at_once=1, max_waiting=3, deadline_s=30))
    with serving(POSTFIX) as server:
        # A rate, since visits that are under way when the last place is taken still bring their records.
        planned = await plan("127.63.0.0/26", server.port, dns=True, rate=200)
        sweep = Sweep(planned, [FileSink(tmp_path / "out")])
        await sweep.prepare()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(sweep.run())
            await eventually(lambda: len(taken) >= 4)
            await asyncio.sleep(0.4)  # nothing more comes: at 200 a second, all 64 would be visited in 0.32 s
            before = len(taken)
            may_answer.set()

    assert before < 40
    assert (running.result().complete, running.result().document["records"]) == (True, 64)


class FullSink:
    """Takes nothing."""

    name = "full"

    async def open(self, resume: object) -> None: ...

    async def write(self, lines: object) -> None:
        raise SinkError("full: no space left")

    def position(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_sink_that_fails_ends_the_look_ups_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Some(Answers):
        def resolve_address(self, ipaddr: str, *, lifetime: float) -> Awaitable[Iterable[Any]]:
            self._held = ipaddr != "127.60.0.1"
            return super().resolve_address(ipaddr, lifetime=lifetime)

    monkeypatch.setattr(sweep_module, "system_resolver", Some)
    with serving(POSTFIX) as server:
        async with asyncio.timeout(4):
            summary = await run(Sweep(await plan("127.60.0.0/30", server.port, dns=True), [FullSink()]))

    assert (summary.complete, summary.reason) == (False, "full: no space left")


async def test_several_samples_find_the_pool_behind_an_address(tmp_path: Path) -> None:
    visits = count()

    def pool(peer: Peer) -> None:
        odd = peer.sock.getsockname()[0] == "127.61.0.1" and next(visits) % 2
        greets(b"220 mx.example.com ESMTP Exim 4.96\r\n" if odd else b"220 mx.example.com ESMTP Exim 4.98\r\n")(peer)

    with serving(pool) as server:
        planned = await plan("127.61.0.0/31", server.port, samples=3)
        sweep = Sweep(planned, [FileSink(tmp_path / "out")], state=tmp_path / "state")
        summary = await run(sweep)

    records = records_of(tmp_path / "out")
    ids = EventIds(sweep.identity.scan_id)
    assert (summary.complete, summary.document["planned"], summary.document["records"]) == (True, 6, 6)
    assert sorted((record["ip"], record["sample"]) for record in records) == [
        (ip, sample) for ip in ("127.61.0.0", "127.61.0.1") for sample in range(3)
    ]
    assert all(record["event_id"] == ids.of(record["ip"], server.port, record["sample"]) for record in records)
    assert summary.document["samples"] == {
        "compared": 2,
        "left_out": 0,
        "found": 1,
        "pools": [{"ip": "127.61.0.1", "port": server.port, "software": ["Exim 4.96", "Exim 4.98"]}],
    }
    assert summary.document["notices"] == [
        "targets that gave different answers, so that more than one server is behind each: 1"
    ]


async def test_one_name_in_many_networks_is_in_the_summary(tmp_path: Path) -> None:
    targets = " ".join(f"127.62.{network}.1" for network in range(16))
    with serving(POSTFIX) as server:
        summary = await run(Sweep(await plan(targets, server.port), [FileSink(tmp_path / "out")]))

    (suspect,) = summary.document["interception"]
    assert (suspect["kind"], suspect["value"], suspect["visits"]) == ("greeting", "mx.example.com", 16)
    assert summary.document["samples"] is None
    assert len(summary.document["notices"]) == 1


async def test_samples_belong_to_the_identity_of_a_sweep() -> None:
    one, three = await plan("127.61.0.0/31", 25), await plan("127.61.0.0/31", 25, samples=3)

    assert one.digest != three.digest
    assert (one.planned, three.planned) == (2, 6)
