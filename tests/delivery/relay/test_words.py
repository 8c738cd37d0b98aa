"""`delivery.relay.words`: what the process for remote sinks says is a log line here, and never too much."""

import asyncio
import logging

import pytest

from scanner.delivery.redaction import Redaction
from scanner.delivery.relay.words import repeat_words


async def repeated(text: bytes, limit: int = 1 << 16) -> None:
    stream = asyncio.StreamReader(limit=limit)
    stream.feed_data(text)
    stream.feed_eof()
    await repeat_words(stream)


async def test_our_own_lines_keep_their_level_and_their_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await repeated(b"DEBUG:scanner.delivery.receivers.kafka:1 of 2\nERROR:scanner.delivery.relay.relay:100% lost %s\n")

    assert caplog.record_tuples == [
        ("scanner.delivery.receivers.kafka", logging.DEBUG, "1 of 2"),
        ("scanner.delivery.relay.relay", logging.ERROR, "100% lost %s"),
    ]


async def test_other_words_are_warnings_once_each_and_not_endless(caplog: pytest.LogCaptureFixture) -> None:
    words = [b"%%3|FAIL|rdkafka#1| %d\n" % number for number in range(500)]
    await repeated(b"".join([*words[:1] * 50, *words]))

    assert len(caplog.records) == 200
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert caplog.messages[:2] == ["%3|FAIL|rdkafka#1| 0", "%3|FAIL|rdkafka#1| 1"]


async def test_a_line_without_an_end_and_bytes_that_are_no_text_are_no_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await repeated(b"x" * 5000 + b"\n\xff\x1b[2J\nunfinished", limit=1000)

    assert caplog.messages == ["\\xff\x1b[2J", "unfinished"]


async def test_no_word_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(b"library: Authorization: Splunk s3cret-token-0123456789\n")
    stream.feed_eof()

    await repeat_words(stream, [Redaction("s3cret-token-0123456789")])

    assert caplog.messages == ["library: Authorization: Splunk ***"]


async def test_a_process_without_standard_error_is_no_trouble() -> None:
    await repeat_words(None)
