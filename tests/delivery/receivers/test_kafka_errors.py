"""Claims about `delivery.receivers.kafka_errors`."""

import logging

import pytest
from confluent_kafka import KafkaError

from scanner.delivery.receivers.kafka_errors import BrokerLog, error_text
from scanner.delivery.redaction import Redaction


def test_what_a_broker_says_is_printable_short_and_the_same_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    BrokerLog(Redaction()).log(3, "%s", "said \x1b[31mred\nforged line")

    assert caplog.messages == [r"'said \x1b[31mred\nforged line'"]
    assert error_text(KafkaError(KafkaError._SSL, "evil \x1b[31m\n"), Redaction()) == r"'_SSL: evil \x1b[31m\n'"
    assert len(error_text(KafkaError(KafkaError._SSL, "x" * 5000), Redaction())) == 300
    refused = "h:1: Connect failed: Connection refused"
    for varying in (" (after 12ms in state CONNECT)", " (after 3ms in state CONNECT, 7 identical error(s) suppressed)"):
        assert error_text(KafkaError(KafkaError._TRANSPORT, refused + varying), Redaction()) == f"_TRANSPORT: {refused}"
