"""The API for programs, against real sockets on loopback: what it yields, how it waits, how it stops."""

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import scanner
from scanner import Record, Settings, Status, Summary, api
from scanner.errors import InputError, LocalError, StateError
from tests.support.greetings import SENDMAIL_8_14
from tests.support.servers import Peer, greets, serving
from tests.support.waiting import eventually


def settings(port: int, **changes: Any) -> Settings:
    defaults: dict[str, Any] = {"rate": 0, "subnet_rate": 0, "greeting_timeout_s": 1, "retry_delay_s": 0.02}
    return Settings(ports=(port,), **{**defaults, **changes})


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  nothing but the count


async def taken(records: AsyncGenerator[Record], count: int) -> list[Record]:
    """Take some records and leave early."""
    found: list[Record] = []
    async with aclosing(records):
        async for record in records:
            found.append(record)
            if len(found) == count:
                break
    return found


async def test_a_sweep_yields_a_record_for_each_host_that_answers_and_a_summary_that_balances() -> None:
    summaries: list[Summary] = []
    with serving(greets(SENDMAIL_8_14)) as server:
        records = [
            record
            async for record in api.sweep(
                ["127.10.0.0/29", "127.10.0.64"],
                exclude=["127.10.0.4/30", "2001:db8::/32"],
                settings=settings(server.port),
                on_summary=summaries.append,
            )
        ]
    assert {record.ip for record in records} == {f"127.10.0.{host}" for host in (0, 1, 2, 3, 64)}
    assert len(records) == 5
    for record in records:
        assert record.status is Status.READY
        assert record.banner is not None
        assert record.banner.raw == SENDMAIL_8_14
        assert record.software is not None
        assert (record.software.product, record.software.version) == ("Sendmail", "8.14.7")
    (summary,) = summaries
    assert summary.complete
    assert (summary.document["planned"], summary.document["excluded"], summary.document["records"]) == (9, 4, 5)


async def test_an_open_file_of_targets_will_do(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("# ours\n127.10.0.0/31\n\n127.10.0.9  # the new one\n")
    with serving(greets(SENDMAIL_8_14)) as server, path.open() as lines:
        records = [record async for record in api.sweep(lines, settings=settings(server.port))]
    assert {record.ip for record in records} == {"127.10.0.0", "127.10.0.1", "127.10.0.9"}


async def test_a_wrong_target_is_refused_with_its_place_before_anything_is_visited() -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        with pytest.raises(InputError, match=r"^targets:2: '127\.0\.0\.1/99'"):
            await anext(api.sweep(["127.0.0.1", "127.0.0.1/99"], settings=settings(server.port)))
        with pytest.raises(InputError, match=r"^exclude:1: "):
            await anext(api.sweep("127.0.0.1", exclude=["1.2.3.4.5"], settings=settings(server.port)))
        with pytest.raises(InputError, match=r"^targets:1: '2001:db8::/32'"):
            await anext(api.sweep("2001:db8::/32", settings=settings(server.port)))
        assert server.peers == []


async def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="--rate -1"):
        await anext(api.sweep("127.0.0.1", settings=Settings(rate=-1)))
    with pytest.raises(InputError, match="--rate -1"):
        await api.check("127.0.0.1", settings=Settings(rate=-1))


async def test_a_slow_consumer_slows_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.sweeps.pipeline.MAX_PENDING", 10)
    with serving(greets(SENDMAIL_8_14)) as server:
        records = api.sweep("127.8.0.0/23", settings=settings(server.port, rate=400))
        first = await anext(records)
        held = -1
        while held != len(server.peers):  # until nothing was begun for a tenth of a second
            held = len(server.peers)
            await asyncio.sleep(0.1)
        assert 10 <= held < 256  # who was under way when the room was used up still came in
        rest = [record async for record in records]
    assert len({record.ip for record in [first, *rest]}) == len(rest) + 1 == 512


async def test_leaving_early_stops_the_sweep_and_leaves_no_task_and_no_descriptor_behind() -> None:
    summaries: list[Summary] = []
    before = open_descriptors()
    with serving(greets(SENDMAIL_8_14)) as server:
        found = await taken(
            api.sweep("127.11.0.0/16", settings=settings(server.port, concurrency=5), on_summary=summaries.append), 3
        )
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert open_descriptors() == before  # those of the server are closed, too
    assert len({record.ip for record in found}) == 3
    assert not summaries[0].complete
    assert summaries[0].reason == "interrupted"
    assert summaries[0].document["not_visited"] > 0


