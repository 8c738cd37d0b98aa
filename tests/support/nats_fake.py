"""A NATS server with one JetStream stream that fails on demand: its protocol as far as our sink's client speaks it.

A real one (tests/receivers) says whether our use of it is right; this one refuses, forgets and goes away at the moment
that a test wants, and needs nothing installed.

Sources: the documentation of the NATS client protocol and of JetStream's API.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from tests.support.listening import listening

#: What a server answers when nobody has subscribed to a subject.
_NO_RESPONDERS: Final = b"NATS/1.0 503\r\n\r\n"


def refusal(code: int, err_code: int, description: str) -> dict[str, Any]:
    """Return an answer of JetStream's that is an error."""
    return {"error": {"code": code, "err_code": err_code, "description": description}}


@dataclass(slots=True)
class FakeNats:
    """One server. `answers` says what a message is answered with, in their order; after them, all are stored."""

    stream: str | None = "SWEEP"
    #: A document, "cut" (the connection), "silent", "nobody" (no responders), or "twice" (stored, answered twice).
    answers: list[dict[str, Any] | str] = field(default_factory=list)
    #: Said instead of the first PONG, such as "Authorization Violation".
    refuses: str | None = None
    max_payload: int = 1 << 20
    stored: dict[str, bytes] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    made: list[dict[str, Any]] = field(default_factory=list)
    #: What making a stream is answered with; None for success.
    make_answer: dict[str, Any] | None = None
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        async with listening(self._serve) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        info = {"server_id": "x", "version": "2.10.0", "proto": 1, "headers": True, "max_payload": self.max_payload}
        writer.write(b"INFO " + orjson.dumps(info) + b"\r\n")
        subscriptions: dict[str, str] = {}
        while line := (await reader.readline()).decode().split():
            match line[0]:
                case "PING" if self.refuses is not None:
                    writer.write(f"-ERR '{self.refuses}'\r\n".encode())
                    return
                case "PING":
                    writer.write(b"PONG\r\n")
                case "SUB":
                    subscriptions[line[1].removesuffix("*")] = line[-1]
                case "PUB" | "HPUB":
                    reply = line[2] if len(line) > (3 if line[0] == "PUB" else 4) else ""
                    sid = next((sid for start, sid in subscriptions.items() if reply.startswith(start)), "")
                    body = (await reader.readexactly(int(line[-1]) + 2))[:-2]
                    head = int(line[-2]) if line[0] == "HPUB" else 0
                    if not self._take(line[1], body[:head], body[head:], _answering(writer, reply, sid)):
                        return

    def _take(self, subject: str, head: bytes, body: bytes, answer: Callable[[dict[str, Any] | None], None]) -> bool:
        """Take a message; return whether the connection stays."""
        if subject.startswith("$JS.API."):
            answer(self._api(subject.removeprefix("$JS.API."), body))
            return True
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:] if ": " in line)
        said = self.answers.pop(0) if self.answers else None
        if said == "cut":
            return False
        if said == "silent":
            return True
        if said == "nobody":
            answer(None)
        elif isinstance(said, dict):
            answer(said)
        else:
            self.headers.append(fields)
            again = fields["Nats-Msg-Id"] in self.stored
            self.stored.setdefault(fields["Nats-Msg-Id"], body)
            acknowledgement = {"stream": self.stream, "seq": len(self.stored)} | ({"duplicate": True} if again else {})
            for _ in range(2 if said == "twice" else 1):
                answer(acknowledgement)
        return True

    def _api(self, subject: str, body: bytes) -> dict[str, Any]:
        if subject.startswith("STREAM.CREATE."):
            self.made.append(orjson.loads(body))
            if self.make_answer is not None:
                return self.make_answer
            self.stream = subject.removeprefix("STREAM.CREATE.")
        if self.stream is None:
            return refusal(404, 10059, "stream not found")
        state = dict.fromkeys(("messages", "bytes", "first_seq", "last_seq", "consumer_count"), 0)
        return {"config": {"name": self.stream, "subjects": []}, "state": state, "created": "2026-01-01T00:00:00Z"}


def _answering(writer: asyncio.StreamWriter, reply: str, sid: str) -> Callable[[dict[str, Any] | None], None]:
    def answer(document: dict[str, Any] | None) -> None:
        if document is None:
            size = len(_NO_RESPONDERS)
            writer.write(f"HMSG {reply} {sid} {size} {size}\r\n".encode() + _NO_RESPONDERS + b"\r\n")
        else:
            body = orjson.dumps(document)
            writer.write(f"MSG {reply} {sid} {len(body)}\r\n".encode() + body + b"\r\n")

    return answer
