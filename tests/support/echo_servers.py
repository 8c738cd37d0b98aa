"""Receivers that repeat everything they were told in their refusal: raw, percent-encoded, in base64, as JSON and repr.

Each speaks so much of its protocol that the real client library hands over its secret and gets an error with it back.
"""

import asyncio
import base64
import json
import re
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeAlias
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Serve: TypeAlias = Callable[[Reader, Writer], Awaitable[None]]


def repeated(text: str) -> str:
    """Return a text in every form in which a receiver may repeat it."""
    encoded = base64.b64encode(text.encode()).decode()
    forms = (text, quote(text, safe=""), encoded, quote(encoded, safe=""), json.dumps(text), repr(text), ascii(text))
    return " ".join((*forms, base64.urlsafe_b64encode(b"ab" + text.encode()).decode(), json.dumps(json.dumps(text))))


def traces(secret: str, data: bytes) -> Iterator[str]:
    """Yield in which form a secret, or the first half of it, stands in some bytes."""
    part = secret[: max(8, len(secret) // 2)]
    for name, form in (("raw", part), ("percent", quote(part, safe="")), ("JSON", json.dumps(part)[1:-1])):
        if form.encode() in data:
            yield name
    for run in re.findall(rb"[A-Za-z0-9+/_-]{12,}", data):
        for start in range(4):
            piece = run[start:].replace(b"-", b"+").replace(b"_", b"/")
            if part.encode() in base64.b64decode(piece[: len(piece) // 4 * 4]):
                yield "base64"


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """Serve on loopback in a thread; yield the port."""

    async def handle(reader: Reader, writer: Writer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        ready.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop()))
        await over.wait()
        server.close()

    ready: Future[tuple[int, asyncio.AbstractEventLoop]] = Future()
    over = asyncio.Event()
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    port, loop = ready.result(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)


def http(status: int, form: str = "{}", headers: Mapping[str, str] | None = None, *, cut_at: int = 0) -> Serve:
    """Return an HTTP server; `form` takes what it was told. With `cut_at` that stands alone, after so many bytes."""

    async def serve(reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if match := re.search(r"(?i)^content-length: *([0-9]+)", head, re.MULTILINE):
            await reader.readexactly(int(match[1]))
        secrets = " ".join(re.findall(r"(?im)^(?:authorization|x-[a-z-]*token): *(.*?)\r$", head))
        said = repeated(secrets) if not cut_at else "." * cut_at + secrets.removeprefix("Bearer ")
        body = (form.replace("{}", said if "<" not in form else xml_escape(said))).encode()
        lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
        shown = "".join(f"{name}: {value.replace('{}', quote(secrets, safe=''))}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status} {'said'}\r\n{shown}\r\n".encode() + body)
        await writer.drain()

    return serve


async def postgresql(reader: Reader, writer: Writer) -> None:
    """Ask for the password in clear text, and repeat it (protocol 3.0)."""
    while True:
        (size,) = struct.unpack("!I", await reader.readexactly(4))
        body = await reader.readexactly(size - 4)
        if struct.unpack("!I", body[:4])[0] in {80877103, 80877104}:  # no TLS, no GSSAPI
            writer.write(b"N")
            continue
        break
    writer.write(b"R" + struct.pack("!II", 8, 3))
    _, size = struct.unpack("!cI", await reader.readexactly(5))
    password = (await reader.readexactly(size - 4)).rstrip(b"\0").decode()
    fields = f"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed: {repeated(password)}\0\0".encode()
    writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
    await writer.drain()


async def nats(reader: Reader, writer: Writer) -> None:
    """Repeat what CONNECT said."""
    writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"auth_required":true}\r\n')
    if not (line := await reader.readline()):
        return
    said = json.loads(line.removeprefix(b"CONNECT "))
    secret = said.get("auth_token") or said.get("pass")
    writer.write(f"-ERR 'authorization violation: {repeated(secret)}'\r\n".encode())
    await writer.drain()


async def kafka(reader: Reader, writer: Writer) -> None:
    """Offer SASL PLAIN and repeat the token (Kafka's protocol guide: ApiVersions, SaslHandshake, SaslAuthenticate)."""
    while True:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        request = await reader.readexactly(size)
        key, version, correlation, length = struct.unpack("!hhih", request[:10])
        body = request[10 + max(0, length) :]
        if key == 18:  # ApiVersions: answered as version 0, which every client reads
            versions = b"".join(struct.pack("!hhh", *each) for each in ((18, 0, 0), (17, 0, 1), (36, 0, 0), (3, 0, 1)))
            answer = struct.pack("!hi", 0 if version == 0 else 35, 4) + versions
        elif key == 17:
            answer = struct.pack("!hih", 0, 1, 5) + b"PLAIN"
        elif key == 36:
            token = body[4:].decode().replace("\0", " ")  # the client shows a message up to its first NUL
            message = f"denied: {repeated(token)}"[:8000].encode()
            answer = struct.pack("!hh", 58, len(message)) + message + struct.pack("!i", 0)
        else:
            return
        writer.write(struct.pack("!ii", len(answer) + 4, correlation) + answer)
        await writer.drain()