async def test_leaving_while_hosts_are_silent_does_not_wait_for_them() -> None:
    gone = threading.Event()

    def silent(peer: Peer) -> None:
        peer.read_end()
        gone.set()

    with serving(silent) as server:
        records = api.sweep("127.0.0.1", settings=settings(server.port, greeting_timeout_s=3600, total_timeout_s=3600))
        waiting = asyncio.create_task(anext(records))
        await eventually(lambda: server.peers)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert gone.wait(10)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_generator_that_is_forgotten_is_stopped_too() -> None:
    ended = asyncio.Event()
    with serving(greets(SENDMAIL_8_14)) as server:
        records = api.sweep("127.12.0.0/16", settings=settings(server.port), on_summary=lambda _: ended.set())
        await anext(records)
        del records
        gc.collect()
        await ended.wait()


async def test_with_a_state_what_was_taken_is_not_visited_again_and_the_rest_is(tmp_path: Path) -> None:
    summaries: list[Summary] = []
    state = tmp_path / "sweep.state"
    with serving(greets(SENDMAIL_8_14)) as server:
        options = settings(server.port, rate=120)  # slowly: a batch is far smaller than what is taken
        first = await taken(api.sweep("127.13.0.0/24", settings=options, state=state, on_summary=summaries.append), 100)
        second = [
            record
            async for record in api.sweep("127.13.0.0/24", settings=options, state=state, on_summary=summaries.append)
        ]
        with pytest.raises(StateError, match="--seed 0, not 5"):
            await anext(api.sweep("127.13.0.0/24", settings=settings(server.port, seed=5), state=state))
    assert not summaries[0].complete
    assert summaries[1].complete
    assert len({record.ip for record in first + second}) == 256
    booked = 256 - summaries[0].document["not_visited"]
    assert 0 < booked < 100  # the record at which the consumer left does not count as taken
    assert {record.ip for record in first[:booked]}.isdisjoint(record.ip for record in second)
    event_ids = {record.ip: record.event_id for record in first}
    assert all(event_ids.get(record.ip, record.event_id) == record.event_id for record in second)


async def test_when_this_machine_fails_the_records_come_first_and_then_the_error() -> None:
    summaries: list[Summary] = []
    options = settings(25, source_address="127.0.0.1")  # no way from there to any IPv6 address
    with pytest.raises(LocalError, match="no route"):
        async for _ in api.sweep("2001:db8::/126", settings=options, on_summary=summaries.append):
            pass
    assert not summaries[0].complete


async def test_check_returns_a_record_whatever_became_of_the_visit() -> None:
    with serving(greets(SENDMAIL_8_14)) as server:
        (record,) = await api.check("127.0.0.1", settings=settings(server.port))
    assert (record.status, record.port) == (Status.READY, server.port)
    (record,) = await api.check("127.0.0.1", settings=settings(server.port))
    assert record.status is Status.REFUSED
    with pytest.raises(InputError, match="excluded"):
        await api.check("127.0.0.1", exclude="127.0.0.0/8")
    with pytest.raises(InputError, match="more than one host"):
        await api.check("127.0.0.0/30")


def test_every_public_name_is_there_and_no_other() -> None:
    assert list(scanner.__all__) == sorted(scanner.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    for name in scanner.__all__:
        assert getattr(scanner, name).__class__ is not type(scanner)
    assert set(scanner.__all__) <= set(dir(scanner))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        scanner.nothing  # noqa: B018  the look-up is what is tested


def test_importing_the_package_alone_loads_nothing_of_it() -> None:
    program = "import sys, scanner; print(sorted(name for name in sys.modules if name.startswith('scanner')))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert loaded == "['scanner']\n"


@pytest.mark.parametrize("source", ["docs/api.md", "scanner/__init__.py"])
def test_the_documented_example_runs(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(scanner.__file__).parent.parent / source).read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL) or [
        re.sub(r"(?m)^    ", "", text[text.index("    import asyncio") : text.index("What is not listed")])
    ]
    with serving(greets(SENDMAIL_8_14)) as server:
        for example in examples:
            assert "192.0.2.0/24" in example
            local = example.replace("192.0.2.0/24", "127.14.0.0/30").replace("192.0.2.128/25", "127.14.0.2/31")
            local = local.replace("mail.example.com", "127.14.0.1").replace(
                "Settings(", f"Settings(ports=({server.port},), "
            )
            exec(compile(local, source, "exec"), {"__name__": "__main__"})  # noqa: S102  our own documentation
    assert capsys.readouterr().out.count("Sendmail 8.14.7") >= 2 * len(examples)
