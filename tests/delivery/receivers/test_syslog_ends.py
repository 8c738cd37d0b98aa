"""Claims about how a syslog sink's connection ends, and about a receiver that speaks, which nobody asks it to do."""

import logging
import ssl

import pytest

from scanner.delivery.receivers.receiver import TAKEN, Receiver, TryLaterError
from tests.support.certificates import Pem
from tests.support.syslog_collector import Collector, event, receiver, unframed
from tests.support.waiting import eventually


async def test_what_a_receiver_says_over_tls_is_read_over_and_changes_nothing(pem: Pem) -> None:
    collector = await Collector().start(pem.server(ssl.TLSVersion.TLSv1_3))
    one = receiver(f"syslog+tls://127.0.0.1:{collector.port}?ca_file={pem.own}")
    await one.open("run")
    assert await one.send([event()]) == TAKEN
    collector.writers[0].write(b"welcome, whoever you are\n" * 100)
    await collector.writers[0].drain()
    assert await one.send([event()]) == TAKEN
    await one.close()
    await collector.stop()

    assert len(unframed(bytes(collector.said[0]))) == 2


@pytest.mark.parametrize("sends", [False, True])
async def test_a_receiver_that_never_reads_to_the_end_is_left_and_what_may_be_lost_is_said(
    sends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    collector = await Collector().start()
    collector.reads.clear()
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?timeout=0.2")
    await one.open("run")
    if sends:
        assert await one.send([event()]) == TAKEN  # by its kernel
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        await one.close()
    collector.reads.set()
    await collector.stop()

    assert ("ended without a sign that the last" in caplog.text) is sends


async def send_for_ever(one: Receiver) -> None:
    while True:
        await one.send([event()])


@pytest.mark.parametrize("secure", [False, True])
async def test_a_web_server_has_not_taken_what_it_answers(secure: bool, pem: Pem) -> None:
    """It reads all and closes in good order, as a receiver of syslog does, but not without a word."""
    collector = await Collector().start(pem.server(ssl.TLSVersion.TLSv1_3) if secure else None)
    scheme, query = ("syslog+tls", f"?ca_file={pem.own}") if secure else ("syslog+tcp", "")
    one = receiver(f"{scheme}://127.0.0.1:{collector.port}{query}")
    await one.open("run")
    assert await one.send([event()]) == TAKEN  # by its kernel
    await eventually(lambda: collector.writers)
    collector.writers[0].write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await collector.writers[0].drain()
    with pytest.raises(TryLaterError, match="a web server answers there"):
        await send_for_ever(one)

    assert getattr(one, "unconfirmed_from", None) is not None
    await collector.stop()
    await one.close()
    assert getattr(one, "unconfirmed_from", None) is not None


@pytest.mark.parametrize("breaks", [False, True])
async def test_what_is_not_kept_to_be_sent_again_is_not_taken_for_read_either(breaks: bool) -> None:
    collector = await Collector().start()
    collector.reads.clear()
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?timeout=0.2&resend_bytes=0")
    await one.open("run")
    assert await one.send([event()]) == TAKEN  # by its kernel
    assert getattr(one, "unconfirmed_from", None) is not None  # at once, not only at the end
    if breaks:
        await eventually(lambda: collector.writers)
        await collector.reset()
    await one.close()
    collector.reads.set()
    await collector.stop()

    assert getattr(one, "unconfirmed_from", None) is not None
