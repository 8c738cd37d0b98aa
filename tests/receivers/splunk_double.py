"""A strict double of Splunk's HTTP Event Collector, written from what Splunk Enterprise 10 and Cloud answer.

Stricter than Splunk where a sink must not rely on luck: what a request put into memory is lost by a kill until it is
indexed (`Behaviour.ack_s` later); only then is its acknowledgement true. Faults are drawn by a seed.

The journal is a file of JSON lines: `{"batch": ID, "events": [...]}` when a request is indexed, and
`{"answered": ID}` once the client has been told that its request is safe. `python -m tests.receivers.splunk_double
CONFIG` is the same as a process of its own.
"""

import asyncio
import gzip
import random
import re
import sys
import uuid
import zlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

import orjson
from aiohttp import web

from tests.receivers.splunk_rules import Behaviour, Verdict, judge

_HTML: Final = "<!doctype html><html><head><title>%d</title></head><body><p>No.</p></body></html>"
_TEXTS: Final = {
    0: "Success", 1: "Token disabled", 2: "Token is required", 3: "Invalid authorization", 4: "Invalid token",
    5: "No data", 6: "Invalid data format", 7: "Incorrect index", 9: "Server is busy",
    10: "Data channel is missing", 11: "Invalid data channel", 12: "Event field is required",
    13: "Event field cannot be blank", 14: "ACK is disabled", 15: "Error in handling indexed fields",
    17: "HEC is healthy",
}  # fmt: skip


