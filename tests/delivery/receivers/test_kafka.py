"""Claims about `scanner.delivery.receivers.kafka`, against librdkafka's own cluster with faults on demand.

What a real Kafka does with it is in tests/receivers/test_kafka.py.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import KafkaError

from scanner.delivery.receivers.kafka import KafkaReceiver
from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, Receipt, TryLaterError
from scanner.delivery.relay import dead_letters
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.spool_sink import SpoolSink
from scanner.delivery.spool import RunFolder
from scanner.errors import SinkError
from scanner.formats import Event
from tests.receivers.kafka_mock import INIT_PRODUCER_ID, PRODUCE, MockKafka, event_ids, header, stored
from tests.support.sink_receivers import receiver_of

TOPIC = "smtp"


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as one:
        one.create(TOPIC)
        yield one


def receiver(url: str) -> KafkaReceiver:
    return receiver_of(url, KafkaReceiver)


def events(first: int, last: int, *, body: bytes = b"{}", key: str = "192.0.2.1 25") -> list[Event]:
    return [Event(f"id-{number}", key, 1_795_342_616.123, 6, body, number) for number in range(first, last + 1)]


def ids(first: int, last: int) -> list[str]:
    return [f"id-{number}" for number in range(first, last + 1)]


async def until_taken(one: KafkaReceiver, batch: Sequence[Event]) -> Receipt:
    """Bring a batch again and again, as the relay does; the time limit of the test bounds it."""
    left = list(batch)
    while True:
        try:
            receipt = await one.send(left)
        except TryLaterError:
            continue
        if not receipt.retry:
            return receipt
        left = [left[place] for place in receipt.retry]


async def sent(kafka: MockKafka, batch: Sequence[Event], options: str = "") -> Receipt:
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?{options}")
    await one.open("run")
    try:
        return await one.send(batch)
    finally:
        await one.close()


async def test_an_event_is_one_record_with_key_headers_and_the_time_of_the_visit(kafka: MockKafka) -> None:
    assert await sent(kafka, events(1, 1, body=b'{"a":1}')) == TAKEN

    (message,) = stored(kafka.servers, TOPIC)
    assert (message.value(), message.key()) == (b'{"a":1}', b"192.0.2.1 25")
    assert message.timestamp()[1] == 1_795_342_616_123
    assert (header(message, "event_id"), header(message, "content-type")) == ("id-1", "application/json")


async def test_an_event_without_a_time_gets_the_time_of_sending(kafka: MockKafka) -> None:
    (event,) = events(1, 1)
    await sent(kafka, [event._replace(time_s=None)])

    (message,) = stored(kafka.servers, TOPIC)
    assert message.timestamp()[1] > 1_700_000_000_000


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression_arrives_as_it_was(kafka: MockKafka, compression: str) -> None:
    await sent(kafka, events(1, 100, body=b"x" * 1000), f"compression={compression}")

    assert [message.value() for message in stored(kafka.servers, TOPIC)] == [b"x" * 1000] * 100


async def test_events_of_a_target_keep_their_order_over_faults_and_changes_of_leader() -> None:
    with MockKafka(3) as kafka:
        kafka.create(TOPIC, partitions=3)
        kafka.fail(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT)
        kafka.fail(PRODUCE, 0, KafkaError.NOT_ENOUGH_REPLICAS, 0, KafkaError._TRANSPORT)
        batch = [event._replace(key=f"target {event.sequence % 7}") for event in events(1, 3000)]
        one = receiver(f"kafka://{kafka.servers}/{TOPIC}")
        await one.open("run")
        for start in range(0, 3000, 100):
            if start % 500 == 0:
                kafka.lead(TOPIC, 1 + start // 500 % 3)
            await until_taken(one, batch[start : start + 100])
        await one.close()
        found = stored(kafka.servers, TOPIC)

    assert sorted(event_ids(found)) == sorted(ids(1, 3000))
    for target in range(7):
        numbers = [int(header(one, "event_id")[3:]) for one in found if one.key() == f"target {target}".encode()]
        assert numbers == [number for number in range(1, 3001) if number % 7 == target]


async def test_one_record_that_is_too_large_for_the_broker_is_refused_alone_and_in_order(kafka: MockKafka) -> None:
    """The broker refuses the batch of eight, its first half, and so on, until the first is alone."""
    kafka.fail(PRODUCE, *[KafkaError.MSG_SIZE_TOO_LARGE] * 4)
    receipt = await sent(kafka, events(1, 8))

    assert [(one.place, one.reason) for one in receipt.refused] == [
        (0, "MSG_SIZE_TOO_LARGE: Broker: Message size too large")
    ]
    assert receipt.retry == ()
    assert event_ids(stored(kafka.servers, TOPIC)) == ids(2, 8)


@pytest.mark.parametrize("code", [KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_MSG])
async def test_a_batch_that_was_refused_once_is_taken_in_parts(kafka: MockKafka, code: int) -> None:
    kafka.fail(PRODUCE, code)

    assert await sent(kafka, events(1, 50)) == TAKEN
    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 50)


async def test_a_record_that_is_over_max_bytes_is_refused_before_it_goes_out(kafka: MockKafka) -> None:
    batch = [*events(1, 1), *events(2, 2, body=b"x" * 5001), *events(3, 3)]
    receipt = await sent(kafka, batch, "max_bytes=5000")

    assert [one.place for one in receipt.refused] == [1]
    assert event_ids(stored(kafka.servers, TOPIC)) == ["id-1", "id-3"]


async def test_exactly_one_dead_letter_says_why(kafka: MockKafka, tmp_path: Path) -> None:
    def line(number: int) -> bytes:
        document = {"schema": "smtpsweep.record/1", "event_id": f"{number:032x}", "ip": "192.0.2.1", "port": 25,
                    "observed_at": None, "findings": [], "filler": "x" * (3000 if number == 500 else 10)}  # fmt: skip
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    url = f"kafka://{kafka.servers}/{TOPIC}?max_bytes=2000"
    remote = SpoolSink(RunFolder(tmp_path / "run"), make_destinations([url]), {}, drain_s=20)
    await remote.open(None)
    await remote.write([line(number) for number in range(1, 1001)])
    with pytest.raises(SinkError, match=r"sink kafka-1: 1 record not delivered \(the first: MSG_SIZE_TOO_LARGE"):
        await remote.close()

    (letter,) = dead_letters.read(RunFolder(tmp_path / "run").sinks / "kafka-1.dead.jsonl")
    assert letter.event_id == f"{500:032x}"
    assert "MSG_SIZE_TOO_LARGE" in letter.reason
    expected = [f"{number:032x}" for number in range(1, 1001) if number != 500]
    assert event_ids(stored(kafka.servers, TOPIC)) == expected


async def test_brokers_that_go_and_come_back_get_each_record_once(kafka: MockKafka) -> None:
    """What was not acknowledged in time stays with the producer: bringing it again makes no double."""
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
    await one.open("run")
    await one.send(events(1, 10))
    kafka.down()
    for _ in range(2):
        with pytest.raises(TryLaterError, match="Connection refused"):
            await one.send(events(11, 20))
    kafka.up()
    await until_taken(one, events(11, 20))
    await one.send(events(21, 30))
    await one.close()

    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 30)


async def test_an_answer_that_comes_too_late_makes_no_duplicate(kafka: MockKafka) -> None:
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
    await one.open("run")
    kafka.slow(1500)
    with pytest.raises(TryLaterError, match="no acknowledgement within 1 s"):
        await one.send(events(1, 10))
    await until_taken(one, events(1, 10))
    kafka.slow(0)
    await one.close()

    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 10)


async def test_one_broker_of_several_that_is_down_holds_up_its_own_records_only() -> None:
    with MockKafka(2) as kafka:
        kafka.create(TOPIC, partitions=2)
        kafka.lead(TOPIC, 1, partition=0)
        kafka.lead(TOPIC, 2, partition=1)
        batch = [event._replace(key=str(event.sequence)) for event in events(1, 100)]
        one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
        await one.open("run")
        await one.send(batch[:50])
        batch = batch[50:]
        kafka.down(2)
        receipt = await one.send(batch)
        assert 0 < len(receipt.retry) < 50
        assert receipt.reason is not None
        kafka.up(2)
        await until_taken(one, [batch[place] for place in receipt.retry])
        await one.close()
        found = stored(kafka.servers, TOPIC)

    assert sorted(event_ids(found)) == sorted(ids(1, 100))
    late = {message.partition() for message in found if header(message, "event_id") in
            {batch[place].id for place in receipt.retry}}  # fmt: skip
    assert late == {1}


async def test_a_producer_that_was_fenced_off_is_replaced(kafka: MockKafka) -> None:
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}")
    await one.open("run")
    await one.send(events(1, 3))
    kafka.fail(PRODUCE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    with pytest.raises(TryLaterError, match="OUT_OF_ORDER_SEQUENCE_NUMBER"):
        await one.send(events(4, 6))
    assert await one.send(events(4, 6)) == TAKEN
    await one.close()

    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 6)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (PRODUCE, KafkaError.CLUSTER_AUTHORIZATION_FAILED),
        (INIT_PRODUCER_ID, KafkaError.CLUSTER_AUTHORIZATION_FAILED),
    ],
)
async def test_rights_that_are_missing_are_a_persons_affair_and_the_record_goes_when_they_are_there(
    kafka: MockKafka, request_: int, code: int
) -> None:
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=2")
    kafka.fail(request_, code)
    await one.open("run")
    with pytest.raises(AccessDeniedError, match="authorization failed"):
        await one.send(events(1, 3))
    kafka.well_again(request_)
    assert await one.send(events(1, 3)) == TAKEN
    await one.close()

    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 3)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "no topic smtp, or none that we may see: create it"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "TOPIC_AUTHORIZATION_FAILED"),
    ],
)
async def test_without_a_topic_that_we_may_see_a_person_has_to_act(kafka: MockKafka, code: int, reason: str) -> None:
    kafka.break_topic(TOPIC, code)
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
    with pytest.raises(AccessDeniedError, match=reason):
        await one.open("run")
    kafka.break_topic(TOPIC, 0)
    await one.open("run")
    await one.close()


async def test_nobody_listening_is_a_matter_of_time(unused_tcp_port: int) -> None:
    one = receiver(f"kafka://127.0.0.1:{unused_tcp_port}/{TOPIC}?timeout=1")
    with pytest.raises(TryLaterError, match="Connection refused"):
        await one.open("run")
    with pytest.raises(TryLaterError, match="Connection refused"):
        await one.send(events(1, 1))


async def test_more_than_the_queue_holds_arrives_in_order(kafka: MockKafka) -> None:
    """40 MB, which librdkafka's queue does not take at once."""
    chance = random.Random(6)
    batch = [event._replace(body=chance.randbytes(900_000)) for event in events(1, 40)]
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?compression=none")
    await one.open("run")
    kafka.slow(50)
    await until_taken(one, batch)
    await one.close()

    found = stored(kafka.servers, TOPIC)  # this cluster keeps the last 5 MB
    assert event_ids(found) == ids(36, 40)
    assert [message.offset() for message in found] == [35, 36, 37, 38, 39]
    assert [message.value() for message in found] == [event.body for event in batch[35:]]


