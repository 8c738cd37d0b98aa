"""Claims about `delivery.receivers.syslog`, `gelf` and what is below them: bytes, frames, broken connections, TLS."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.receivers import gelf, syslog
from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, Receipt, RefusedEvent, TryLaterError
from scanner.delivery.receivers.stream_connection import StreamConnection
from scanner.delivery.receivers.syslog_message import MessageStyle, frame, message, own_hostname
from scanner.delivery.receivers.urls import SinkKind
from scanner.errors import InputError
from scanner.formats import make_format
from tests.receivers import hostile
from tests.support.certificates import Pem
from tests.support.syslog_collector import Collector, event, receiver, unframed, until_connected

STYLE = MessageStyle(hostname="probe1")
#: RFC 5424, 6: written from its ABNF, for reading back what we write.
GRAMMAR = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 (?P<time>-|[0-9T:.-]+Z) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb'(?P<proc>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) \[(?P<sdid>[^ =\]"]{1,32})'
    rb'(?P<sd>(?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\] (?P<msg>.*)',
    re.DOTALL,
)
PARAM = re.compile(rb' ([a-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')


def parsed(raw: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read a message back: its parts, and its structured data without escapes."""
    match = GRAMMAR.fullmatch(raw)
    assert match is not None
    data = {name.decode(): re.sub(rb"\\(.)", rb"\1", value).decode() for name, value in PARAM.findall(match["sd"])}
    return match.groupdict(), data


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    one = await Collector().start()
    yield one
    await one.stop()


async def until(collector: Collector, number: int, size: int) -> bytes:
    """Wait until a connection has said so much."""
    while len(collector.said) <= number or len(collector.said[number]) < size:
        await asyncio.sleep(0.005)
    return bytes(collector.said[number])


# The message.


def test_a_message_is_what_rfc_5424_says_byte_by_byte() -> None:
    assert message(event(), STYLE) == (
        b'<134>1 2026-11-22T10:16:56.123000Z probe1 smtpsweep - native [smtpsweep@32473 id="id-1" ip="192.0.2.1"'
        b' port="25"] {}'
    )


def test_facility_severity_enterprise_and_format_are_the_users() -> None:
    style = MessageStyle(name="cef", hostname="h", facility="local7", enterprise=4294967295)
    raw = message(event()._replace(severity=3, time_s=None, key="[2001:db8::1]"), style)
    assert raw == b'<187>1 - h smtpsweep - cef [smtpsweep@4294967295 id="id-1"] {}'


def test_what_structured_data_must_escape_is_escaped_and_reads_back_equal() -> None:
    hostile = 'a"b]c\\d] x="1" [forged@1 y="2"]'
    parts, data = parsed(message(event(key=f"{hostile.replace(' ', '_')} 25")._replace(id=hostile), STYLE))
    assert data == {"id": hostile, "ip": hostile.replace(" ", "_"), "port": "25"}
    assert (parts["sdid"], parts["msg"]) == (b"smtpsweep@32473", b"{}")


def test_ascii_has_no_byte_order_mark_and_other_text_has_one() -> None:
    assert parsed(message(event(body=b"plain"), STYLE))[0]["msg"] == b"plain"
    assert parsed(message(event(body="m\u00e4il".encode()), STYLE))[0]["msg"] == b"\xef\xbb\xbfm\xc3\xa4il"


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])), st.integers(1024, 1300))
def test_a_long_message_is_cut_at_the_end_of_a_character_and_says_so(text: str, max_bytes: int) -> None:
    body = (text * 1400)[:1400].encode()
    style = MessageStyle(hostname="h" * 255, max_bytes=max_bytes)
    raw = message(event(body=body), style)
    parts, data = parsed(raw)
    said = parts["msg"].removeprefix(b"\xef\xbb\xbf") if not body.isascii() else parts["msg"]
    assert len(raw) <= max_bytes
    assert body.startswith(said)
    assert said.decode() is not None
    assert (data.get("truncated") == "1") is (said != body)
    assert said == body or len(raw) > max_bytes - 4 - len(b' truncated="1"')


@pytest.mark.parametrize("beyond", range(5))
def test_no_character_is_cut_in_two(beyond: int) -> None:
    room = 1024 - len(message(event(), STYLE)) + 2 - len(b' truncated="1"') - 3  # of text, behind the order mark
    body = b"x" * (room - beyond) + "\U0001f600".encode() + b"x" * 99
    said = parsed(message(event(body=body), MessageStyle(hostname="probe1", max_bytes=1024)))[0]["msg"]
    assert said == b"\xef\xbb\xbf" + body[: room if beyond in (0, 4) else room - beyond]


