"""Claims about the URL of a Kafka topic, and what becomes of it; nothing is sent."""

import importlib.util
from pathlib import Path

import pytest

from scanner.delivery.receivers.kafka import KIND, KafkaReceiver, librdkafka_settings
from scanner.delivery.receivers.urls import SinkUrl
from scanner.errors import InputError
from tests.support.certificates import make_certificate
from tests.support.sink_receivers import receiver_of


def receiver(url: str) -> KafkaReceiver:
    return receiver_of(url, KafkaReceiver)


@pytest.mark.parametrize("path", ["", "/", "/a/b", "/a b", "/.", "/..", "/" + "a" * 250, "/a%00", "/é"])
def test_the_path_must_name_a_topic(path: str) -> None:
    with pytest.raises(InputError, match="the path must name a topic"):
        receiver(f"kafka://127.0.0.1{path}")


def test_user_and_password_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret")
    for url in ("kafka://alice@127.0.0.1/t", "kafka://127.0.0.1/t?password_env=PASSWORD"):
        with pytest.raises(InputError, match=r"needs both a user, .* and password_env"):
            receiver(url)
    with pytest.raises(InputError, match="sasl=PLAIN: needs a user and a password"):
        receiver("kafka://127.0.0.1/t?sasl=PLAIN")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("kafka://127.0.0.1/t", {"security.protocol": "plaintext", "bootstrap.servers": "127.0.0.1:9092"}),
        ("kafka://[::1],b2:7/t", {"bootstrap.servers": "[::1]:9092,b2:7"}),
        ("kafka+tls://b1,b2/t", {"security.protocol": "ssl", "bootstrap.servers": "b1:9093,b2:9093",
                                 "enable.ssl.certificate.verification": True, "ssl.ca.location": "probe",
                                 "ssl.endpoint.identification.algorithm": "https"}),
        ("kafka+tls://b1/t?verify=no", {"enable.ssl.certificate.verification": False,
                                        "ssl.endpoint.identification.algorithm": "none"}),
        ("kafka+tls://alice@b1/t?password_env=PASSWORD", {"security.protocol": "sasl_ssl", "sasl.username": "alice",
                                                          "sasl.mechanism": "SCRAM-SHA-512"}),
        ("kafka://alice@b1/t?password_env=PASSWORD&sasl=PLAIN", {"security.protocol": "sasl_plaintext",
                                                                 "sasl.mechanism": "PLAIN"}),
        ("kafka://b1/t", {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 0, "client.id": "smtpsweep",
                          "enable.metrics.push": False}),
        ("kafka://b1/t?client_id=x&compression=zstd&max_bytes=5000",
         {"client.id": "x", "compression.type": "zstd", "message.max.bytes": 5000, "batch.size": 5000}),
    ],
)  # fmt: skip
def test_a_url_becomes_a_configuration_without_the_password(
    url: str, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret")
    configuration = librdkafka_settings(SinkUrl(url, KIND))

    assert {name: configuration[name] for name in expected} == expected
    assert "s3cret" not in str(configuration)


def test_certificate_and_key_go_to_the_producer(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    pem.write_bytes(b"".join(make_certificate()))
    configuration = librdkafka_settings(SinkUrl(f"kafka+tls://b1/t?cert_file={pem}&ca_file={pem}", KIND))

    assert {configuration[f"ssl.{name}.location"] for name in ("ca", "certificate", "key")} == {str(pem)}
    with pytest.raises(InputError, match="cannot be used"):
        receiver(f"kafka+tls://b1/t?ca_file={tmp_path}/nothing.pem")


async def test_a_file_that_has_gone_since_is_the_users_affair(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    pem.write_bytes(b"".join(make_certificate()))
    one = receiver(f"kafka+tls://127.0.0.1/t?ca_file={pem}")
    pem.unlink()
    with pytest.raises(InputError, match=r"-o kafka\+tls://127\.0\.0\.1/t: .*ssl\.ca\.location"):
        await one.open("run")


def test_without_the_extra_it_is_said_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs confluent-kafka: pip install 'smtpsweep\[kafka\]'"):
        receiver("kafka://127.0.0.1/t")
