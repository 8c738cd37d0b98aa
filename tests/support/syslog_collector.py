"""A receiver of syslog and GELF in the test's own loop, the events that it gets, and its frames taken apart."""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from typing import Any, Self

from scanner.delivery.receivers import syslog
from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.formats.event import Event
from tests.support.waiting import eventually


def event(number: int = 1, body: bytes = b"{}", key: str = "192.0.2.1 25") -> Event:
    return Event(f"id-{number}", key, 1_795_342_616.123, 6, body)


def unframed(stream: bytes) -> list[bytes]:
    """Take octet-counted frames apart (RFC 6587, 3.4.1); what is cut off at the end is no message."""
    messages = []
    while stream:
        length, _, rest = stream.partition(b" ")
        assert re.fullmatch(rb"[1-9][0-9]*", length)
        if len(rest) < int(length):
            break
        messages.append(rest[: int(length)])
        stream = rest[int(length) :]
    return messages


def receiver(text: str, kind: SinkKind[Any] = syslog.KIND) -> Receiver:
    return kind.make(SinkUrl(text, kind))


class Collector:
    """A receiver in the test's own loop: what each connection said; it can stop reading, close, and reset."""

    def __init__(self) -> None:
        self.said: list[bytearray] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext | None = None) -> Self:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # who does not read is noticed early
        one.bind(("127.0.0.1", self.port))
        self.port = one.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=one, ssl=context, limit=4096)
        return self

    async def stop(self) -> None:
        """End it; the port stays known, so that it can be started again."""
        assert self._server is not None
        self._server.close()
        await self.reset()
        await self._server.wait_closed()  # from Python 3.12 on it waits for the connections, too

    async def reset(self) -> None:
        """Break every connection off, with what was not read."""
        for writer in list(self.writers):
            one = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self.writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        said = bytearray()
        self.said.append(said)
        with contextlib.suppress(OSError):
            while True:
                await self.reads.wait()
                data = await reader.read(4096)
                said += data
                if not data:
                    break
        writer.close()
        with contextlib.suppress(ValueError):  # reset
            self.writers.remove(writer)


async def until_connected(collector: Collector) -> None:
    await eventually(lambda: collector.writers)


async def until(collector: Collector, number: int, size: int) -> bytes:
    """Wait until a connection has sent this many bytes; return them."""
    await eventually(lambda: len(collector.said) > number and len(collector.said[number]) >= size)
    return bytes(collector.said[number])
