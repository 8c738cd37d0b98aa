"""Claims about delivery to Splunk, against a strict double of its collector, and about the double itself."""

import gzip
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.formats import make_format
from tests.receivers import contract, hostile
from tests.receivers.splunk_double import SplunkDouble
from tests.receivers.splunk_rules import TOKEN, Behaviour, judge
from tests.receivers.splunk_server import SplunkServer, copies, indexed, needless_copies

CHANNEL = "11111111-2222-4333-8444-555555555555"
FAULTS = Behaviour(ack_s=(0.0, 0.3), busy=0.05, throttled=0.03, poisoned=0.05, blank_every=5003)
LOSSES = replace(FAULTS, answer_loss=0.02, ack_loss=0.03)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEC", TOKEN)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "splunk.jsonl"


@pytest.fixture
async def double(journal: Path) -> AsyncIterator[SplunkDouble]:
    async with SplunkDouble(journal) as one:
        yield one


def url_of(port: int, query: str = "", format_: str = "native") -> str:
    options = f"token_env=HEC&index=sec&format={format_}&ack_timeout=3&{query}".rstrip("&")
    return f"splunk+http://127.0.0.1:{port}?{options}"


async def ask(
    double: SplunkDouble, end: str, body: bytes = b"", *, method: str = "POST", **headers: str | None
) -> tuple[int, Any]:
    """Send a request past the sink; return status and decoded answer, text where it is not JSON."""
    usual = {"Authorization": f"Splunk {TOKEN}", "X-Splunk-Request-Channel": CHANNEL}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in (usual | given).items() if value is not None}
    async with aiohttp.ClientSession() as session:
        url = f"{double.url}/services/collector/{end}"
        async with session.request(method, url, data=body, headers=sent) as response:
            text = await response.text()
    return response.status, orjson.loads(text) if text.startswith("{") else text


# What Splunk was measured to do, row by row.


@pytest.mark.parametrize(
    ("body", "taken", "code", "number"),
    [
        (b'{"event":1}{"event":2}\n {"event":3}', 3, 0, None),
        (b'[{"event":1}]', 0, 6, 0),
        (b"", 0, 5, None),
        (b" \n", 0, 5, None),
        (b'{"event":1}{"event":2}{"event":', 2, 6, 2),
        (b'{"event":1},{"event":2}', 1, 6, 1),
        (b'{"event":1}{"event":NaN}', 1, 6, 1),
        (b'{"event":"\xff"}', 0, 6, 0),
        (b'{"event":1}{"time":"1"}{"event":3}', 1, 12, 1),
        (b'{"event":1}{"event":" "}', 1, 13, 1),
        (b'{"event":""}', 0, 13, 0),
        (b'{"event":null}', 0, 6, 0),
        (b'{"event":1}{"event":false}', 1, 6, 1),
        (b'{"event":{}}{"event":[]}{"event":0}', 3, 0, None),
        (b'{"event":1,"fields":{"a":{}}}', 0, 15, 0),
        (b'{"event":1}{"event":2,"fields":[]}', 1, 15, 1),
        (b'{"event":1,"fields":{"a":"b"}}', 1, 0, None),
        (b'{"event":1,"index":"sec"}{"event":2,"index":"other"}{"event":3}', 1, 7, 2),
        (b'{"event":1}{"event":2,"severity":1}{"event":3}', 1, 0, None),
        (b'{"event":1,"host":1}', 0, 6, 0),
        (b'{"event":1,"time":1.5}', 0, 6, 0),
        (b'{"event":1,"time":"yesterday"}', 0, 6, 0),
    ],
)
def test_a_body_is_taken_up_to_its_first_bad_object(body: bytes, taken: int, code: int, number: int | None) -> None:
    verdict = judge(body, Behaviour())
    assert (len(verdict.taken), verdict.code, verdict.number) == (taken, code, number)


@pytest.mark.parametrize(
    ("time", "microseconds"),
    [
        (1795342616, 1795342616000000),
        (1795342616123, 1795342616123000),
        (1795342616123456789, 1795342616123456),
        ("1795342616.123456", 1795342616123456),
        ("1795342616.5", 1795342616500000),
        ("1795342616", 1795342616000000),
    ],
)
def test_a_time_is_read_by_its_magnitude(time: object, microseconds: int) -> None:
    (one,) = judge(orjson.dumps({"event": 1, "time": time}), Behaviour()).taken
    assert one["time"] == microseconds


def test_nothing_carries_over_from_one_object_to_the_next() -> None:
    first, second = judge(b'{"event":1,"host":"a","index":"sec","time":1}{"event":2}', Behaviour()).taken
    assert (first["host"], first["index"]) == ("a", "sec")
    assert second == {"event": 2, "index": "main", "time": None}


