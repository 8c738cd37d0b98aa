"""Claims about `delivery.receivers.syslog` over TCP, and what is below it: broken connections, names, the end."""

import asyncio
import re
import socket
from typing import Any

import pytest

from scanner.delivery.receivers import gelf, syslog
from scanner.delivery.receivers.receiver import TAKEN, Receipt, RefusedEvent, TryLaterError
from scanner.delivery.receivers.stream_connection import StreamConnection
from scanner.delivery.receivers.syslog_message import MessageStyle, frame, message
from scanner.delivery.receivers.urls import SinkKind
from scanner.errors import InputError
from tests.support.syslog_collector import Collector, event, receiver, unframed, until, until_connected
from tests.support.waiting import eventually

STYLE = MessageStyle(hostname="probe1")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("facility=local8", "facility"),
        ("hostname=a%20b", "without a space"),
        ("hostname=", "without a space"),
        (f"hostname={'h' * 256}", "1 to 255"),
        ("max_bytes=1023", "from 1024"),
        ("enterprise=4294967296", "from 0 to 4294967295"),
        ("format=gelf", "must be one of native, cef, leef, ecs, ocsf"),
        ("resend_bytes=-1", "from 0"),
        ("rate=5", "is not an option"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(query: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        receiver(f"syslog+tcp://127.0.0.1:1?{query}")


# Over TCP.


async def test_events_arrive_in_order_as_frames(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    assert await one.send([event(1), event(2)]) == TAKEN
    assert await one.send([event(3)]) == TAKEN
    await one.close()
    assert unframed(bytes(collector.said[0])) == [message(event(number), STYLE) for number in (1, 2, 3)]


@pytest.mark.parametrize("control", [b"\n", b"\r", b"\0", b"\x1b", b"\x7f"])
async def test_a_control_character_never_goes_out(collector: Collector, control: bytes) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    receipt = await one.send([event(1), event(2, b"a" + control + b"<1>1 forged"), event(3)])
    assert await one.send([event(4, control)]) == Receipt(
        refused=(RefusedEvent(0, f"holds the control character \\x{control[0]:02x}"),)
    )
    await one.close()
    assert [refused.place for refused in receipt.refused] == [1]
    assert unframed(bytes(collector.said[0])) == [message(event(number), STYLE) for number in (1, 3)]


async def test_what_was_sent_last_goes_again_before_anything_new_when_the_connection_broke(
    collector: Collector,
) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    await one.send([event(1)])
    await one.send([event(2)])
    await until(collector, 0, 1)
    await collector.reset()
    with pytest.raises(TryLaterError):
        await one.send([event(3)])
    assert await one.send([event(3)]) == TAKEN
    await one.close()
    assert unframed(bytes(collector.said[1])) == [message(event(number), STYLE) for number in (1, 2, 3)]


async def test_no_more_is_sent_again_than_was_asked_for(collector: Collector) -> None:
    size = len(frame(message(event(), STYLE)))
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1&resend_bytes={2 * size - 1}")
    await one.open("run")
    for number in (1, 2, 3, 4):
        await one.send([event(number)])
    await one.open("run")
    await one.close()
    assert unframed(bytes(collector.said[1])) == [message(event(number), STYLE) for number in (3, 4)]


async def test_a_receiver_that_closed_has_taken_nothing_more(collector: Collector) -> None:
    """Its kernel would still acknowledge what comes after its program has gone."""
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}")
    await one.open("run")
    await until_connected(collector)
    collector.writers[0].close()
    await collector.writers[0].wait_closed()
    with pytest.raises(TryLaterError, match="ConnectionResetError"):
        await one.send([event()])
    await one.close()


async def test_what_the_other_kernel_has_not_acknowledged_is_not_taken(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?timeout=0.3&max_bytes=1000000")
    await one.open("run")
    collector.reads.clear()
    with pytest.raises(TryLaterError, match="no answer in time"):
        await one.send([event(number, b"x" * 100_000) for number in range(10)])
    collector.reads.set()
    await one.close()


async def test_the_end_waits_until_everything_was_read(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    await until_connected(collector)
    collector.reads.clear()
    await asyncio.sleep(0)
    await one.send([event(1)])
    closing = asyncio.create_task(one.close())
    done, _ = await asyncio.wait([closing], timeout=0.1)
    assert not done
    collector.reads.set()
    await closing
    assert unframed(bytes(collector.said[0])) == [message(event(1), STYLE)]


async def test_a_receiver_that_breaks_off_at_the_end_gets_again_what_it_had_not_read(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    await until_connected(collector)
    collector.reads.clear()
    await one.send([event(1)])
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0.01)
    await collector.reset()
    collector.reads.set()
    await closing
    assert unframed(bytes(collector.said[-1])) == [message(event(1), STYLE)]
    assert len(collector.said) == 2


@pytest.mark.parametrize("last_words", ["close", "half close"])
async def test_a_close_that_no_task_has_seen_yet_is_seen_before_anything_counts_as_sent(last_words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = await StreamConnection.open("127.0.0.1", listening.getsockname()[1], None)
        accepted, _ = listening.accept()
        with accepted:
            if last_words == "close":
                accepted.close()
            else:
                accepted.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionResetError):
                await connection.write(b"x")
    await connection.abort()


async def test_connecting_can_be_stopped_and_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()
    sockets: list[socket.socket] = []

    async def never(one: socket.socket, address: object) -> None:
        sockets.append(one)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "sock_connect", never)
    opening = asyncio.create_task(StreamConnection.open("127.0.0.1", 9, None))
    await begun.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert sockets[0].fileno() == -1


async def test_what_a_receiver_lost_at_the_very_end_goes_again(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    await one.open("run")
    await one.send([event(1)])
    await until_connected(collector)
    await collector.reset()
    await one.close()
    assert unframed(bytes(collector.said[1])) == [message(event(1), STYLE)]


async def test_without_a_sign_at_the_end_the_user_is_told(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?timeout=1")
    await one.open("run")
    await one.send([event(1)])
    await until_connected(collector)
    await collector.stop()
    await one.close()
    assert "ended without a sign that the last" in caplog.text
    await collector.start()


async def test_sending_again_that_is_stopped_half_way_begins_anew_at_the_end(collector: Collector) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1&max_bytes=1000000")
    large = [event(number, b"x" * 900_000) for number in range(6)]
    await one.open("run")
    for each in large:
        await one.send([each])
    collector.reads.clear()
    opening = asyncio.create_task(one.open("run"))
    await eventually(lambda: len(collector.said) >= 2)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    collector.reads.set()
    await one.close()
    style = MessageStyle(hostname="probe1", max_bytes=1_000_000)
    assert unframed(bytes(collector.said[-1])) == [message(each, style) for each in large]


async def test_of_several_hosts_the_next_takes_over(collector: Collector, unused_tcp_port: int) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{unused_tcp_port},127.0.0.1:{collector.port}?hostname=probe1")
    with pytest.raises(TryLaterError, match="Connection refused"):
        await one.open("run")
    await one.open("run")
    assert await one.send([event(1)]) == TAKEN
    await one.close()
    assert unframed(bytes(collector.said[0])) == [message(event(1), STYLE)]


@pytest.mark.parametrize(
    ("scheme", "kind"), [("syslog+udp", syslog.UDP_KIND), ("syslog+tcp", syslog.KIND), ("gelf+tcp", gelf.KIND)]
)
@pytest.mark.parametrize("failure", [socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("label empty")])
async def test_a_name_without_address_is_tried_later(
    scheme: str, kind: SinkKind[Any], failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    sink = receiver(f"{scheme}://a..b", kind)
    with pytest.raises(TryLaterError, match=r"no such name|UnicodeError: label empty"):
        await sink.open("run")
    await sink.close()


async def test_the_next_address_of_a_name_is_tried(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, collector.port)) for address in ("127.0.0.2", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    one = receiver(f"syslog+tcp://siem.example:{collector.port}?hostname=probe1")
    await one.open("run")
    assert await one.send([event(1)]) == TAKEN
    await one.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(TryLaterError, match="has no address"):
        await one.open("run")


async def test_a_message_that_is_too_long_is_refused_unless_it_may_be_cut(collector: Collector) -> None:
    long = event(body=b"x" * 9000)
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1")
    refused = await one.send([event(), long])
    await one.close()
    cut = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?hostname=probe1&long=cut")
    taken = await cut.send([long])
    await cut.close()

    (alone,) = refused.refused
    assert alone.place == 1
    assert re.fullmatch(r"91\d\d bytes, more than max_bytes=8192: raise it here .*, or set long=cut", alone.reason)
    assert taken.refused == ()
