"""The whole pipeline: what goes in, what comes out, and that the books balance, against real sockets on loopback."""

import asyncio
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from scanner.assess import load_facts
from scanner.delivery import FileSink, SinkOptions
from scanner.errors import InputError, SinkError, StateError
from scanner.model import Status
from scanner.record import json_schema
from scanner.settings import Settings
from scanner.sweeps.pipeline import Sweep
from tests.support.greetings import SENDMAIL_8_14
from tests.support.pipelines import MemorySink, plan, run, settings
from tests.support.servers import Peer, Script, greets, serving
from tests.support.waiting import eventually

VALID = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def by_address(peers: dict[str, Script]) -> Script:
    """Return a script that plays another server for each local address."""

    def script(peer: Peer) -> None:
        peers[peer.sock.getsockname()[0]](peer)

    return script


def closes(peer: Peer) -> None:
    del peer


def silent(peer: Peer) -> None:
    peer.read_end()


def cut(peer: Peer) -> None:
    peer.send(b"22")


async def test_every_kind_of_answer_has_its_status_and_the_books_balance() -> None:
    peers = {
        "127.5.0.0": greets(SENDMAIL_8_14),
        "127.5.0.1": greets(b"421 4.3.2 too busy\r\n"),
        "127.5.0.2": greets(b"554 mx.example.org ESMTP not accepting messages\r\n"),
        "127.5.0.3": greets(b"450 later\r\n"),
        "127.5.0.4": greets(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "127.5.0.5": silent,
        "127.5.0.6": closes,
        "127.5.0.7": cut,
        "127.5.0.8": greets(b"220-a\r\n554 b\r\n"),
    }
    sink = MemorySink()
    with serving(by_address(peers)) as server:
        planned = await plan("127.5.0.0-127.5.0.11", settings(server.port, connect_timeout_s=1), "127.5.0.9-127.5.0.11")
        summary = await run(Sweep(planned, [sink]))
    records = {record["ip"]: record for record in sink.records}
    for record in records.values():
        VALID.validate(record)
    assert {ip: record["status"] for ip, record in records.items()} == {
        "127.5.0.0": "ready",
        "127.5.0.1": "busy",
        "127.5.0.2": "rejected",
        "127.5.0.3": "temporary",
        "127.5.0.4": "not_smtp",
        "127.5.0.5": "silent",
        "127.5.0.6": "closed",
        "127.5.0.7": "cut",
        "127.5.0.8": "malformed",
    }
    software = records["127.5.0.0"]["software"]
    assert (software["product"], software["version"], software["config_version"]) == ("Sendmail", "8.14.7", "8.13.8")
    assert records["127.5.0.0"]["disclosure"] == ["product", "version", "config_version", "time"]
    document = summary.document
    assert summary.complete
    assert (document["planned"], document["excluded"], document["not_visited"]) == (12, 3, 0)
    assert sum(document["statuses"].values()) == 9
    assert document["records"] == 9
    assert document["products"] == {"Sendmail": 2}
    assert document["facts_of"] == load_facts().compiled
    assert sink.closed


async def test_refused_hosts_are_counted_but_recorded_only_on_request() -> None:
    with serving(closes) as server:
        port = server.port
    for wanted, expected in ((False, 0), (True, 4)):
        sink = MemorySink()
        planned = await plan("127.0.0.4/30", settings(port, all_statuses=wanted))
        summary = await run(Sweep(planned, [sink]))
        assert summary.document["statuses"] == {"refused": 4}
        assert [record["status"] for record in sink.records] == ["refused"] * expected
        assert summary.document["records"] == expected


async def test_several_ports_and_shards_together_visit_every_target_once() -> None:
    visited: Counter[tuple[str, int]] = Counter()
    with serving(greets(SENDMAIL_8_14)) as one, serving(greets(SENDMAIL_8_14)) as two:
        for shard in range(3):
            sink = MemorySink()
            options = Settings(ports=(one.port, two.port), rate=0, subnet_rate=0, seed=7, shard=shard, shards=3)
            summary = await run(Sweep(await plan("127.6.0.0/27", options, "127.6.0.30/31"), [sink]))
            assert summary.complete
            visited.update((record["ip"], record["port"]) for record in sink.records)
    expected = {(f"127.6.0.{host}", port) for host in range(30) for port in (one.port, two.port)}
    assert visited == Counter(expected)


async def test_the_name_of_a_host_stays_with_its_record() -> None:
    sink = MemorySink()
    with serving(greets(SENDMAIL_8_14)) as server:
        planned = await plan("localhost", settings(server.port, connect_timeout_s=1), "::1")
        await run(Sweep(planned, [sink]))
    assert [(record["ip"], record["host"]) for record in sink.records] == [("127.0.0.1", "localhost")]


async def test_the_same_target_in_the_same_scan_has_the_same_event_id_and_in_another_scan_another() -> None:
    sinks = [MemorySink(), MemorySink()]
    with serving(greets(SENDMAIL_8_14)) as server:
        for sink in sinks:
            await run(Sweep(await plan("127.0.0.1", settings(server.port)), [sink]))
    first, second = (sink.records[0] for sink in sinks)
    assert first["scan_id"] != second["scan_id"]
    assert first["event_id"] != second["event_id"]


async def test_two_sinks_get_the_same_records() -> None:
    sinks = [MemorySink(), MemorySink()]
    with serving(greets(SENDMAIL_8_14)) as server:
        await run(Sweep(await plan("127.7.0.0/28", settings(server.port)), sinks))
    assert len(sinks[0].lines) == 16
    assert sinks[0].lines == sinks[1].lines


async def test_a_sink_that_fails_ends_the_sweep_and_what_it_did_not_take_is_not_booked() -> None:
    sink = MemorySink(fail_after=0)
    with serving(greets(SENDMAIL_8_14)) as server:
        sweep = Sweep(await plan("127.7.0.0/28", settings(server.port)), [sink])
        summary = await run(sweep)
    assert not summary.complete
    assert summary.reason == "memory: full; empty it"
    assert isinstance(sweep.failure, SinkError)
    assert (summary.document["not_visited"], summary.document["records"]) == (16, 0)
    assert sink.closed


async def test_a_sink_that_lags_holds_the_sweep_back_instead_of_filling_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.sweeps.pipeline.MAX_PENDING", 10)
    gate = asyncio.Event()
    sink = MemorySink(gate=gate)
    with serving(greets(SENDMAIL_8_14)) as server:
        planned = await plan("127.8.0.0/24", settings(server.port, rate=200))
        sweep = Sweep(planned, [sink])
        await sweep.prepare()
        running = asyncio.create_task(sweep.run())
        await eventually(
            lambda: (counts := sweep.statistics()).pending >= 10 and not (counts.pool and counts.pool.sockets)
        )
        held = [sweep.statistics().pool]
        await asyncio.sleep(0.1)  # nothing more is started: at 200 a second, it would be 20
        held.append(sweep.statistics().pool)
        gate.set()
        summary = await running
    assert held[0] == held[1] is not None
    assert 10 <= held[1].started < 200
    assert summary.complete
    assert len(sink.lines) == 256


async def test_stop_finishes_those_under_way_and_the_rest_is_resumed(tmp_path: Path) -> None:
    state, output = tmp_path / "state", tmp_path / "out.jsonl"
    hold = threading.Event()

    def held(peer: Peer) -> None:
        hold.wait(10)
        greets(SENDMAIL_8_14)(peer)

    with serving(held) as server:
        options = settings(server.port, concurrency=3, greeting_timeout_s=20)
        planned = await plan("127.9.0.0/26", options)
        sweep = Sweep(planned, [FileSink(output)], state=state)
        await sweep.prepare()
        running = asyncio.create_task(sweep.run())
        await eventually(lambda: (pool := sweep.statistics().pool) is not None and pool.waiting >= 3)
        sweep.stop()
        hold.set()
        first = await running
        assert not first.complete
        assert first.reason == "interrupted"
        finished = first.document["records"]
        assert finished >= 3
        assert first.document["not_visited"] == 64 - finished
        second = await run(Sweep(await plan("127.9.0.0/26", options), [FileSink(output)], state=state))
    assert second.complete
    assert second.document["scan_id"] == first.document["scan_id"]
    assert second.document["statuses"] == {"ready": 64}
    assert second.document["connections"] == 64 - finished
    lines = output.read_bytes().splitlines()
    assert len(lines) == 64
    assert len({orjson.loads(line)["event_id"] for line in lines}) == 64


async def test_a_finished_state_is_resumed_to_nothing(tmp_path: Path) -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        for connections in (4, 0):
            planned = await plan("127.9.0.0/30", settings(server.port))
            summary = await run(Sweep(planned, [FileSink(tmp_path / "out")], state=tmp_path / "state"))
            assert summary.complete
            assert summary.document["connections"] == connections
    assert len((tmp_path / "out").read_bytes().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 8}, "--seed 7, not 8"),
        ({"shards": 2}, "--shard 1/1, not 1/2"),
        ({"ports": (26, 27)}, "other targets, exclusions or ports"),
    ],
)
async def test_a_state_of_another_sweep_is_refused_before_anything_happens(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        await run(Sweep(await plan("127.9.0.0/30", settings(server.port)), [MemorySink()], state=tmp_path / "state"))
        before = (tmp_path / "state").read_bytes()
        other = {name: getattr(settings(server.port), name) for name in Settings.__slots__} | change
        sink = MemorySink()
        with pytest.raises(StateError, match=message):
            await Sweep(await plan("127.9.0.0/30", Settings(**other)), [sink], state=tmp_path / "state").prepare()
    assert (tmp_path / "state").read_bytes() == before
    assert sink.lines == []
    assert listing(tmp_path) == ["state"]


async def test_an_output_that_exists_is_refused_and_no_state_is_left_behind(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"precious\n")
    sweep = Sweep(await plan("127.0.0.1", settings(25)), [FileSink(output, SinkOptions())], state=tmp_path / "state")
    with pytest.raises(InputError, match="--append"):
        await sweep.prepare()
    assert output.read_bytes() == b"precious\n"
    assert listing(tmp_path) == ["out.jsonl"]


async def test_passive_is_passed_down_to_the_engine() -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        await run(Sweep(await plan("127.0.0.1", settings(server.port, passive=True)), [MemorySink()]))
        server.join()
    assert [peer.received for peer in server.peers] == [b""]


def test_every_status_is_either_answered_or_recorded_on_request_only() -> None:
    unanswered = {status for status in Status if not status.answered}
    assert unanswered == {Status.REFUSED, Status.CONNECT_TIMEOUT, Status.UNREACHABLE, Status.EXCLUDED}
