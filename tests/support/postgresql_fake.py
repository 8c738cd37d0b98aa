"""A PostgreSQL that stores batches and fails on demand: its wire protocol, version 3, as far as our sink speaks it.

A real one (tests/receivers) says whether our statements are right; this one loses answers and says every error at the
moment that a test wants, and needs nothing installed. What COPY brings counts as stored when COMMIT arrives.

Source: PostgreSQL's documentation, chapter "Frontend/Backend Protocol".
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from tests.support.listening import listening

#: Codes that stand in the place of a protocol version: may we have TLS, may we have GSSAPI?
_ENCRYPTION_REQUESTS: Final = (80877103, 80877104)
_PARAMETERS: Final = {
    "server_version": "15.0",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
}
#: Instead of an SQLSTATE: the statement is carried out, and the connection closed before the answer; no answer at all.
CUT: Final = "cut"
SILENT: Final = "silent"


@dataclass(slots=True)
class FakePostgresql:
    """One server; `fails` says by the beginning of a statement (or "connect") which SQLSTATE is the answer, once."""

    fails: dict[str, str] = field(default_factory=dict)
    has_table: bool = True
    statements: list[str] = field(default_factory=list)
    #: The columns of each row, by its first one.
    rows: dict[str, list[str]] = field(default_factory=dict)
    connections: int = 0
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        async with listening(self._serve) as self.port:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Session(self, reader, writer).run()


class _Session:
    def __init__(self, server: FakePostgresql, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._state = b"I"  # idle, in a transaction, in a failed one
        self._copied: dict[str, list[str]] = {}
        self._new = 0
        self._statement = ""

    async def run(self) -> None:
        while (await self._startup()) in _ENCRYPTION_REQUESTS:
            self._writer.write(b"N")
        self._server.connections += 1
        if (code := self._server.fails.pop("connect", None)) is not None:
            self._fail(code)
            return
        self._say(b"R", struct.pack("!i", 0))
        for name, value in _PARAMETERS.items():
            self._say(b"S", f"{name}\0{value}\0".encode())
        self._ready()
        while await self._obey(*await self._message()):
            pass

    async def _obey(self, kind: bytes, body: bytes) -> bool:
        """Answer a message: a whole query (Q), or parse, bind, describe, execute, sync. Return whether to go on."""
        stays = True
        match kind:
            case b"Q":
                if stays := await self._run(body.rstrip(b"\0").decode()):
                    self._ready()
            case b"P":
                self._statement = body.split(b"\0")[1].decode()
                self._say(b"1")
            case b"B":
                self._say(b"2")
            case b"D" if "to_regclass" in self._statement:
                self._say(b"T", struct.pack("!h", 1) + b"found\0" + struct.pack("!ihihih", 0, 0, 16, 1, -1, 0))
            case b"D":
                self._say(b"n")
            case b"E":
                stays = await self._run(self._statement)
            case b"S":
                self._ready()
            case _:
                stays = False
        return stays

    async def _run(self, statement: str) -> bool:
        """Carry out a statement and answer; return whether the connection stays."""
        self._server.statements.append(statement)
        code = next(
            (self._server.fails.pop(key) for key in list(self._server.fails) if statement.startswith(key)), None
        )
        if code == SILENT:
            await self._reader.read()
            return False
        if code not in (None, CUT):
            if statement.startswith("COPY"):  # it was taken in before anything was wrong with it
                await self._copy()
            self._fail(str(code))
            return True
        tag = await self._carry_out(statement)
        if code == CUT:
            return False
        if "to_regclass" in statement:
            value = b"t" if self._server.has_table else b"f"
            self._say(b"D", struct.pack("!hi", 1, 1) + value)
        self._say(b"C", tag.encode() + b"\0")
        return True

    async def _carry_out(self, statement: str) -> str:
        word = statement.split(maxsplit=1)[0]
        if word == "BEGIN":
            self._state, self._copied, self._new = b"T", {}, 0
        elif word == "COPY":
            await self._copy()
        elif word == "INSERT":
            self._new = len(self._copied.keys() - self._server.rows.keys())
            return f"INSERT 0 {self._new}"
        elif word == "COMMIT":
            self._server.rows |= self._copied
            self._state = b"I"
        elif word == "ROLLBACK":
            self._state = b"I"
        return word

    async def _copy(self) -> None:
        columns = 10
        self._say(b"G", struct.pack(f"!bh{columns}h", 0, columns, *[0] * columns))
        data = b""
        while True:
            kind, body = await self._message()
            if kind == b"d":
                data += body
            elif kind == b"c":
                break
        rows = [line.decode().split("\t") for line in data.splitlines()]
        self._copied = {row[0]: row for row in rows}

    async def _startup(self) -> int:
        (size,) = struct.unpack("!i", await self._reader.readexactly(4))
        body = await self._reader.readexactly(size - 4)
        code: int = struct.unpack("!i", body[:4])[0]
        return code

    async def _message(self) -> tuple[bytes, bytes]:
        kind = await self._reader.readexactly(1)
        (size,) = struct.unpack("!i", await self._reader.readexactly(4))
        return kind, await self._reader.readexactly(size - 4)

    def _say(self, kind: bytes, body: bytes = b"") -> None:
        self._writer.write(kind + struct.pack("!i", len(body) + 4) + body)

    def _ready(self) -> None:
        self._say(b"Z", self._state)

    def _fail(self, code: str) -> None:
        if self._state == b"T":
            self._state = b"E"
        fields: Mapping[str, str] = {"S": "ERROR", "V": "ERROR", "C": code, "M": "as the test wants", "D": "the row"}
        self._say(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")
