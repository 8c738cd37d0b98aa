"""Claims about `scanner.delivery.receivers.nats`, against a real server: every event once, whatever is killed."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from nats.js.errors import NotFoundError

from scanner.delivery.receivers.receiver import AccessDeniedError, TryLaterError
from scanner.delivery.relay.destination import make_destinations
from scanner.errors import InputError
from scanner.formats import Event, make_format
from tests.receivers import hostile
from tests.receivers.contract import deliver_under_fire, event_ids
from tests.receivers.nats_server import NatsServer

pytestmark = pytest.mark.real


@pytest.fixture
async def server(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[NatsServer]:
    one = await NatsServer(tmp_path / "nats", unused_tcp_port).start()
    yield one
    one.kill()


def event(number: int, body: bytes = b"{}") -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", None, 6, body)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_all_records_arrive_once_while_server_and_relay_are_killed(server: NatsServer, tmp_path: Path) -> None:
    url = f"nats://127.0.0.1:{server.port}/SWEEP?create=yes&timeout=3"
    delivered = await deliver_under_fire(
        tmp_path / "run", url, seed=20261123, receiver=server, relay_kills=3, receiver_kills=3
    )

    counts = Counter(orjson.loads(body)["event_id"] for body in await server.stored())
    assert counts == Counter(event_ids())  # the stream dropped what was sent twice
    assert delivered.dead == []


async def test_hostile_records_are_read_back_equal_byte_for_byte(server: NatsServer) -> None:
    """The bodies come out of the stream as they were recorded, one message a record."""
    native = make_format("native")
    events = [one for line in hostile.lines() for one in native.events(orjson.loads(line), line.rstrip(b"\n"))]
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?create=yes"])
    await one.receiver.open("run")
    receipt = await one.receiver.send(events)
    await one.receiver.close()

    assert (receipt.refused, receipt.duplicates) == ((), 0)
    assert Counter(await server.stored()) == Counter(line.rstrip(b"\n") for line in hostile.lines())


async def test_a_repeat_is_dropped_by_the_stream_and_counted(server: NatsServer) -> None:
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?create=yes"])
    await one.receiver.open("run")
    first = await one.receiver.send([event(1), event(2)])
    again = await one.receiver.send([event(2), event(3)])
    await one.receiver.close()

    assert (first.duplicates, again.duplicates) == (0, 1)
    assert len(await server.stored()) == 3


async def test_what_is_too_large_is_refused_alone(server: NatsServer) -> None:
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?create=yes"])
    await one.receiver.open("run")
    receipt = await one.receiver.send([event(1), event(2, b"x" * (2 << 20)), event(3)])
    await one.receiver.close()

    assert [refused.place for refused in receipt.refused] == [1]
    assert "too large" in receipt.refused[0].reason
    assert len(await server.stored()) == 2


async def test_what_is_too_large_for_the_stream_is_refused_alone_and_at_once(server: NatsServer) -> None:
    await server.create("SWEEP", "smtpsweep.records", max_bytes=1000)
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?timeout=30"])
    receipt = await one.receiver.send([event(1), event(2, b"x" * 2000), event(3)])
    await one.receiver.close()

    assert [refused.place for refused in receipt.refused] == [1]
    assert "message size exceeds maximum allowed" in receipt.refused[0].reason
    assert (receipt.retry, len(await server.stored())) == ((), 2)


async def test_without_a_stream_a_person_has_to_act(server: NatsServer) -> None:
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/NOTHERE"])
    await one.receiver.open("run")
    with pytest.raises(AccessDeniedError, match="no stream takes this subject"):
        await one.receiver.send([event(1)])
    await one.receiver.close()
    with pytest.raises(NotFoundError):
        await server.stored("NOTHERE")


async def test_wrong_credentials_are_denied_and_the_secret_never_shows(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await NatsServer(tmp_path / "nats", unused_tcp_port, "--auth", "right").start()
    monkeypatch.setenv("TOKEN", "wrong-s3cret")
    (one,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?create=yes&token_env=TOKEN"])
    try:
        with pytest.raises(AccessDeniedError) as caught:
            await one.receiver.open("run")
        assert "s3cret" not in str(caught.value)
        monkeypatch.setenv("TOKEN", "right")
        (allowed,) = make_destinations([f"nats://127.0.0.1:{server.port}/SWEEP?create=yes&token_env=TOKEN"])
        await allowed.receiver.open("run")
        await allowed.receiver.close()
    finally:
        server.kill()


async def test_a_server_that_is_not_there_is_a_matter_of_time(unused_tcp_port: int) -> None:
    (one,) = make_destinations([f"nats://127.0.0.1:{unused_tcp_port}/SWEEP?timeout=0.5"])
    with pytest.raises(TryLaterError):
        await one.receiver.open("run")


@pytest.mark.parametrize("path", ["", "/", "/a.b", "/a/b", "/*", "/a b"])
def test_the_path_must_name_a_stream(path: str) -> None:
    with pytest.raises(InputError, match="the path must name a stream"):
        make_destinations([f"nats://127.0.0.1{path}"])
