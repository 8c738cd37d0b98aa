"""`delivery.receivers.s3`, against a real store: every event once, in whole objects, whatever is killed."""

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
import pytest
import zstandard

from scanner.delivery.receivers.receiver import AccessDeniedError, Receiver, TryLaterError
from scanner.delivery.relay.destination import make_destinations
from scanner.formats import Event
from scanner.formats.native import Native
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, deliver_under_fire, event_ids, record_lines
from tests.receivers.fault_proxy import FAULTS, FaultProxy
from tests.receivers.s3_server import ACCESS_KEY, BUCKET, READER_KEY, READER_SECRET, SECRET_KEY, S3Server, counted

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    one = S3Server(tmp_path_factory.mktemp("s3") / "store")
    yield one
    one.kill()


@pytest.fixture
async def server(store: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A running store without objects."""
    monkeypatch.setenv("STORE_KEY", ACCESS_KEY)
    monkeypatch.setenv("STORE_SECRET", SECRET_KEY)
    await store.start()
    store.empty()
    return store


def url(where: str, path: str = f"{BUCKET}/smtp", more: str = "compress=gzip") -> str:
    host = where.partition("://")[2]
    return f"s3+http://{host}/{path}?access_key_env=STORE_KEY&secret_key_env=STORE_SECRET&timeout=10&{more}"


async def opened(text: str, run: str = "run-1") -> Receiver:
    (one,) = make_destinations([text])
    await one.receiver.open(run)
    return one.receiver


def events(lines: Iterable[bytes], first: int = 2) -> list[Event]:
    """Make the events that the relay would, numbered from `first`: number 1 is the run's own line."""
    found = [event for line in lines for event in Native().events(orjson.loads(line), line.rstrip(b"\n"))]
    return [event._replace(sequence=number) for number, event in enumerate(found, first)]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_records_are_stored_once_while_store_and_relay_are_killed(server: S3Server, tmp_path: Path) -> None:
    delivered = await deliver_under_fire(
        tmp_path / "run", url(server.url), seed=20261123, receiver=server, relay_kills=2, receiver_kills=1
    )

    ids = counted(server.objects())
    assert set(ids) == event_ids()
    assert ids.total() == RECORDS  # an object that was sent again was written over
    assert delivered.dead == []


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_records_are_stored_once_through_a_network_that_fails(server: S3Server, tmp_path: Path) -> None:
    """Far more faults than elsewhere: there are few requests. 413 would change the objects: see the next test."""
    faults = {name: share * 2 for name, share in FAULTS.items() if name != "413"}
    async with FaultProxy(server.url, seed=6, faults=faults, keep_host=True) as proxy:
        delivered = await deliver_under_fire(tmp_path / "run", url(proxy.url), seed=7, relay_kills=1)

    ids = counted(server.objects())
    assert set(ids) == event_ids()
    assert ids.total() == RECORDS
    assert delivered.dead == []
    assert proxy.counts.total() > proxy.counts["none"] > 0  # some of each


@pytest.mark.timeout(120)
async def test_an_object_that_is_too_large_goes_in_parts(server: S3Server, tmp_path: Path) -> None:
    async with FaultProxy(server.url, seed=1, faults={"413": 1.0}, small_bytes=8192, keep_host=True) as proxy:
        delivered = await deliver_under_fire(tmp_path / "run", url(proxy.url), seed=1, count=2000, relay_kills=0)

    objects = server.objects()
    ids = counted(objects)
    assert set(ids) == event_ids(2000)
    assert ids.total() == 2000
    assert len(objects) > 1
    assert delivered.dead == []


async def test_hostile_records_are_read_back_equal_byte_for_byte(server: S3Server) -> None:
    for compress, unpack in (
        ("gzip", gzip.decompress),
        ("zstd", zstandard.ZstdDecompressor().decompress),
        ("none", bytes),
    ):
        receiver = await opened(url(server.url, f"{BUCKET}/{compress}", f"compress={compress}"))
        await receiver.send(events(hostile.lines()))
        await receiver.close()
        (body,) = (body for key, body in server.objects().items() if key.startswith(f"{compress}/"))
        assert unpack(body) == b"".join(hostile.lines())


async def test_a_repeat_writes_the_same_object_over_and_a_longer_segment_replaces_it(server: S3Server) -> None:
    receiver = await opened(url(server.url))
    await receiver.send(events(record_lines(1, 100)))
    first = server.objects()
    await receiver.send(events(record_lines(1, 100)))
    assert server.objects() == first

    await receiver.send(events(record_lines(1, 150)))
    await receiver.send(events(record_lines(151, 200), first=152))
    await receiver.close()
    objects = server.objects()
    assert sorted(objects) == [f"smtp/run-1/records-{number:012d}.jsonl.gz" for number in (2, 152)]
    assert counted(objects) == Counter(event_ids(200))


async def test_runs_do_not_write_over_each_other(server: S3Server) -> None:
    for run in ("run-1", "run-2"):
        receiver = await opened(url(server.url), run)
        await receiver.send(events(record_lines(1, 3)))
        await receiver.close()
    assert sorted(server.objects()) == [f"smtp/run-{run}/records-000000000002.jsonl.gz" for run in (1, 2)]


async def test_who_may_not_write_needs_a_person_and_the_secret_never_shows(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = events(record_lines(1, 2))
    for key, secret, code in (
        (READER_KEY, READER_SECRET, "AccessDenied"),
        (ACCESS_KEY, "wr0ng-s3cret", "SignatureDoesNotMatch"),
        ("stranger", "wr0ng-s3cret", "InvalidAccessKeyId"),
    ):
        monkeypatch.setenv("STORE_KEY", key)
        monkeypatch.setenv("STORE_SECRET", secret)
        receiver = await opened(url(server.url))
        with pytest.raises(AccessDeniedError, match=f"HTTP 403 {code}") as caught:
            await receiver.send(batch)
        await receiver.close()
        assert "s3cret" not in str(caught.value)
    assert server.objects() == {}


async def test_without_a_bucket_a_person_has_to_act(server: S3Server) -> None:
    receiver = await opened(url(server.url, "nothere"))
    with pytest.raises(AccessDeniedError, match=r"HTTP 404 NoSuchBucket .*: make the bucket"):
        await receiver.send(events(record_lines(1, 2)))
    await receiver.close()


async def test_a_store_that_is_gone_is_a_matter_of_time(server: S3Server) -> None:
    receiver = await opened(url(server.url))
    server.kill()
    with pytest.raises(TryLaterError, match="EndpointConnectionError"):
        await receiver.send(events(record_lines(1, 2)))
    await server.start()
    await receiver.send(events(record_lines(1, 2)))
    await receiver.close()
    assert counted(server.objects()) == Counter(event_ids(2))


async def test_the_store_listens_on_loopback_only(server: S3Server) -> None:
    assert server.listening() == {"127.0.0.1"}
