"""`delivery.receivers.opensearch`, against a real OpenSearch and a real Elasticsearch, killed on the way."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, Receipt
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.trial import try_sink
from scanner.errors import InputError
from scanner.formats import Event, make_format
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, deliver_under_fire, event_ids, record_line, record_lines
from tests.receivers.elasticsearch import Elasticsearch
from tests.receivers.fault_proxy import FaultProxy
from tests.receivers.opensearch import OpenSearch
from tests.receivers.search_server import SearchServer
from tests.receivers.search_server import search_sink as sink

pytestmark = [pytest.mark.real, pytest.mark.slow]
STREAM = "logs-smtpsweep-default"


def event(number: int, body: bytes = b"{}") -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", 1_795_342_616.123, 6, body)


@pytest.fixture(params=[OpenSearch, Elasticsearch])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SearchServer]:
    one: SearchServer = request.param(tmp_path / "server")
    await one.start()
    yield one
    one.kill()


@pytest.mark.timeout(600)
async def test_all_records_arrive_once_through_faults_while_everything_is_killed(
    server: SearchServer, tmp_path: Path
) -> None:
    """Faults between, the relay killed twice and the server once: every event id is there, once.

    A data stream where there are any.
    """
    async with FaultProxy(server.url, seed=20261122) as proxy:
        install = "&install=yes" if server.has_data_streams else ""
        url = f"opensearch+http://127.0.0.1:{proxy.port}/{STREAM}?format=ecs{install}&timeout=60"
        delivered = await deliver_under_fire(tmp_path / "run", url, seed=20261122, receiver=server)

    assert await server.ids(STREAM) == Counter(event_ids())
    assert delivered.dead == []
    assert delivered.statistics["delivered"] == RECORDS
    assert {"429", "503", "400", "413", "reset", "reset_after"} <= set(proxy.counts)
    if server.has_data_streams:
        stream = (await server.request("GET", f"/_data_stream/{STREAM}"))["data_streams"][0]
        assert stream["template"] == f"smtpsweep-{STREAM}"


@pytest.mark.timeout(300)
async def test_one_real_server_answers_as_the_scripts_say(server: SearchServer, tmp_path: Path) -> None:
    """Repeats, bad documents, hostile bytes, an index in trouble: one start of the server serves them all."""
    await _repeats_are_taken_and_counted(server)
    await _bad_documents_become_dead_letters(server, tmp_path)
    await _hostile_bytes_are_read_back_equal(server)
    if server.has_data_streams:
        await _the_first_greeting_does_not_decide_how_a_field_is_indexed(server)
    else:
        await _a_template_that_is_not_taken_is_said_before_the_sweep(server)
    await _an_index_in_trouble_costs_nothing(server)
    await _a_trial_says_what_became_of_it(server)


async def _repeats_are_taken_and_counted(server: SearchServer) -> None:
    async with sink(server.port, "/repeats?format=native") as receiver:
        first = await receiver.send([event(1), event(2)])
        again = await receiver.send([event(2), event(3)])
    assert (first.duplicates, again) == (0, Receipt(duplicates=1))
    assert await server.ids("repeats") == Counter(["id-1", "id-2", "id-3"])


async def _bad_documents_become_dead_letters(server: SearchServer, tmp_path: Path) -> None:
    """The index takes numbers where some records have words."""
    await server.request("PUT", "/strict", {"mappings": {"properties": {"host": {"type": "integer"}}}})
    bad = (17, 18, 499)

    def lines(first: int, last: int) -> list[bytes]:
        good = [line.replace(b'"host":"mail.example.com"', b'"host":25') for line in record_lines(first, last)]
        return [record_line(number) if number in bad else good[number - first] for number in range(first, last + 1)]

    delivered = await deliver_under_fire(
        tmp_path / "run",
        f"opensearch+http://127.0.0.1:{server.port}/strict?format=native&batch=100",
        seed=5,
        count=1000,
        relay_kills=0,
        lines=lines,
    )
    assert [letter.event_id for letter in delivered.dead] == [f"{number:032x}" for number in bad]
    assert delivered.dead[0].line == record_line(17).rstrip(b"\n")
    for letter in delivered.dead:
        assert letter.reason.startswith("status 400: mapper_parsing_exception: failed to parse field [host] of type")
        assert letter.reason.endswith('For input string: "mail.example.com"')
    assert set(await server.ids("strict")) == event_ids(1000) - {letter.event_id for letter in delivered.dead}


async def _hostile_bytes_are_read_back_equal(server: SearchServer) -> None:
    """As ECS and as they are, by the shipped template where it is taken: nothing is refused, nothing is changed."""
    install = "&install=yes" if server.has_data_streams else ""
    for name in ("ecs", "native"):
        format_ = make_format(name)
        lines = [line.rstrip(b"\n") for line in hostile.lines()]
        events = [made for line in lines for made in format_.events(orjson.loads(line), line)]
        async with sink(server.port, f"/hostile-{name}?format={name}{install}") as receiver:
            assert await receiver.send(events) == TAKEN
        stored = {hit["_id"]: hit["_source"] for hit in await server.documents(f"hostile-{name}")}
        assert len(stored) == len(events) >= len(lines)
        for made in events:
            expected = orjson.loads(made.body)
            if name == "native":
                assert stored[made.id].pop("@timestamp")[:23] == expected["observed_at"][:23]
            assert stored[made.id] == expected


async def _the_first_greeting_does_not_decide_how_a_field_is_indexed(server: SearchServer) -> None:
    """A field that looks like a date in the first document would be a date for all; the template says otherwise."""
    dated = event(1, b'{"banner":{"lines":["2026-11-22"],"hostname":"17"}}')
    usual = event(2, b'{"banner":{"lines":["ESMTP Postfix"],"hostname":"mail.example.com"}}')
    async with sink(server.port, "/guessed?format=native") as receiver:
        await receiver.send([dated])
        assert [refused.place for refused in (await receiver.send([usual])).refused] == [0]
    async with sink(server.port, "/told?format=native&install=yes") as receiver:
        await receiver.send([dated])
        assert await receiver.send([usual]) == TAKEN


async def _a_template_that_is_not_taken_is_said_before_the_sweep(server: SearchServer) -> None:
    with pytest.raises(InputError, match="install=yes: the index template was not taken: HTTP 400"):
        async with sink(server.port, "/told?format=ecs&install=yes"):
            pytest.fail("opened all the same")


async def _an_index_in_trouble_costs_nothing(server: SearchServer) -> None:
    await server.request("POST", "/repeats/_close")
    async with sink(server.port, "/repeats?format=native") as receiver:
        closed = await receiver.send([event(8)])
        await server.request("POST", "/repeats/_open")
        await server.request("PUT", "/repeats/_settings", {"index.blocks.write": True})
        with pytest.raises(AccessDeniedError, match="status 403: cluster_block_exception"):
            await receiver.send([event(8)])
        await server.request("PUT", "/repeats/_settings", {"index.blocks.write": None})
        assert await receiver.send([event(8)]) == TAKEN
    assert (closed.retry, closed.refused) == ((0,), ())
    assert closed.reason is not None
    assert closed.reason.startswith("status 400: index_closed_exception")


async def _a_trial_says_what_became_of_it(server: SearchServer) -> None:
    (one,) = make_destinations([f"opensearch+http://127.0.0.1:{server.port}/trial?format=native"])
    assert await try_sink(one, record_line(1).rstrip(b"\n"), 20) == (True, "took 1 event (native)")
    again = await try_sink(one, record_line(1).rstrip(b"\n"), 20)
    assert again == (True, "took 1 event (native) (it had the same event already)")
