"""Networks that refuse us, through the whole pipeline against real sockets on loopback."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery import FileSink
from scanner.settings import RefusalAction, Settings
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.summary import Summary
from scanner.targets import COMMAND_LINE, TextSource, parse_spec
from tests.support.servers import Peer, greets, serving

BLOCKED = greets(b"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org\r\n")
BUSY = greets(b"421 4.3.2 Too many open connections.\r\n")


async def plan(targets: str, port: int, **changes: Any) -> Plan:
    # A rate, so that the answers of some hosts are known before others are visited.
    defaults: dict[str, Any] = {"rate": 300, "subnet_rate": 0, "seed": 7, "refusal_limit": 4}
    settings = Settings(ports=(port,), **defaults | changes)
    return await make_plan(
        parse_spec([TextSource(COMMAND_LINE, targets.split())]), parse_spec([TextSource(COMMAND_LINE, [])]), settings
    )


async def run(sweep: Sweep) -> Summary:
    await sweep.prepare()
    return await sweep.run()


def mixed(peer: Peer) -> None:
    """Refuse in one network, greet in the others."""
    blocks = str(peer.sock.getsockname()[0]).startswith("127.51.0.")
    (BLOCKED if blocks else greets(b"220 mx.example.com ESMTP Postfix\r\n"))(peer)


async def test_hosts_that_refuse_us_are_lost_coverage_in_the_summary(tmp_path: Path) -> None:
    with serving(BLOCKED) as server:
        summary = await run(Sweep(await plan("127.50.0.0/31", server.port), [FileSink(tmp_path / "out")]))

    assert summary.complete
    assert summary.document["refused_us"] == 2
    assert summary.document["statuses"] == {"rejected": 2}
    records = [orjson.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    assert {record["refusal"]["kind"] for record in records} == {"dnsbl"}
    assert summary.document["notices"] == []


async def test_a_server_that_is_busy_with_everybody_does_not_refuse_us(tmp_path: Path) -> None:
    with serving(BUSY) as server:
        planned = await plan("127.50.0.0/28", server.port, refusal_action=RefusalAction.STOP)
        summary = await run(Sweep(planned, [FileSink(tmp_path / "out")]))

    assert summary.complete
    assert (summary.document["refused_us"], summary.document["statuses"]) == (0, {"busy": 16})


async def test_a_network_that_refuses_us_is_not_visited_any_further_when_asked(tmp_path: Path) -> None:
    with serving(mixed) as server:
        planned = await plan("127.51.0.0/25 127.52.0.0/27", server.port, refusal_action=RefusalAction.STOP)
        sweep = Sweep(planned, [FileSink(tmp_path / "out")], state=tmp_path / "state")
        summary = await run(sweep)

    document = summary.document
    left = document["not_visited"]
    assert not summary.complete
    assert sweep.failure is None
    assert 30 < left <= 124  # some visits may be under way when the fourth refusal comes
    assert document["statuses"] == {"ready": 32, "rejected": 128 - left}
    assert document["refused_us"] == 128 - left
    assert document["planned"] == sum(document["statuses"].values()) + left
    assert summary.reason == (
        f"{left} targets were not visited: 1 network refused us 4 times (--refusal-action stop); "
        "to visit them slowly, run it again with --refusal-action slow"
    )
    (notice,) = document["notices"]
    assert re.fullmatch(
        r"127\.51\.0\.0/24: 4 of 4 answers refused us \(100% since the first refusal\): "
        r"not visited any further \(--refusal-action stop\)",
        notice,
    )


async def test_a_resumed_sweep_leaves_a_closed_network_closed_and_keeps_the_count(tmp_path: Path) -> None:
    state, output = tmp_path / "state", tmp_path / "out"
    with serving(BLOCKED) as server:
        for _ in range(2):
            planned = await plan("127.51.0.0/25", server.port, refusal_action=RefusalAction.STOP)
            summary = await run(Sweep(planned, [FileSink(output)], state=state))

    lines = output.read_bytes().splitlines()
    assert summary.document["refused_us"] == len(lines) == summary.document["statuses"]["rejected"]
    assert summary.document["connections"] == 0
    assert 4 <= len(lines) < 128
    assert len({orjson.loads(line)["ip"] for line in lines}) == len(lines)


async def test_a_network_that_refuses_us_is_named_when_it_was_slowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(BLOCKED) as server:
        planned = await plan("127.51.0.0/29", server.port, subnet_rate=500)
        summary = await run(Sweep(planned, [FileSink(tmp_path / "out")]))

    assert summary.complete
    (notice,) = summary.document["notices"]
    assert notice == (
        "127.51.0.0/24: 4 of 4 answers refused us (100% since the first refusal): visited at 50 connections a second "
        "from then on instead of 500 (--refusal-limit 0 turns this off)"
    )
    assert caplog.messages == summary.document["notices"]


@pytest.mark.parametrize("limit", [0, 9])
async def test_below_the_limit_all_are_visited(tmp_path: Path, limit: int) -> None:
    with serving(BLOCKED) as server:
        planned = await plan("127.51.0.0/29", server.port, refusal_limit=limit, refusal_action=RefusalAction.STOP)
        summary = await run(Sweep(planned, [FileSink(tmp_path / "out")]))

    assert summary.complete
    assert summary.document["refused_us"] == 8


async def test_a_dense_network_of_which_a_few_refuse_is_not_slowed(tmp_path: Path) -> None:
    """One in sixteen, sixteen in all, four times the limit: a number alone says nothing about the other 240."""

    def few(peer: Peer) -> None:
        blocks = int(str(peer.sock.getsockname()[0]).rpartition(".")[2]) % 16 == 0
        (BLOCKED if blocks else greets(b"220 mx.example.com ESMTP Postfix\r\n"))(peer)

    with serving(few) as server:
        planned = await plan("127.51.0.0/24", server.port, rate=0, refusal_action=RefusalAction.STOP)
        summary = await run(Sweep(planned, [FileSink(tmp_path / "out")]))

    assert summary.complete
    assert summary.document["statuses"] == {"ready": 240, "rejected": 16}
    assert summary.document["notices"] == []
