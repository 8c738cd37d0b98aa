"""librdkafka's own Kafka cluster for tests, with faults on demand: real brokers on loopback, inside this process.

It is part of the library that confluent-kafka brings, but not of its Python interface, so it is called by ctypes
(`rdkafka_mock.h` of librdkafka; an experimental interface, says the header). Producers and consumers connect by TCP,
also those of other processes. Broker ids begin with 1.
"""

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from tests.support.requirements import require_or_skip

#: Numbers of requests (Kafka's protocol guide).
PRODUCE: Final = 0
METADATA: Final = 3
INIT_PRODUCER_ID: Final = 22
_PRODUCER: Final = 0  # RD_KAFKA_PRODUCER
_ERROR_BYTES: Final = 512


def _library() -> ctypes.CDLL:
    """Return the librdkafka that confluent-kafka has loaded already."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = sorted(folder.glob("librdkafka*"))
    require_or_skip(bool(found), "needs a wheel of confluent-kafka that brings librdkafka")
    library = ctypes.CDLL(str(found[0]))
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, size]),
        "rd_kafka_new": (pointer, [number, pointer, text, size]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_topic_set_error": (None, [pointer, text, number]),
        "rd_kafka_mock_push_request_errors_array": (None, [pointer, ctypes.c_int16, size, ctypes.POINTER(number)]),
        "rd_kafka_mock_clear_request_errors": (None, [pointer, ctypes.c_int16]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_rtt": (number, [pointer, ctypes.c_int32, number]),
        "rd_kafka_mock_partition_set_leader": (number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockKafka:
    """A cluster; a context manager."""

    def __init__(self, brokers: int = 1) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        configuration = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"0", error, _ERROR_BYTES)
        self._handle = self._library.rd_kafka_new(_PRODUCER, configuration, error, _ERROR_BYTES)
        assert self._handle, error.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, brokers)
        self._brokers = brokers
        self.servers: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._handle)

    def create(self, topic: str, partitions: int = 1) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, self._brokers) == 0

    def fail(self, request: int, *codes: int) -> None:
        """Let the next requests of a kind fail, each with the next code (0: it succeeds)."""
        codes_array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), codes_array)

    def well_again(self, request: int) -> None:
        """Forget the faults that are left for a kind of request."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, request)

    def break_topic(self, topic: str, code: int) -> None:
        """Let metadata about a topic be an error; 0 mends it."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), code)

    def down(self, broker: int = -1) -> None:
        assert self._library.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0

    def up(self, broker: int = -1) -> None:
        assert self._library.rd_kafka_mock_broker_set_up(self._cluster, broker) == 0

    def slow(self, milliseconds: int) -> None:
        """Let every answer of every broker take so long."""
        assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, -1, milliseconds) == 0

    def lead(self, topic: str, broker: int, partition: int = 0) -> None:
        """Give a partition another leader; -1 for none."""
        name = topic.encode()
        assert self._library.rd_kafka_mock_partition_set_leader(self._cluster, name, partition, broker) == 0


def stored(servers: str, topic: str) -> list[Message]:
    """Read a topic from its beginning to its end, as any consumer does; each partition's records in their order."""
    with _consumer(servers) as consumer:
        partitions = [
            TopicPartition(topic, number) for number in consumer.list_topics(topic, 10).topics[topic].partitions
        ]
        count = 0
        for partition in partitions:
            first, end = consumer.get_watermark_offsets(partition, timeout=10)
            count += end - first
            partition.offset = OFFSET_BEGINNING
        consumer.assign(partitions)
        found: list[Message] = []
        while len(found) < count:
            for message in consumer.consume(min(5000, count - len(found)), timeout=20):
                assert message.error() is None, message.error()
                found.append(message)
        return found


def event_ids(messages: Sequence[Message]) -> list[str]:
    """Return the `event_id` header of each message."""
    return [header(message, "event_id") for message in messages]


def header(message: Message, name: str) -> str:
    """Return a header of a message; there must be one of that name, and one only."""
    headers = message.headers()
    assert isinstance(headers, list)
    (value,) = [value for key, value in headers if key == name]
    assert isinstance(value, bytes)
    return value.decode()


@contextlib.contextmanager
def _consumer(servers: str) -> Iterator[Consumer]:
    settings = {"bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False}
    consumer = Consumer(settings)
    try:
        yield consumer
    finally:
        consumer.close()
