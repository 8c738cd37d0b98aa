"""Kafka: one record for each event, keyed by target, from an idempotent producer; all in-sync replicas acknowledge it.

Events of one target have one key, so they share a partition and stay in order. Duplicates come only from a relay that
was killed, a broker that lost its last batch in a crash, or a fenced producer (docs/sinks.md has measurements); they
carry the same `event_id` header. Waiting, separating and the meaning of errors are in `kafka_producer`.

Left out: transactions (consumers that read committed records would see a sweep late), OAuth and Kerberos.
"""

import asyncio
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanner.delivery.receivers.options import choice, option, seconds, whole
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchLimits,
    Receipt,
    RefusedEvent,
    TryLaterError,
)
from scanner.delivery.receivers.tls import TlsOptions, tls_context, warn_plain
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.errors import InputError
from scanner.formats import Event, make_format

if TYPE_CHECKING:
    from scanner.delivery.receivers.kafka_producer import DeliveryReport, Producer

_PORT, _TLS_PORT = 9092, 9093
_MAX_EVENTS, _MAX_BATCH_BYTES = 2000, 4 << 20
#: What Kafka allows (`org.apache.kafka.common.internals.Topic`).
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, kw_only=True)
class KafkaOptions(TlsOptions):
    """Options of a topic."""

    compression: str = option("none, gzip, snappy, lz4 or zstd", "lz4", choice("none", "gzip", "snappy", "lz4", "zstd"))
    linger: float = option("seconds that a small batch waits for more", "0.2", seconds(0, 60))
    timeout: float = option("seconds to wait for acknowledgements before reporting it", "10", seconds(1, 600))
    max_bytes: int = option("largest record and batch that the brokers take", "1000000", whole(1000, 100_000_000))
    sasl: str | None = option(
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default: the last, when the URL names a user)",
        None,
        choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    )
    client_id: str = option("what brokers call us in their logs and quotas", "smtpsweep")