def test_a_frame_counts_octets_so_that_no_line_end_begins_a_message() -> None:
    assert frame("\u00e4\n<1>1 forged".encode()) == b"14 \xc3\xa4\n<1>1 forged"
    assert unframed(frame(b"a\nb") + frame(b"10 x")) == [b"a\nb", b"10 x"]


def test_a_machine_whose_name_is_no_hostname_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "forged host")
    assert own_hostname() == "-"


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
    while len(collector.said) < 2:
        await asyncio.sleep(0.005)
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


# Over TLS.


@pytest.fixture
def pem(tmp_path: Path) -> Pem:
    return Pem(tmp_path)


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
@pytest.mark.parametrize("tickets", [True, False])
async def test_tls_carries_the_same_frames(pem: Pem, version: ssl.TLSVersion, tickets: bool) -> None:
    collector = await Collector().start(pem.server(version, mutual=True, tickets=tickets))
    one = receiver(
        f"syslog+tls://127.0.0.1:{collector.port}?hostname=probe1&ca_file={pem.own}&cert_file={pem.own}"
        "&max_bytes=1000000"
    )
    await one.open("run")
    large = [event(number, b"x" * 200_000) for number in range(5)]
    assert await one.send(large) == TAKEN
    await one.close()
    assert unframed(bytes(collector.said[0])) == [
        message(one, MessageStyle(hostname="probe1", max_bytes=1_000_000)) for one in large
    ]
    await collector.stop()


@VERSIONS
async def test_a_server_that_nobody_vouches_for_gets_nothing(pem: Pem, version: ssl.TLSVersion) -> None:
    collector = await Collector().start(pem.server(version))
    one = receiver(f"syslog+tls://127.0.0.1:{collector.port}?ca_file={pem.stranger}")
    with pytest.raises(AccessDeniedError, match="CERTIFICATE_VERIFY_FAILED"):
        await one.open("run")
    await one.close()
    await collector.stop()
    assert not b"".join(collector.said)