class Journal:
    """The file that a kill does not take away."""

    def __init__(self, path: Path) -> None:
        text = path.read_bytes() if path.exists() else b""
        self._file = path.open("ab", buffering=0)
        self._file.truncate(text.rfind(b"\n") + 1)  # a line that a kill tore was never acknowledged

    def write(self, line: dict[str, Any]) -> None:
        """Add a line."""
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SplunkDouble:
    """The collector: `async with SplunkDouble(journal) as double: ... double.url ...`.

    `behaviour` may be replaced while it runs. `answers` are given to the next requests instead of the right ones
    (path's end, status, body); what is given so takes nothing.
    """

    def __init__(self, journal: Path, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.answers: deque[tuple[str, int, bytes]] = deque()
        self.counts: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.channels: list[str | None] = []
        self.url = ""
        self._path, self._port = journal, port
        self._chance = random.Random(self.behaviour.seed)
        self._next: Counter[str] = Counter()  # ack ids, by channel
        self._acked: dict[tuple[str, int], str] = {}  # not asked for yet -> batch
        self._started = uuid.uuid4().hex
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aenter__(self) -> Self:
        self._journal = Journal(self._path)
        application = web.Application(client_max_size=1 << 30)
        for end in ("", "/event", "/event/1.0"):
            application.router.add_post(f"/services/collector{end}", self._events)
        application.router.add_post("/services/collector/ack", self._acks)
        application.router.add_get("/services/collector/health", self._health)
        application.router.add_route("*", "/{path:.*}", self._nothing)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        for timer in self._timers:
            timer.cancel()
        self._journal.close()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.channels.append(_channel(request))
        if (refusal := self._scripted("event") or self._access(request)) is not None:
            return refusal
        if (trouble := self._trouble()) is not None:
            return trouble
        body = _unpacked(raw, request.headers.get("Content-Encoding", "identity"))
        if body is None:
            return _html(415)
        self.bodies.append(body)
        if len(body) > self.behaviour.max_bytes:
            return _html(413) if self.behaviour.too_large == 413 else _answer(400, 6, **{"invalid-event-number": 0})
        if body.count(b'"event":') > 1 and self._draws(self.behaviour.poisoned, "poisoned"):
            return _answer(400, 6, **{"invalid-event-number": 0})
        return await self._take(request, judge(body, self.behaviour))

    async def _take(self, request: web.Request, verdict: Verdict) -> web.StreamResponse:
        channel = _channel(request) or ""
        number = self._next[channel]
        batch = f"{self._started}/{channel}/{sum(self._next.values())}"
        if verdict.code:  # what came before the bad one is indexed, and there is no acknowledgement for it
            self._next[""] += 1
            if verdict.taken:
                self._index(batch, verdict.taken)
            details = {} if verdict.number is None else {"invalid-event-number": verdict.number}
            return await self._told(request, _answer(400, verdict.code, **details), batch)
        self._next[channel] += 1
        self._later(lambda: self._index(batch, verdict.taken, (channel, number)))
        if self._draws(self.behaviour.answer_loss, "answer_loss"):
            return _reset(request)
        if not self.behaviour.acks:
            return await self._told(request, _answer(200, 0), batch)
        return _answer(200, 0, ackId=number)

    async def _acks(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if (refusal := self._scripted("ack") or self._access(request)) is not None:
            return refusal
        if not self.behaviour.acks:
            return _answer(400, 14)
        self.counts["polls"] += 1
        channel = _channel(request) or ""
        numbers: list[int] = orjson.loads(raw)["acks"]
        batches = [self._acked.pop((channel, number), None) for number in numbers]  # true is said once
        if any(batches) and self._draws(self.behaviour.ack_loss / 2, "ack_lost"):
            return _reset(request)
        said = {str(number): batch is not None for number, batch in zip(numbers, batches, strict=True)}
        return await self._told(request, web.json_response({"acks": said}), *batches)

    async def _health(self, _request: web.Request) -> web.StreamResponse:
        return _answer(200, 17)  # whatever the token is

    async def _nothing(self, _request: web.Request) -> web.StreamResponse:
        return _html(404)

    def _access(self, request: web.Request) -> web.Response | None:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return _answer(401, 2)
        if not re.fullmatch("Splunk .+", authorization):
            return _answer(401, 3)
        if authorization != f"Splunk {self.behaviour.token}" or not self.behaviour.enabled:
            return _answer(403, 1 if not self.behaviour.enabled else 4)
        channel = _channel(request)
        if self.behaviour.acks and channel is None:
            return _answer(400, 10)
        if channel is not None and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", channel.lower()):
            return _answer(400, 11)
        return None

    def _trouble(self) -> web.Response | None:
        if self._draws(self.behaviour.busy, "busy"):
            return _answer(503, 9)
        if self._draws(self.behaviour.throttled, "throttled"):
            return web.Response(status=429, text=_HTML % 429, content_type="text/html", headers={"Retry-After": "0"})
        return None

    def _scripted(self, end: str) -> web.Response | None:
        if not self.answers or self.answers[0][0] != end:
            return None
        _, status, body = self.answers.popleft()
        return web.Response(status=status, body=body)

    def _later(self, index: Callable[[], None]) -> None:
        timer = asyncio.get_running_loop().call_later(self._chance.uniform(*self.behaviour.ack_s), index)
        self._timers = {one for one in self._timers if one.when() > asyncio.get_running_loop().time()} | {timer}

    def _index(self, batch: str, events: list[dict[str, Any]], ack: tuple[str, int] | None = None) -> None:
        self._journal.write({"batch": batch, "events": events})
        if ack is not None and self.behaviour.acks and not self._draws(self.behaviour.ack_loss / 2, "ack_never"):
            self._acked[ack] = batch

    async def _told(self, request: web.Request, answer: web.Response, *batches: str | None) -> web.Response:
        """Send an answer, then note that the client has it: a kill between the two errs on the safe side."""
        await answer.prepare(request)
        await answer.write_eof()
        for batch in batches:
            if batch is not None:
                self._journal.write({"answered": batch})
        return answer

    def _draws(self, share: float, fault: str) -> bool:
        happens = share > 0 and self._chance.random() < share
        self.counts[fault] += happens
        return happens


def _channel(request: web.Request) -> str | None:
    return request.headers.get("X-Splunk-Request-Channel") or request.query.get("channel")


def _unpacked(raw: bytes, encoding: str) -> bytes | None:
    try:
        return raw if encoding == "identity" else gzip.decompress(raw) if encoding == "gzip" else None
    except (OSError, EOFError, zlib.error):
        return b"{"


def _answer(status: int, code: int, **details: int) -> web.Response:
    return web.json_response({"text": _TEXTS[code], "code": code, **details}, status=status)


def _html(status: int) -> web.Response:
    return web.Response(status=status, text=_HTML % status, content_type="text/html")


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _main(config: dict[str, Any]) -> None:
    async with SplunkDouble(Path(config["journal"]), Behaviour(**config["behaviour"]), config["port"]):
        await asyncio.Event().wait()


def config_of(journal: Path, behaviour: Behaviour, port: int) -> str:
    """Return what the process takes as its argument."""
    return orjson.dumps({"journal": str(journal), "port": port, "behaviour": asdict(behaviour)}).decode()


if __name__ == "__main__":
    asyncio.run(_main(orjson.loads(sys.argv[1])))