class KafkaReceiver:
    """Produces to one topic."""

    def __init__(self, url: SinkUrl[KafkaOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when confluent-kafka is not installed, or the URL makes no sense.
        """
        if importlib.util.find_spec("confluent_kafka") is None:
            raise InputError(f"-o {url.shown}: needs confluent-kafka: pip install 'smtpsweep[kafka]'")
        self._topic = url.path.strip("/")
        if not _TOPIC.fullmatch(self._topic):
            raise InputError(f"-o {url.shown}: the path must name a topic, as in kafka://host:9092/smtpsweep")
        self.name = url.shown
        self.limits = BatchLimits(max_events=_MAX_EVENTS, max_bytes=_MAX_BATCH_BYTES, linger_s=url.options.linger)
        self._url = url
        self._settings = librdkafka_settings(url)
        self._content_type = (
            "application/json" if make_format(url.options.format).is_json else "text/plain; charset=utf-8"
        )
        self._timeout_s = url.options.timeout
        self._producer: Producer | None = None

    async def open(self, run: str) -> None:
        """Make a producer, and check that brokers give access and have the topic."""
        del run
        await self.close()
        self._producer = await asyncio.to_thread(self._make_producer)
        try:
            await asyncio.to_thread(self._producer.check, self._timeout_s)
        except BaseException:
            await self.close()
            raise

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Produce in order and wait for the reports; an event without one in time stays queued in the producer."""
        if self._producer is None:
            await self.open("")
        producer = self._producer
        assert producer is not None  # noqa: S101  opened above
        answers = await asyncio.to_thread(producer.deliver, batch, self._timeout_s)
        if producer.fatal is not None:
            await self.close()  # the next batch makes a new one
        return _receipt(answers)

    async def close(self) -> None:
        """Close the producer, within seconds whatever the brokers do."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stop()
            await asyncio.to_thread(producer.close)

    def _make_producer(self) -> "Producer":
        from confluent_kafka import KafkaException  # noqa: PLC0415  an extra

        from scanner.delivery.receivers.kafka_producer import Producer  # noqa: PLC0415  needs the extra

        password = self._url.secret("password")
        secret = {"sasl.password": password.reveal()} if password is not None else {}
        try:
            return Producer({**self._settings, **secret}, self._topic, self._content_type, self._url.redaction)
        except KafkaException as error:
            raise InputError(f"-o {self._url.shown}: {error.args[0].str()!a}") from None


def librdkafka_settings(url: SinkUrl[KafkaOptions]) -> dict[str, Any]:
    """Return librdkafka's configuration for a URL, without the password.

    Raises:
        InputError: when user, password and mechanism do not fit together, or TLS files cannot be used.
    """
    secure = url.scheme.endswith("+tls")
    if not secure:
        warn_plain(url)
    max_bytes = url.options.max_bytes
    settings: dict[str, Any] = {
        "bootstrap.servers": _servers(url, _TLS_PORT if secure else _PORT),
        "client.id": url.options.client_id,
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": 0,  # never: a record that is given up and sent again would be a duplicate
        "compression.type": url.options.compression,
        "partitioner": "murmur2_random",  # the partition of a key is the one that Java's producers choose
        "linger.ms": 5,  # a batch comes at once; this is only for librdkafka to notice its end
        "message.max.bytes": max_bytes,
        "batch.size": max_bytes,
        # Bounds memory while brokers are slow; a batch of the relay fits.
        "queue.buffering.max.kbytes": max(4 * _MAX_BATCH_BYTES, 2 * max_bytes) >> 10,
        "reconnect.backoff.max.ms": 2000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        "enable.metrics.push": False,  # no telemetry about us (KIP-714)
    }
    return settings | (_tls(url) if secure else {}) | _sasl(url, secure=secure)


def _servers(url: SinkUrl[KafkaOptions], default_port: int) -> str:
    return ",".join(f"{f'[{host}]' if ':' in host else host}:{port or default_port}" for host, port in url.hosts)


def _tls(url: SinkUrl[KafkaOptions]) -> dict[str, Any]:
    tls_context(url)  # reports mistakes in the files with our messages
    options = url.options
    settings: dict[str, Any] = {
        "ssl.ca.location": options.ca_file or "probe",
        "enable.ssl.certificate.verification": options.verify,
        "ssl.endpoint.identification.algorithm": "https" if options.verify else "none",
    }
    if options.cert_file is not None:
        settings["ssl.certificate.location"] = options.cert_file
        settings["ssl.key.location"] = options.key_file or options.cert_file
    return settings


def _sasl(url: SinkUrl[KafkaOptions], *, secure: bool) -> dict[str, Any]:
    has_password = url.secret("password") is not None
    if (url.user is not None) != has_password:
        raise InputError(f"-o {url.shown}: needs both a user, as in kafka://user@host, and password_env or _file")
    if url.user is None:
        if url.options.sasl is not None:
            raise InputError(f"-o {url.shown}: sasl={url.options.sasl}: needs a user and a password")
        return {"security.protocol": "ssl" if secure else "plaintext"}
    return {
        "security.protocol": "sasl_ssl" if secure else "sasl_plaintext",
        "sasl.mechanism": url.options.sasl or "SCRAM-SHA-512",
        "sasl.username": url.user,
    }


def _receipt(answers: "Sequence[DeliveryReport]") -> Receipt:
    """Return the answers as a receipt.

    Raises:
        TryLaterError, AccessDeniedError: when nothing of the batch was settled.
    """
    from scanner.delivery.receivers.kafka_producer import DeliveryOutcome  # noqa: PLC0415  needs the extra

    refused = tuple(
        RefusedEvent(place, answer.reason)
        for place, answer in enumerate(answers)
        if answer.outcome is DeliveryOutcome.REFUSED
    )
    left = [
        place
        for place, answer in enumerate(answers)
        if answer.outcome in (DeliveryOutcome.LATER, DeliveryOutcome.DENIED)
    ]
    if not left:
        return Receipt(refused=refused)
    denied = [answers[place].reason for place in left if answers[place].outcome is DeliveryOutcome.DENIED]
    reason = denied[0] if denied else answers[left[0]].reason
    if len(left) == len(answers):
        raise AccessDeniedError(reason) if denied else TryLaterError(reason)
    return Receipt(refused=refused, retry=tuple(left), reason=reason)


KIND = SinkKind(
    summary="Kafka: one record an event, keyed by target, from an idempotent producer",
    example="kafka://host:9092,other:9092/TOPIC",
    formats=("native", "ecs", "ocsf", "cef", "leef", "gelf"),
    make=KafkaReceiver,
    options=KafkaOptions,
    secrets=("password",),
)