@contextlib.contextmanager
def strict_server(context: ssl.SSLContext) -> Iterator[int]:
    """Accept one connection in a thread, as OpenSSL alone does it: asyncio's server sends no alerts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted, contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


@VERSIONS
@pytest.mark.parametrize("certificate", ["", "&cert_file={}"])
async def test_a_server_that_does_not_know_us_says_so_before_anything_counts_as_taken(
    pem: Pem, version: ssl.TLSVersion, certificate: str
) -> None:
    with strict_server(pem.server(version, mutual=True)) as port:
        one = receiver(f"syslog+tls://127.0.0.1:{port}?ca_file={pem.own}{certificate.format(pem.stranger)}")
        with pytest.raises(AccessDeniedError, match="ALERT"):
            await one.open("run")
        await one.close()


async def test_without_a_sign_at_all_from_a_silent_receiver_the_end_comes_all_the_same(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    one = receiver(f"syslog+tcp://127.0.0.1:{collector.port}?timeout=0.2")
    await one.open("run")
    await until_connected(collector)
    collector.reads.clear()
    await one.send([event(1)])
    await one.close()
    assert "ended without a sign" in caplog.text
    collector.reads.set()


async def test_a_server_that_speaks_no_tls_is_not_trusted(pem: Pem, collector: Collector) -> None:
    one = receiver(f"syslog+tls://127.0.0.1:{collector.port}?ca_file={pem.own}&timeout=0.2")
    with pytest.raises(TryLaterError, match="no answer in time"):
        await one.open("run")
    opening = asyncio.create_task(one.open("run"))
    await until(collector, 1, 1)
    collector.writers[-1].close()
    with pytest.raises(TryLaterError, match=r"closed by the receiver in the TLS handshake|ConnectionResetError"):
        await opening
    await one.close()


async def test_tls_to_a_port_that_speaks_something_else_wants_a_person(pem: Pem, collector: Collector) -> None:
    one = receiver(f"syslog+tls://127.0.0.1:{collector.port}?ca_file={pem.own}")
    opening = asyncio.create_task(one.open("run"))
    await until(collector, 0, 1)
    collector.writers[0].write(b"220 mail.example.com ESMTP\r\n")
    with pytest.raises(AccessDeniedError, match="WRONG_VERSION_NUMBER"):
        await opening
    await one.close()


@VERSIONS
async def test_a_tls_server_that_closes_has_taken_nothing_more(pem: Pem, version: ssl.TLSVersion) -> None:
    collector = await Collector().start(pem.server(version))
    one = receiver(f"syslog+tls://127.0.0.1:{collector.port}?ca_file={pem.own}")
    await one.open("run")
    await until_connected(collector)
    collector.writers[0].close()
    assert isinstance(one, syslog.SyslogReceiver)
    assert one._client._connection is not None
    await asyncio.wait([one._client._connection._listening])
    with pytest.raises(TryLaterError, match="ConnectionResetError"):
        await one.send([event()])
    await collector.stop()
    await one.close()


# Over UDP.


@pytest.fixture
def datagrams() -> Sequence[socket.socket]:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    one.settimeout(5)
    return [one]


async def test_udp_sends_a_datagram_for_each_event_and_refuses_what_is_too_large(
    datagrams: Sequence[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    (one,) = datagrams
    sink = receiver(f"syslog+udp://127.0.0.1:{one.getsockname()[1]}?hostname=probe1&max_bytes=100000", syslog.UDP_KIND)
    with one:
        await sink.open("run")
        receipt = await sink.send([event(1), event(2, b"x" * 70_000), event(3, b"\0"), event(4)])
        await sink.close()
        got = [one.recv(65536), one.recv(65536)]
    assert got == [message(event(number), STYLE) for number in (1, 4)]
    assert {refused.place: refused.reason for refused in receipt.refused} == {
        1: "too large for a datagram: set a smaller max_bytes",
        2: "holds the control character \\x00",
    }
    assert [record.levelno for record in caplog.records if "UDP loses messages" in record.message] == [logging.WARNING]


async def test_udp_to_a_port_where_nobody_listens_is_tried_later(unused_udp_port: int) -> None:
    sink = receiver(f"syslog+udp://127.0.0.1:{unused_udp_port}", syslog.UDP_KIND)
    with pytest.raises(TryLaterError, match="Connection refused"):
        await sink.send([event(number) for number in range(10)])  # the answer to one fails another
    await sink.close()


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EAGAIN])
async def test_udp_without_room_in_the_kernel_sends_the_rest_later(number: int) -> None:
    class Full(socket.socket):
        left = 2

        def send(self, data: object, flags: int = 0) -> int:
            if not self.left:
                raise OSError(number, "no room")
            self.left -= 1
            return 1

    sink = receiver("syslog+udp://127.0.0.1:9", syslog.UDP_KIND)
    assert isinstance(sink, syslog.DatagramReceiver)
    sink._socket = Full(socket.AF_INET, socket.SOCK_DGRAM)
    receipt = await sink.send([event(1), event(2, b"\n"), event(3), event(4), event(5)])
    await sink.close()
    assert (receipt.retry, [one.place for one in receipt.refused]) == ((3, 4), [1])
    assert receipt.reason == os.strerror(number)


def test_udp_takes_one_host() -> None:
    with pytest.raises(InputError, match="must name one host"):
        receiver("syslog+udp://127.0.0.1,127.0.0.2", syslog.UDP_KIND)


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


# GELF.


async def test_gelf_objects_are_ended_by_nul_and_those_that_would_break_it_are_refused(collector: Collector) -> None:
    one = receiver(f"gelf+tcp://127.0.0.1:{collector.port}?max_bytes=1024", gelf.KIND)
    await one.open("run")
    receipt = await one.send([event(1, b'{"a":1}'), event(2, b"x\0y"), event(3, b"x" * 1025), event(4, b"x" * 1024)])
    assert (await one.send([event(5, b"\0")])).refused == (RefusedEvent(0, "holds a NUL, which would end it"),)
    await one.close()
    assert bytes(collector.said[0]) == b'{"a":1}\0' + b"x" * 1024 + b"\0"
    assert receipt.refused == (
        RefusedEvent(1, "holds a NUL, which would end it"),
        RefusedEvent(2, "larger than max_bytes=1024"),
    )


async def test_what_hostile_servers_say_comes_out_of_a_gelf_stream_one_object_an_event(collector: Collector) -> None:
    """Taken apart at each NUL and parsed by the standard library's JSON, as Graylog's input would: none is forged."""
    form = make_format("gelf")
    events = [one for line in hostile.lines() for one in form.events(orjson.loads(line), line.rstrip(b"\n"))]
    one = receiver(f"gelf+tcp://127.0.0.1:{collector.port}", gelf.KIND)
    await one.open("run")
    assert await one.send(events) == TAKEN
    await one.close()
    *objects, rest = bytes(collector.said[0]).split(b"\0")
    assert rest == b""
    found = [json.loads(raw) for raw in objects]
    assert [(each["_event_id"], each["host"], each["full_message"]) for each in found] == [
        (document["event_id"], "smtpsweep", document["banner"]["text"]) for document in hostile.documents()
    ]


async def test_gelf_over_tls_verifies_the_server(pem: Pem) -> None:
    collector = await Collector().start(pem.server(ssl.TLSVersion.TLSv1_3))
    one = receiver(f"gelf+tls://127.0.0.1:{collector.port}?ca_file={pem.own}", gelf.KIND)
    await one.open("run")
    assert await one.send([event(1, b"{}")]) == TAKEN
    await one.close()
    assert bytes(collector.said[0]) == b"{}\0"
    await collector.stop()


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
