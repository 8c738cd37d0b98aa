"""The second reader: aiosmtplib reads greeting, EHLO and HELP of a host once more, on its own connection.

A claim that a disclosure is gone should not rest on one parser. The sweep parses bytes itself; here aiosmtplib reads
the same replies by its own rules. It connects, sends EHLO, HELP and QUIT, and ignores the reply to QUIT. The
connection passes the sweep's gate (`scanner.engine.gated_connect`); nothing here opens a socket.

aiosmtplib raises for a greeting other than 220; the code and text of that exception are kept. It strips and decodes
lines; the text is turned back into bytes and escaped. Left out: STARTTLS, because the certificate needs no second
reader. On a port of `settings.tls_ports` TLS comes first, as in a sweep.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, cast

from aiosmtplib import SMTP, SMTPResponse
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError

from scanner.engine import Gate
from scanner.engine.certificates import accepting_context
from scanner.engine.dialogue import own_name
from scanner.engine.gated_connect import connect_through
from scanner.model import Exchange
from scanner.settings import Settings
from scanner.smtp import escape
from scanner.timeouts import FOREVER_S, patience
from scanner.verification.evidence import Opinion

#: aiosmtplib's code for bytes that are not a reply.
_INVALID: Final = -1


async def second_opinion(gate: Gate, ip: str, port: int, settings: Settings, host: str | None = None) -> Opinion:
    """Read greeting, EHLO and HELP of one host; `host` is its name, for TLS. Never raises for what a server does.

    Raises:
        LocalError: when this machine cannot open a connection.
    """
    made = await connect_through(gate, ip, port, source=settings.source_address, timeout_s=settings.connect_timeout_s)
    if made.sock is None:
        return Opinion(error=": ".join(filter(None, (made.status and made.status.value, made.error))))
    reading = _Reading(_client(made.sock, settings, (host or ip) if port in settings.tls_ports else None), settings)
    try:
        async with patience(settings.total_timeout_s):
            await reading.read()
    except TimeoutError:
        reading.error = f"no answer to {reading.step} in time"
    finally:
        await reading.close()
    return reading.opinion()


def _client(sock: socket.socket, settings: Settings, tls_name: str | None) -> SMTP:
    """Return a client on a connected socket, which its transport closes; with TLS first when there is a name for it."""
    return SMTP(
        sock=sock,
        hostname=tls_name,
        use_tls=tls_name is not None,
        tls_context=None if tls_name is None else accepting_context(),
        start_tls=False,
        local_hostname=settings.ehlo_name or own_name(sock),
    )


class _Reading:
    """One conversation: what has been read so far, and what ended it."""

    def __init__(self, client: SMTP, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._read: dict[str, Exchange] = {}
        self.step = "greeting"
        self.error: str | None = None

    async def read(self) -> None:
        """Connect, send EHLO, HELP and QUIT; stop at the first step without a reply."""
        try:
            await self._take("greeting", self._client.connect(timeout=FOREVER_S), self._settings.greeting_timeout_s)
            if self._read["greeting"].code != 220:
                return
            limit_s = self._settings.dialogue_timeout_s
            name = (self._client.local_hostname or "").encode("ascii")
            await self._take("EHLO", self._client.execute_command(b"EHLO", name, timeout=None), limit_s)
            await self._take("HELP", self._client.execute_command(b"HELP", timeout=None), limit_s)
        except (SMTPException, OSError, TimeoutError, ValueError) as problem:
            self.error = _reason(self.step, problem)
            return
        with suppress(SMTPException, OSError, TimeoutError):
            async with patience(self._settings.quit_timeout_s):
                await self._client.quit(timeout=None)

    async def _take(self, step: str, coming: Awaitable[SMTPResponse], limit_s: float) -> None:
        """Await one reply and keep it, also the one that aiosmtplib raises with.

        Raises:
            TimeoutError, SMTPException: when no reply comes in time, or aiosmtplib cannot read it.
        """
        self.step = step
        started = time.monotonic()
        try:
            async with patience(limit_s):
                code, message = await coming
        except SMTPResponseException as refused:
            if refused.code == _INVALID:
                raise
            code, message = refused.code, refused.message
        command = f"EHLO {self._client.local_hostname}" if step == "EHLO" else step
        self._read[step] = _exchange(command, code, message, time.monotonic() - started)

    async def close(self) -> None:
        """Close the connection without waiting for the end of TLS."""
        transport = cast("asyncio.Transport | None", self._client.transport)
        self._client.close()
        if transport is not None:
            transport.abort()
        await asyncio.sleep(0)  # the transport closes its socket in the next turn of the loop

    def opinion(self) -> Opinion:
        """Return what was read."""
        return Opinion(self._read.get("greeting"), self._read.get("EHLO"), self._read.get("HELP"), self.error)


def _exchange(command: str, code: int, message: str, took_s: float) -> Exchange:
    raw = message.encode("utf-8", "surrogateescape")
    return Exchange(command, code, tuple(escape(line) for line in raw.split(b"\n")), took_s)


def _reason(step: str, problem: BaseException) -> str:
    """Return in our words what ended the conversation."""
    if isinstance(problem.__cause__, ssl.SSLError):
        return f"TLS handshake failed: {problem.__cause__.reason or 'closed'}"
    if isinstance(problem, (SMTPTimeoutError, TimeoutError)):
        return f"no answer to {step} in time"
    if isinstance(problem, (SMTPServerDisconnected, ConnectionError)):
        return f"closed by the server at {step}"
    return f"unreadable reply to {step}"