async def test_what_came_before_a_bad_event_is_indexed(double: SplunkDouble, journal: Path) -> None:
    status, said = await ask(double, "event", b'{"event":1}{"event":" "}{"event":3}')
    assert (status, said["code"], said["invalid-event-number"]) == (400, 13, 1)
    assert [one["event"] for one in indexed(journal)] == [1]


async def test_gzip_is_read_and_deflate_answered_with_html(double: SplunkDouble, journal: Path) -> None:
    packed = gzip.compress(b'{"event":"packed"}')
    assert (await ask(double, "event", packed, Content_Encoding="gzip"))[0] == 200
    status, text = await ask(double, "event", b"x", Content_Encoding="deflate")
    assert status == 415
    assert "<html>" in text
    assert (await ask(double, "event", b"no gzip", Content_Encoding="gzip"))[1]["code"] == 6


async def test_acknowledgement_ids_count_by_channel_and_are_true_once(double: SplunkDouble) -> None:
    other = str(uuid.uuid4())
    ids = [(await ask(double, "event", b'{"event":1}'))[1]["ackId"] for _ in range(2)]
    theirs = (await ask(double, "event", b'{"event":1}', X_Splunk_Request_Channel=other))[1]["ackId"]
    assert (ids, theirs) == ([0, 1], 0)
    assert (await ask(double, "ack", b'{"acks":[1]}', X_Splunk_Request_Channel=other))[1] == {"acks": {"1": False}}
    assert (await ask(double, "ack", b'{"acks":[0,1,2]}'))[1] == {"acks": {"0": True, "1": True, "2": False}}
    assert (await ask(double, "ack", b'{"acks":[0,1]}'))[1] == {"acks": {"0": False, "1": False}}


async def test_nothing_is_acknowledged_before_it_is_indexed(double: SplunkDouble, journal: Path) -> None:
    double.behaviour = Behaviour(ack_s=(30, 30))
    await ask(double, "event", b'{"event":1}')
    assert (await ask(double, "ack", b'{"acks":[0]}'))[1] == {"acks": {"0": False}}
    assert indexed(journal) == []


@pytest.mark.parametrize(
    ("behaviour", "headers", "status", "code"),
    [
        (Behaviour(), {"X_Splunk_Request_Channel": None}, 400, 10),
        (Behaviour(), {"X_Splunk_Request_Channel": "no-guid"}, 400, 11),
        (Behaviour(), {"Authorization": None}, 401, 2),
        (Behaviour(), {"Authorization": f"Bearer {TOKEN}"}, 401, 3),
        (Behaviour(), {"Authorization": "Splunk wrong"}, 403, 4),
        (Behaviour(enabled=False), {}, 403, 1),
        (Behaviour(busy=1.0), {}, 503, 9),
        (Behaviour(max_bytes=5, too_large=400), {}, 400, 6),
        (Behaviour(acks=False), {"X_Splunk_Request_Channel": None}, 200, 0),
    ],
)
async def test_events_need_token_channel_and_room(
    double: SplunkDouble, behaviour: Behaviour, headers: dict[str, Any], status: int, code: int
) -> None:
    double.behaviour = behaviour
    got, said = await ask(double, "event", b'{"event":1}', **headers)
    assert (got, said["code"]) == (status, code)


async def test_some_answers_are_html(double: SplunkDouble) -> None:
    double.behaviour = Behaviour(throttled=1.0)
    assert (await ask(double, "event", b'{"event":1}'))[0] == 429
    double.behaviour = Behaviour(max_bytes=5)
    status, text = await ask(double, "event", b'{"event":1}')
    assert (status, text[:5]) == (413, "<!doc")
    assert (await ask(double, "nothing"))[0] == 404


async def test_without_acknowledgements_there_is_no_id_and_asking_is_refused(double: SplunkDouble) -> None:
    double.behaviour = Behaviour(acks=False)
    assert (await ask(double, "event", b'{"event":1}'))[1] == {"text": "Success", "code": 0}
    status, said = await ask(double, "ack", b'{"acks":[0]}')
    assert (status, said["code"]) == (400, 14)


async def test_health_says_nothing_about_the_token(double: SplunkDouble) -> None:
    status, said = await ask(double, "health", method="GET", Authorization="Splunk wrong")
    assert (status, said["code"]) == (200, 17)


