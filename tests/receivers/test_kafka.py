"""`delivery.receivers.kafka`, against a real Apache Kafka: nothing lost, whatever is killed, and few doubles.

Kafka's own console consumer reads back what hostile mail servers have said, so that no code is shared with the sink.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Message

from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, Receiver
from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError
from scanner.formats import Event
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, deliver_under_fire, event_ids, record_lines
from tests.receivers.kafka import PASSWORDS, Kafka
from tests.receivers.kafka_mock import header, stored
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.real


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[Kafka]:
    one = await Kafka(tmp_path / "kafka").start()
    yield one
    one.kill()


def receiver(url: str) -> Receiver:
    (one,) = make_destinations([url])
    return one.receiver


def event(number: int, body: bytes = b"{}") -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", 1_795_342_616.123, 6, body)


def recorded(messages: Sequence[Message]) -> Counter[str]:
    """Count the records by the header that names them."""
    return Counter(header(one, "event_id") for one in messages)


def order_is_kept(messages: Sequence[Message]) -> bool:
    """Whether of each key the first copies of all records are in the order in which they were written."""
    seen: dict[bytes | None, list[int]] = defaultdict(list)
    known: set[str] = set()
    for message in messages:
        if (name := header(message, "event_id")) not in known:
            known.add(name)
            seen[message.key()].append(int(name, 16))
    return all(numbers == sorted(numbers) for numbers in seen.values())


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_all_records_arrive_exactly_once(kafka: Kafka, tmp_path: Path) -> None:
    kafka.create("smtp")
    url = f"kafka://{kafka.servers}/smtp"
    done = await deliver_under_fire(tmp_path / "run", url, seed=5, relay_kills=0)

    found = stored(kafka.servers, "smtp")
    assert recorded(found) == Counter(event_ids())
    assert order_is_kept(found)
    assert done.dead == []


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_all_records_are_produced_exactly_once_while_the_broker_is_killed(kafka: Kafka, tmp_path: Path) -> None:
    """Each record has one sequence number, however often it had to be sent.

    Kafka itself does not always remember: killed with SIGKILL, 4.3.1 sometimes writes the batch that it had just
    written once more, with the very same producer, epoch and sequence numbers. No producer can prevent that.
    """
    kafka.create("smtp")
    url = f"kafka://{kafka.servers}/smtp"
    done = await deliver_under_fire(tmp_path / "run", url, seed=6, receiver=kafka, relay_kills=0, receiver_kills=3)

    found = stored(kafka.servers, "smtp")
    batches = kafka.batches("smtp")
    assert set(recorded(found)) == event_ids()
    assert sum(batch.records for batch in batches) == len(found)
    assert sum(batch.records for batch in set(batches)) == RECORDS
    assert len(batches) - len(set(batches)) <= 3 * done.receiver_kills  # of each partition, the last before a kill
    assert {(batch.producer, batch.epoch) for batch in batches} == {(batches[0].producer, batches[0].epoch)}
    assert order_is_kept(found)
    assert done.dead == []


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_all_records_arrive_when_the_relay_is_killed_too_and_doubles_say_so(kafka: Kafka, tmp_path: Path) -> None:
    kafka.create("smtp")
    done = await deliver_under_fire(
        tmp_path / "run", f"kafka://{kafka.servers}/smtp", seed=7, receiver=kafka, relay_kills=3, receiver_kills=2
    )

    found = stored(kafka.servers, "smtp")
    counts = recorded(found)
    assert set(counts) == event_ids()
    assert counts.total() < RECORDS * 1.5  # what the cursor was behind is repeated, not everything
    assert max(counts.values()) <= 1 + done.relay_kills + done.receiver_kills
    bodies: dict[str, set[bytes | None]] = defaultdict(set)
    for message in found:
        bodies[header(message, "event_id")].add(message.value())
    assert {len(same) for same in bodies.values()} == {1}
    assert order_is_kept(found)
    assert done.dead == []


async def test_what_hostile_servers_say_arrives_byte_for_byte(kafka: Kafka, tmp_path: Path) -> None:
    kafka.create("smtp", partitions=1)
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations([f"kafka://{kafka.servers}/smtp"]), {})
    await remote.open(None)
    await remote.write(hostile.lines())
    await remote.close()

    printed = kafka.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", kafka.servers, "--topic", "smtp",
        "--from-beginning", "--max-messages", str(len(hostile.lines())), "--timeout-ms", "20000",
        "--formatter-property", "print.headers=true", "--formatter-property", "print.key=true",
    )  # fmt: skip
    lines = printed.splitlines(keepends=True)
    assert [line.split(b"\t", 2)[2] for line in lines] == list(hostile.lines())
    for line, document in zip(lines, hostile.documents(), strict=True):
        headers, key, _ = line.split(b"\t", 2)
        assert headers == f"event_id:{document['event_id']},content-type:application/json".encode()
        assert key == f"{document['ip']} {document['port']}".encode()


async def test_a_record_that_the_topic_does_not_take_is_the_only_dead_letter(kafka: Kafka, tmp_path: Path) -> None:
    """The broker refuses whole batches for it; the others arrive once each."""
    kafka.create("smtp", partitions=1, max_message_bytes="20000")
    lines = record_lines(1, 500)
    large = orjson.loads(lines[249]) | {"filler": "x" * 30_000}
    lines[249] = orjson.dumps(large, option=orjson.OPT_APPEND_NEWLINE)
    url = f"kafka://{kafka.servers}/smtp?compression=none"
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations([url]), {}, drain_s=30)
    await remote.open(None)
    await remote.write(lines)
    with pytest.raises(SinkError, match=r"sink kafka-1: 1 record not delivered \(the first: MSG_SIZE_TOO_LARGE"):
        await remote.close()

    (letter,) = dead_letters.read(RunFolder(tmp_path / "run").sinks / "kafka-1.dead.jsonl")
    assert (letter.event_id, letter.reason) == (large["event_id"], "MSG_SIZE_TOO_LARGE: Broker: Message size too large")
    assert recorded(stored(kafka.servers, "smtp")) == Counter(event_ids(500) - {letter.event_id})


async def test_a_topic_that_is_not_there_is_a_persons_affair_until_it_is_made(kafka: Kafka) -> None:
    one = receiver(f"kafka://{kafka.servers}/nothere?timeout=2")
    with pytest.raises(AccessDeniedError, match="no topic nothere, or none that we may see: create it"):
        await one.open("run")
    kafka.create("nothere")
    await one.open("run")
    assert await one.send([event(1)]) == TAKEN
    await one.close()


async def test_a_topic_is_made_where_the_broker_does_that(tmp_path: Path) -> None:
    kafka = await Kafka(tmp_path / "kafka", create=True).start()
    try:
        one = receiver(f"kafka://{kafka.servers}/new")
        await one.open("run")
        assert await one.send([event(1)]) == TAKEN
        await one.close()
        assert len(stored(kafka.servers, "new")) == 1
    finally:
        kafka.kill()


@pytest.fixture
async def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kafka]:
    """A broker with SASL and TLS; its certificate is for 127.0.0.1, and its own authority."""
    certificate, key = make_certificate("kafka.example", names=("127.0.0.1",))
    (tmp_path / "server.pem").write_bytes(key + certificate)
    (tmp_path / "authority.pem").write_bytes(certificate)
    for user, password in PASSWORDS.items():
        monkeypatch.setenv(user.upper(), password)
    monkeypatch.setenv("WRONG", "wr0ng-s3cret")
    files = (tmp_path / "server.pem", tmp_path / "authority.pem")
    one = await Kafka(tmp_path / "kafka", sasl=True, certificates=files).start()
    one.create("smtp", partitions=1)
    yield one
    one.kill()


async def test_tls_and_passwords_open_the_door_and_nothing_else_does(
    guarded: Kafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sasl, tls, both = (guarded.ports[name] for name in ("SASL_PLAINTEXT", "SSL", "SASL_SSL"))
    authority = f"ca_file={tmp_path / 'authority.pem'}"
    writer = "password_env=WRITER"
    allowed = [
        *(f"kafka://writer@127.0.0.1:{sasl}/smtp?{writer}&sasl={one}" for one in ("PLAIN", "SCRAM-SHA-256")),
        f"kafka+tls://127.0.0.1:{tls}/smtp?{authority}",
        f"kafka+tls://127.0.0.1:{tls}/smtp?verify=no",
        f"kafka+tls://writer@127.0.0.1:{both}/smtp?{authority}&{writer}",
    ]
    for number, url in enumerate(allowed):
        one = receiver(url)
        await one.open("run")
        assert await one.send([event(number)]) == TAKEN, url
        await one.close()
    assert len(stored(guarded.servers, "smtp")) == len(allowed)

    denied = {
        f"kafka://writer@127.0.0.1:{sasl}/smtp?password_env=WRONG&sasl=PLAIN": "Authentication failed",
        f"kafka://writer@127.0.0.1:{sasl}/smtp?password_env=WRONG": "Authentication failed",
        f"kafka://reader@127.0.0.1:{sasl}/smtp?password_env=READER": "no topic smtp|TOPIC_AUTHORIZATION_FAILED",
        f"kafka+tls://127.0.0.1:{tls}/smtp?timeout=3": "certificate",
        f"kafka+tls://localhost:{tls}/smtp?{authority}&timeout=3": "certificate",
    }
    for url, reason in denied.items():
        one = receiver(url)
        with pytest.raises(AccessDeniedError, match=reason) as caught:
            await one.open("run")
        await one.close()
        assert "s3cret" not in str(caught.value)
    assert "s3cret" not in caplog.text
    assert len(stored(guarded.servers, "smtp")) == len(allowed)


async def test_mutual_tls_needs_our_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate("kafka.example", names=("127.0.0.1",))
    (tmp_path / "both.pem").write_bytes(key + certificate)
    (tmp_path / "authority.pem").write_bytes(certificate)
    files = (tmp_path / "both.pem", tmp_path / "authority.pem")
    kafka = await Kafka(tmp_path / "kafka", certificates=files, client_auth="required").start()
    kafka.create("smtp")
    # What a certificate may do is Kafka's affair; here its holder may do nothing, and is told so by name of topic.
    url = f"kafka+tls://127.0.0.1:{kafka.ports['SSL']}/smtp?ca_file={files[1]}&timeout=3"
    try:
        with pytest.raises(AccessDeniedError, match=r"no topic smtp|TOPIC_AUTHORIZATION_FAILED"):
            await receiver(f"{url}&cert_file={files[0]}").open("run")
        with pytest.raises(AccessDeniedError, match="certificate"):
            await receiver(url).open("run")
    finally:
        kafka.kill()
