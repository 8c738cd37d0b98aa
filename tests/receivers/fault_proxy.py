"""An HTTP proxy on loopback that fails as networks and receivers do, at random by a seed.

    async with FaultProxy("http://127.0.0.1:9200", seed=1) as proxy: ... proxy.url ...

Each kind of fault comes once soon, then by its share. A fault comes before the request (the receiver never saw it) or
after it (the receiver took it, and the answer is lost or replaced): the second kind is what makes duplicates. 400 and
413 are given to large bodies only, so that splitting a batch always ends, and a record is never refused for a fault
that has nothing to do with it.

`down` makes it close every connection at once. `counts` says what was done.
"""

import random
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Final, Self

import aiohttp
from aiohttp import web

#: Share of requests for each fault.
FAULTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "429": 0.03,
        "503": 0.05,
        "400": 0.05,
        "413": 0.05,
        "reset": 0.05,
        "reset_after": 0.05,
        "503_after": 0.03,
        "half_an_answer": 0.03,
        "empty_answer": 0.03,
    }
)
_FOR_LARGE: Final = frozenset({"400", "413"})
_NOT_FORWARDED: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_PASSED_BACK: Final = ("Content-Type", "Content-Encoding", "Retry-After", "Location")
_MAX_BODY_BYTES: Final = 64 << 20


class FaultProxy:
    """Forwards to one server, unless chance says otherwise."""

    def __init__(
        self,
        upstream: str,
        *,
        seed: int,
        faults: Mapping[str, float] = FAULTS,
        small_bytes: int = 4096,
        keep_host: bool = False,
    ) -> None:
        """Take the server's URL (scheme, host, port), the seed, and the shares; 400 and 413 need `small_bytes` more.

        With `keep_host` the server is told the name that the client used: it may be part of a signature.
        """
        self.upstream = upstream.rstrip("/")
        self.counts: Counter[str] = Counter()
        self.down = False
        self.url = ""
        self._chance = random.Random(seed)
        self._faults = dict(faults)
        self._due = self._chance.sample(sorted(faults), len(faults))
        self._is_turn = False
        self._small_bytes = small_bytes
        self._not_forwarded = _NOT_FORWARDED - {"host"} if keep_host else _NOT_FORWARDED
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._client = aiohttp.ClientSession(
            auto_decompress=False, skip_auto_headers=("Accept-Encoding", "Content-Type")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._client is not None
        await self._client.close()
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        # As it came: what is compressed stays compressed, what is signed stays as it was signed.
        fault = "down" if self.down else self._draw(request.content_length or 0)
        self.counts[fault] += 1
        if fault in ("reset", "down"):
            return self._reset(request)
        if fault in ("429", "503", "400", "413"):
            await request.read()
            headers = {"Retry-After": "1"} if fault == "429" else {}
            return web.Response(status=int(fault), text=f"a fault: {fault}", headers=headers)
        return await self._forward(request, fault)

    async def _forward(self, request: web.Request, fault: str) -> web.StreamResponse:
        assert self._client is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in self._not_forwarded}
        body = await request.read()
        try:
            async with self._client.request(
                request.method,
                self.upstream + request.raw_path,
                data=BytesIO(body),  # bytes as they are make aiohttp warn when they are many
                headers=headers,
                allow_redirects=False,
            ) as response:
                answer = await response.read()
                status = response.status
                back = {name: response.headers[name] for name in _PASSED_BACK if name in response.headers}
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.counts["upstream_gone"] += 1
            return self._reset(request)
        if fault == "reset_after":
            return self._reset(request)
        if fault == "503_after":
            return web.Response(status=503, text="a fault: 503 after it was taken")
        if fault == "empty_answer" and status < 300:
            return web.Response(status=status)
        if fault == "half_an_answer":
            return await self._half(request, status, answer)
        return web.Response(status=status, body=answer, headers=back)

    async def _half(self, request: web.Request, status: int, answer: bytes) -> web.StreamResponse:
        """Announce the whole answer, send one half and reset."""
        response = web.StreamResponse(status=status, headers={"Content-Length": str(len(answer) + 1)})
        await response.prepare(request)
        await response.write(answer[: len(answer) // 2])
        self._reset(request)
        return response

    @staticmethod
    def _reset(request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _draw(self, size: int) -> str:
        """Draw what happens to a request; chance is asked once for each, so that a seed means the same again.

        Every second request meets a fault that has not been there yet, until all have been: however few requests a run
        has, it has seen them.
        """
        point = self._chance.random()
        suits = size > self._small_bytes
        self._is_turn = not self._is_turn
        due = [fault for fault in self._due if suits or fault not in _FOR_LARGE]
        if self._is_turn and due:
            self._due.remove(due[0])
            return due[0]
        for fault, share in self._faults.items():
            point -= share
            if point < 0:
                return "none" if fault in _FOR_LARGE and not suits else fault
        return "none"
