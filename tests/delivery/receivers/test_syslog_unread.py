"""Claims about what a stream sink says of events that may not have been read, and a datagram that nobody took."""

import logging
from typing import Any

import pytest

from scanner.delivery.receivers import gelf, stream_client, syslog
from scanner.delivery.receivers.receiver import TAKEN, TryLaterError
from scanner.delivery.receivers.urls import SinkKind
from tests.support.syslog_collector import Collector, event, receiver, until_connected


@pytest.mark.parametrize(("scheme", "kind"), [("syslog+tcp", syslog.KIND), ("gelf+tcp", gelf.KIND)])
async def test_what_was_sent_may_be_unread_until_the_receiver_has_read_to_the_end(
    collector: Collector, scheme: str, kind: SinkKind[Any]
) -> None:
    one = receiver(f"{scheme}://127.0.0.1:{collector.port}", kind)
    await one.open("run")
    assert getattr(one, "unconfirmed_from", "") is None
    for number in (7, 8):
        assert await one.send([event()._replace(sequence=number)]) == TAKEN
    assert getattr(one, "unconfirmed_from", "") == 7
    await one.close()

    assert getattr(one, "unconfirmed_from", "") is None


async def test_more_than_can_be_sent_again_stays_unread_when_the_connection_broke(
    collector: Collector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_client, "_CLOSE_ATTEMPTS", 2)
    collector.reads.clear()
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?resend_bytes=1")
    await one.open("run")
    for number in (7, 8):
        assert await one.send([event()._replace(sequence=number)]) == TAKEN
    await until_connected(collector)
    await collector.reset()
    collector.reads.set()
    with caplog.at_level(logging.WARNING):
        await one.close()

    assert getattr(one, "unconfirmed_from", "") == 7
    assert "they count as not delivered" in caplog.text
    assert b"".join(collector.said[1:]) == b""  # the second alone would hide that the first is missing


def test_only_what_no_kernel_can_still_hold_counts_as_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_client, "_KERNEL_BYTES", 10)
    window = stream_client._SentWindow(5)
    firsts = []
    for number in range(1, 6):
        window.add(b"1234", number)
        firsts.append((window.first, window.unread, window.size))

    assert firsts == [(1, 4, 4), (1, 8, 8), (1, 12, 8), (2, 12, 8), (3, 12, 8)]


async def test_one_datagram_that_nobody_took_is_found_out_though_it_went_out(unused_udp_port: int) -> None:
    sink = receiver(f"syslog+udp://127.0.0.1:{unused_udp_port}", syslog.UDP_KIND)
    with pytest.raises(TryLaterError, match="nothing listens there"):
        await sink.send([event()])
    await sink.close()
