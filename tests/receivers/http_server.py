"""HTTP servers for tests of sinks: one that answers from a script, and one that sends whatever bytes it is given."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from aiohttp import web


class Got(NamedTuple):
    """A request: `body` is as the sender made it, `wire` as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    wire: bytes


class Say(NamedTuple):
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012  a default nobody changes


class ScriptedServer:
    """Each request consumes one answer of the script; then `default` answers, without one 200."""

    def __init__(
        self, *script: Say, default: Callable[[Got], Say] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = list(script)
        self._default = default or (lambda _: Say())
        self.got: list[Got] = []
        self.port = 0
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        wire = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = gzip.decompress(wire) if headers.get("content-encoding") == "gzip" else wire
        got = Got(request.method, request.raw_path, headers, body, wire)
        self.got.append(got)
        say = self.script.pop(0) if self.script else self._default(got)
        return web.Response(status=say.status, body=say.body, headers=say.headers)


@asynccontextmanager
async def raw_server(answer: bytes, *, reset: bool = False, keep_open: bool = False) -> AsyncIterator[int]:
    """Listen on 127.0.0.1, yield the port; send these bytes to whoever asks, then close, reset, or do nothing."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(answer)
        if keep_open:
            await over.wait()
        if reset:
            writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()
