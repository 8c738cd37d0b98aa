"""Our own LMTP and SMTP receiver: it takes one message for one recipient, and nothing else."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from scanner.smoke.mailboxes import MailboxError
from scanner.smoke.receiver import MAX_CLIENTS, MAX_MESSAGE_BYTES, MailReceiver

MARK = "0f8fad5b-d9cb-469f-a165-70867728950e"
HEADERS = f"Received: by h (Exim 4.96); Sun\r\nX-Smtpsweep-Smoke: {MARK}\r\n".encode()


def receiver(*, lmtp: bool = True, address: str = "127.0.0.1") -> MailReceiver:
    return MailReceiver((address, 0), lmtp=lmtp, recipient="Bob@Example.com", token=MARK)


async def converse(port: int, *pieces: bytes, host: str = "127.0.0.1") -> list[bytes]:
    """Send each piece after a reply has come; return the last lines of the replies, the greeting first."""
    reader, writer = await asyncio.open_connection(host, port)
    replies = [await _reply(reader)]
    for piece in pieces:
        writer.write(piece)
        replies.append(await _reply(reader))
    writer.close()
    return replies


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while (line := await reader.readline())[3:4] == b"-":
        pass
    return line.rstrip()


def codes(replies: Sequence[bytes]) -> list[bytes]:
    return [reply[:3] for reply in replies]


def mail(hello: bytes, to: bytes = b"Bob@EXAMPLE.com", message: bytes = HEADERS + b"\r\nbody\r\n") -> list[bytes]:
    return [hello + b" mta\r\n", b"MAIL FROM:<a@example.com>\r\n", b"RCPT TO:<" + to + b">\r\n", b"DATA\r\n",
            message + b".\r\n"]  # fmt: skip


@pytest.mark.parametrize(("lmtp", "hello"), [(True, b"LHLO"), (False, b"EHLO")])
async def test_our_message_is_taken_and_its_headers_are_returned(lmtp: bool, hello: bytes) -> None:
    async with receiver(lmtp=lmtp) as place:
        replies = await converse(place.port, *mail(hello), b"QUIT\r\n")

        assert codes(replies) == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
        assert await place.arrival() == HEADERS
        assert await place.arrival() == HEADERS  # and again: it does not go away


async def test_it_says_what_it_is_and_not_which_library_it_is_made_of() -> None:
    async with receiver() as place:
        (greeting, _) = await converse(place.port, b"QUIT\r\n")

    assert greeting.startswith(b"220 smtpsweep.invalid smtpsweep ")
    assert greeting.endswith(b" smoke test")


@pytest.mark.parametrize("to", [b"bob@example.com", b"Bob@example.org", b"Bob", b"a@example.com"])
async def test_another_recipient_is_refused(to: bytes) -> None:
    async with receiver() as place:
        assert codes(await converse(place.port, *mail(b"LHLO", to)[:4])) == [b"220", b"250", b"250", b"550", b"503"]


async def test_the_recipient_is_taken_once() -> None:
    *start, rcpt = mail(b"LHLO")[:3]
    async with receiver() as place:
        assert codes(await converse(place.port, *start, rcpt, rcpt))[-2:] == [b"250", b"452"]


@pytest.mark.parametrize(
    "message",
    [b"Subject: x\r\n\r\n" + HEADERS, HEADERS.replace(MARK.encode(), b"another"), b"", b"\r\n" + HEADERS],
)
async def test_a_message_that_is_not_ours_is_refused_and_no_arrival(message: bytes) -> None:
    async with receiver() as place:
        replies = await converse(place.port, *mail(b"LHLO", message=message + b"\r\n"))

        assert codes(replies)[-1] == b"550"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await place.arrival()


async def test_a_message_that_is_too_large_is_refused() -> None:
    message = HEADERS + b"\r\n" + (b"x" * 998 + b"\r\n") * (MAX_MESSAGE_BYTES // 1000 + 20)
    async with receiver() as place:
        assert codes(await converse(place.port, *mail(b"LHLO", message=message)))[-1] == b"552"


async def test_a_client_that_sends_without_end_is_dropped() -> None:
    """A line without an end, too, which aiosmtpd alone would keep growing."""
    async with receiver() as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        for piece in mail(b"LHLO")[:4]:
            await _reply(reader)
            writer.write(piece)
        assert await _is_dropped_while_sending(writer, b"x" * 65_536)
        writer.close()


async def _is_dropped_while_sending(writer: asyncio.StreamWriter, piece: bytes) -> bool:
    try:
        for _ in range(1000):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return True
    return False


async def test_a_client_too_many_is_turned_away_and_leaving_ends_them_all() -> None:
    async with receiver() as place:
        streams = [await asyncio.open_connection("127.0.0.1", place.port) for _ in range(MAX_CLIENTS)]
        greetings = [await _reply(reader) for reader, _ in streams]
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            turned_away = await reader.read()
        writer.close()

    assert codes(greetings) == [b"220"] * MAX_CLIENTS
    assert turned_away == b"421 4.7.0 Too many connections\r\n"
    for reader, writer in streams:
        assert await _read_end(reader) in {"reset", "closed"}
        writer.close()


async def _read_end(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(5):
            while await reader.read(100):
                pass
    except ConnectionError:
        return "reset"
    return "closed"


async def test_a_client_that_goes_away_makes_room() -> None:
    async with receiver() as place:
        for _ in range(2 * MAX_CLIENTS):
            assert codes(await converse(place.port, b"QUIT\r\n")) == [b"220", b"221"]


async def test_a_command_said_too_often_ends_the_session() -> None:
    async with receiver() as place:
        replies = await converse(place.port, *[b"NOOP\r\n"] * 21)

    assert codes(replies)[-2:] == [b"250", b"421"]


async def test_ipv6_is_listened_on_when_asked_for() -> None:
    async with receiver(address="::1") as place:
        assert codes(await converse(place.port, b"QUIT\r\n", host="::1")) == [b"220", b"221"]


async def test_a_port_that_is_taken_or_an_address_of_another_machine_is_said_before_anything_is_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MailboxError, match=rf"^cannot listen on 127.0.0.1 port {port}: .*in use"):
            async with MailReceiver(("127.0.0.1", port), lmtp=True, recipient="a@b.example", token=MARK):
                pass
    with pytest.raises(MailboxError, match=r"^cannot listen on 192\.0\.2\.1 port 2424: "):
        async with MailReceiver(("192.0.2.1", 2424), lmtp=True, recipient="a@b.example", token=MARK):
            pass
