"""What tests of the smoke test share: a place that a test fills by hand, one test to send, and its steps."""

import asyncio
from types import TracebackType
from typing import Any, Self

from scanner.smoke.mailboxes import Mailbox
from scanner.smoke.request import SmokeTest
from scanner.smoke.result import SmokeResult
from scanner.smoke.sending import Login
from scanner.smoke.smoke import MakePlace, smoke_test
from tests.support.certificates import make_certificate
from tests.support.servers import serving
from tests.support.smtp_scripts import ScriptedServer

CERTIFICATE, KEY = make_certificate("127.0.0.1", names=("127.0.0.1",))
WORD = "se cret-ü"
LOGIN = Login("alice", WORD)
STARTTLS = {"EHLO": b"250-mx.example.org\r\n250 STARTTLS\r\n", "STARTTLS": b"220 go\r\n",
            "EHLO inside": b"250 mx.example.org\r\n"}  # fmt: skip
AUTH = {**STARTTLS, "EHLO inside": b"250-mx\r\n250 AUTH PLAIN\r\n"}


class Hands(Mailbox):
    """A place into which a test puts the message by hand; made before the test is run."""

    def __init__(self) -> None:
        self.entered = self.left = 0
        self._arrived = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()

    def put(self, headers: bytes) -> None:
        """Let it arrive; from any thread."""
        self._loop.call_soon_threadsafe(self._arrived.set_result, headers)

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.left += 1

    async def arrival(self) -> bytes:
        return bytes(await self._arrived)


def into(place: Mailbox) -> MakePlace:
    return lambda _gate: place


def make_test(port: int, **changes: Any) -> SmokeTest:
    return SmokeTest(
        **{
            "host": "127.0.0.1",
            "port": port,
            "sender": "a@example.com",
            "recipient": "b@example.com",
            "timeout_s": 5.0,
            "ehlo_name": "client.example.net",
            **changes,
        }
    )


async def send_to(server: ScriptedServer, place: Mailbox | None = None, **changes: Any) -> SmokeResult:
    with serving(server) as running:
        return await smoke_test(make_test(running.port, **changes), into(place or Hands()))


def steps(result: SmokeResult) -> list[tuple[str, bool]]:
    return [(step.name, step.ok) for step in result.steps]