async def test_a_queue_that_stays_full_is_a_matter_of_time_and_nothing_overtakes(kafka: MockKafka) -> None:
    batch = events(1, 40, body=b"x" * 900_000)
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
    await one.open("run")
    kafka.down()
    with pytest.raises(TryLaterError):
        await one.send(batch)
    kafka.up()
    await until_taken(one, batch)
    await one.close()

    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 40)


async def test_closing_does_not_wait_for_brokers_and_what_is_queued_never_goes_out(kafka: MockKafka) -> None:
    """It is still in the log, and comes again from there: sent as well it would be a double."""
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=1")
    await one.open("run")
    kafka.down()
    with pytest.raises(TryLaterError):
        await one.send(events(1, 10))
    async with asyncio.timeout(5):
        await one.close()
    kafka.up()
    await sent(kafka, events(11, 11))

    assert event_ids(stored(kafka.servers, TOPIC)) == ["id-11"]


async def test_a_send_that_is_cancelled_lets_go_at_once(kafka: MockKafka) -> None:
    one = receiver(f"kafka://{kafka.servers}/{TOPIC}?timeout=600")
    await one.open("run")
    kafka.down()
    sending = asyncio.create_task(one.send(events(1, 10)))
    assert one._producer is not None
    while not one._producer._waiting:
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    async with asyncio.timeout(5):
        await one.close()


async def test_the_same_event_twice_in_a_batch_is_one_record(kafka: MockKafka) -> None:
    assert await sent(kafka, [*events(1, 2), *events(1, 1)]) == TAKEN
    assert event_ids(stored(kafka.servers, TOPIC)) == ids(1, 2)


async def test_a_line_format_says_that_it_is_text(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    await sent(kafka, events(1, 1), "format=cef")

    (message,) = stored(kafka.servers, TOPIC)
    assert header(message, "content-type") == "text/plain; charset=utf-8"