async def test_a_kill_loses_what_is_not_indexed_and_keeps_what_is(tmp_path: Path, unused_tcp_port: int) -> None:
    server = await SplunkServer(tmp_path, unused_tcp_port, Behaviour()).start()
    headers = {"Authorization": f"Splunk {TOKEN}", "X-Splunk-Request-Channel": CHANNEL}
    url = f"http://127.0.0.1:{unused_tcp_port}/services/collector"
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            await session.post(f"{url}/event", data=b'{"event":{"event_id":"1"}}')
            await (await session.post(f"{url}/ack", data=b'{"acks":[0]}')).read()
            server.kill()
            with server.journal.open("ab") as torn:
                torn.write(b'{"batch":"torn","ev')
            server.behaviour = Behaviour(ack_s=(30, 30))
            await server.start()
            assert (await session.post(f"{url}/event", data=b'{"event":{"event_id":"2"}}')).status == 200
            server.kill()
    finally:
        server.kill()
    assert copies(server.journal) == {"1": 1}
    assert b"torn" not in server.journal.read_bytes()


# Delivery.


def explained(delivered: contract.Delivered, count: int) -> set[str]:
    """Check the dead letters: those of the events that the double refuses, with its reason; return their ids."""
    dead = {letter.event_id for letter in delivered.dead}
    assert dead == {f"{number:032x}" for number in range(1, count + 1) if number % FAULTS.blank_every == 0}
    assert all('"code":13' in letter.reason.replace(" ", "") for letter in delivered.dead)
    return dead


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_all_records_are_all_indexed_while_collector_and_relay_are_killed(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    server = await SplunkServer(tmp_path, unused_tcp_port, replace(LOSSES, seed=20261123)).start()
    try:
        delivered = await contract.deliver_under_fire(
            tmp_path / "run", url_of(unused_tcp_port), seed=20261123, receiver=server, relay_kills=2, receiver_kills=2
        )
    finally:
        server.kill()
    assert set(copies(server.journal)) == contract.event_ids() - explained(delivered, contract.RECORDS)
    # Of what the relay knew to be safe, a kill makes it forget what its cursor had not passed: what was under way.
    limits = make_destinations([url_of(1)])[0].receiver.limits
    assert needless_copies(server.journal).total() <= delivered.relay_kills * 3 * limits.in_flight * limits.max_events


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_nothing_is_sent_again_that_was_acknowledged_although_the_collector_is_killed(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    count = 15_000
    server = await SplunkServer(tmp_path, unused_tcp_port, replace(LOSSES, seed=1)).start()
    try:
        delivered = await contract.deliver_under_fire(
            tmp_path / "run",
            url_of(unused_tcp_port),
            seed=1,
            count=count,
            receiver=server,
            relay_kills=0,
            receiver_kills=2,
        )
    finally:
        server.kill()
    found = copies(server.journal)
    assert set(found) == contract.event_ids(count) - explained(delivered, count)
    assert found.total() > len(found)  # there was something to lose
    assert needless_copies(server.journal).total() == 0


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_collector_that_refuses_for_now_but_loses_nothing_gets_everything_once(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    count = 15_000
    server = await SplunkServer(tmp_path, unused_tcp_port, replace(FAULTS, seed=2)).start()
    try:
        delivered = await contract.deliver_under_fire(
            tmp_path / "run", url_of(unused_tcp_port), seed=2, count=count, relay_kills=0
        )
    finally:
        server.kill()
    found = copies(server.journal)
    assert set(found) == contract.event_ids(count) - explained(delivered, count)
    assert set(found.values()) == {1}


def is_about_the_run(event: Any) -> bool:
    """Whether it is OCSF's Scan Activity, of the log's own lines."""
    return isinstance(event, dict) and event.get("class_uid") == 6007


@pytest.mark.parametrize(
    ("name", "compress"),
    [("native", "gzip"), ("native", "none"), ("ecs", "gzip"), ("ocsf", "gzip"), ("cef", "gzip"), ("leef", "gzip")],
)
async def test_hostile_greetings_are_indexed_as_they_were_said(
    double: SplunkDouble, journal: Path, tmp_path: Path, name: str, compress: str
) -> None:
    said = make_format(name)
    events = [each for line in hostile.lines() for each in said.events(orjson.loads(line), line[:-1])]
    url = url_of(int(double.url.rpartition(":")[2]), f"compress={compress}", format_=name)
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations([url]), {}, drain_s=30)
    await remote.open(None)
    await remote.write(hostile.lines())
    await remote.close()

    found = [one for one in indexed(journal) if not is_about_the_run(one["event"])]
    bodies = [orjson.loads(each.body) if said.is_json else each.body.decode() for each in events]
    assert sorted(map(orjson.dumps, (one["event"] for one in found))) == sorted(map(orjson.dumps, bodies))
    assert {(one["index"], one["source"], one["sourcetype"]) for one in found} == {
        ("sec", "smtpsweep", f"smtpsweep:{'record' if name == 'native' else name}")
    }
    assert remote.reports[0]["dead"] == 0
