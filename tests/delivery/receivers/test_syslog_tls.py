"""Claims about syslog over TLS: certificates on both sides, alerts, and servers that do not speak it."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from scanner.delivery.receivers import syslog
from scanner.delivery.receivers.receiver import TAKEN, AccessDeniedError, TryLaterError
from scanner.delivery.receivers.syslog_message import MessageStyle, message
from tests.support.certificates import Pem
from tests.support.syslog_collector import Collector, event, receiver, unframed, until, until_connected

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
