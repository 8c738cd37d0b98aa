"""Claims about syslog over UDP."""

import errno
import logging
import os
import socket
from collections.abc import Sequence

import pytest

from scanner.delivery.receivers import syslog
from scanner.delivery.receivers.receiver import TryLaterError
from scanner.delivery.receivers.syslog_message import MessageStyle, message
from scanner.errors import InputError
from tests.support.syslog_collector import event, receiver

STYLE = MessageStyle(hostname="probe1")


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
