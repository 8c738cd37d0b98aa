"""Claims about `delivery.receivers.kafka_producer` itself, on librdkafka's own cluster; `test_kafka` has the sink."""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from scanner.delivery.receivers.kafka_producer import DeliveryOutcome, DeliveryReport, Producer
from scanner.delivery.receivers.receiver import TryLaterError
from scanner.formats import Event
from tests.receivers.kafka_mock import PRODUCE, MockKafka, event_ids, stored
from tests.support.ports import free_ports
from tests.support.waiting import wait_until

TOPIC = "smtp"


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as one:
        one.create(TOPIC)
        yield one


def producer(servers: str) -> Producer:
    configuration = {"bootstrap.servers": servers, "enable.idempotence": True, "message.timeout.ms": 0, "linger.ms": 0}
    return Producer(configuration, TOPIC, "application/json")


def event(number: int) -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", None, 6, b"{}")


def test_one_record_that_is_refused_by_itself_is_to_blame_at_once(kafka: MockKafka) -> None:
    one = producer(kafka.servers)
    kafka.fail(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    (answer,) = one.deliver([event(1)], 20)
    one.close()

    assert (answer.outcome, answer.reason) == (
        DeliveryOutcome.REFUSED,
        "MSG_SIZE_TOO_LARGE: Broker: Message size too large",
    )


def test_a_report_that_comes_after_its_batch_is_over_is_not_kept(kafka: MockKafka) -> None:
    kafka.slow(500)
    one = producer(kafka.servers)
    (late,) = one.deliver([event(1)], 0.1)
    kafka.slow(0)
    wait_until(lambda: event_ids(stored(kafka.servers, TOPIC)))
    assert one._producer is not None
    one._producer.flush(20)
    answers = one.deliver([event(2)], 20)
    one.close()

    assert (late.outcome, answers, one._reports) == (DeliveryOutcome.LATER, [DeliveryReport(DeliveryOutcome.TAKEN)], {})
    assert event_ids(stored(kafka.servers, TOPIC)) == ["id-1", "id-2"]


def test_who_is_told_to_stop_while_nobody_answers_says_so() -> None:
    one = producer(f"127.0.0.1:{free_ports(1)[0]}")
    failures: list[Exception] = []

    def check() -> None:
        try:
            one.check(60)
        except TryLaterError as error:
            failures.append(error)

    checking = threading.Thread(target=check)
    checking.start()
    wait_until(one._busy.locked)
    one.stop()
    checking.join(50)
    one.close()

    assert [str(failure) for failure in failures] == ["it was closed"]


def test_a_fatal_error_of_one_record_ends_the_producer_and_the_first_reason_stays(kafka: MockKafka) -> None:
    one = producer(kafka.servers)
    for reason in ("the sequence is broken", "a consequence"):
        one._on_delivery("id-0", KafkaError(KafkaError._FATAL, reason, fatal=True))
    answers = one.deliver([event(1)], 20)
    one.close()

    assert one.fatal == "_FATAL: the sequence is broken"
    assert answers == [DeliveryReport(DeliveryOutcome.LATER, "_FATAL: the sequence is broken")]
    assert event_ids(stored(kafka.servers, TOPIC)) == []


def test_closing_twice_lets_go_once(kafka: MockKafka) -> None:
    one = producer(kafka.servers)
    one.close()
    one.close()
    one._poll(0)

    assert one._producer is None
