"""One message to one recipient, step by step: greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, QUIT.

aiosmtplib speaks SMTP on a socket that was connected through the engine's gate. The first step that fails ends the
sending (`steps`).

TLS is verified unless that was switched off, and AUTH is sent inside TLS only. Plain text after the reply to STARTTLS
(RFC 3207, 4.2) fails that step: aiosmtplib would drop it silently, and a man in the middle would go unnoticed.

Left out: retries, further recipients, SMTPUTF8, client certificates. Sources: RFC 5321, RFC 3207, RFC 4954.
"""

import asyncio
import re
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, cast

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.protocol import SMTPProtocol

from scanner.engine.certificates import session_facts
from scanner.model import Tls
from scanner.smoke.steps import StepFailed, Steps, said
from scanner.smtp import ReplyReader, escape
from scanner.timeouts import FOREVER_S, patience

#: Seconds for the reply to QUIT.
_GOODBYE_S: Final = 5.0
_MAX_REPLY_BYTES: Final = 32_768


class StartTls(StrEnum):
    """When to change to TLS."""

    AUTO = "auto"  # where it is offered
    REQUIRE = "require"  # always; a server that does not offer it fails the step
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password for AUTH; `repr` shows neither."""

    user: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends what to whom, and how: `tls_context` verifies (or not), `server_name` is what it verifies."""

    sender: str
    recipient: str
    message: bytes
    server_name: str
    ehlo_name: str
    tls_context: ssl.SSLContext
    starttls: StartTls = StartTls.AUTO
    login: Login | None = None


class Sent(NamedTuple):
    """What is known after the last step: how the session was encrypted, the queue id, when the message was accepted."""

    tls: Tls | None = None
    queue_id: str | None = None
    accepted_at: float | None = None  # monotonic seconds; None: not accepted


async def send(sock: socket.socket, envelope: Envelope, steps: Steps) -> Sent:
    """Send the message on a connected socket, which is closed in any case; the steps say how it went."""
    smtp = aiosmtplib.SMTP(sock=sock, start_tls=False, local_hostname=envelope.ehlo_name, timeout=None)
    try:
        return await _converse(smtp, envelope, steps)
    finally:
        await _close(smtp)
        sock.close()


async def _converse(smtp: aiosmtplib.SMTP, envelope: Envelope, steps: Steps) -> Sent:
    tls: Tls | None = None
    try:
        async with steps.step("greeting") as note:
            note.detail = said(await smtp.connect())
        await _introduce(smtp, steps, "EHLO")
        if envelope.starttls is not StartTls.NEVER:
            tls = await _start_tls(smtp, envelope, steps)
        if envelope.login is not None:
            await _log_in(smtp, envelope.login, steps, is_encrypted=tls is not None)
        accepted = await _hand_over(smtp, envelope, steps)
        accepted_at = time.monotonic()
    except StepFailed:
        return Sent(tls)
    with suppress(SMTPException, OSError, TimeoutError):  # it has the message: a failing QUIT changes nothing
        async with patience(_GOODBYE_S):
            await smtp.execute_command(b"QUIT")
    return Sent(tls, queue_id(accepted.message), accepted_at)


async def _close(smtp: aiosmtplib.SMTP) -> None:
    """Close the connection: send the end of TLS, and do not wait for the server's answer to it."""
    transport = cast("asyncio.Transport | None", smtp.transport)
    smtp.close()
    await asyncio.sleep(0)
    if transport is not None:
        transport.abort()
    await asyncio.sleep(0)  # the socket is closed in the next turn of the loop


async def _introduce(smtp: aiosmtplib.SMTP, steps: Steps, name: str) -> None:
    async with steps.step(name) as note:
        try:
            answer = await smtp.ehlo()
        except SMTPResponseException as refusal:
            if refusal.code not in {500, 502, 504}:  # RFC 5321, 3.2: a server that does not know EHLO
                raise
            answer = await smtp.helo()
        note.detail = said(answer)


async def _hand_over(smtp: aiosmtplib.SMTP, envelope: Envelope, steps: Steps) -> aiosmtplib.SMTPResponse:
    async with steps.step("MAIL") as note:
        note.detail = said(await smtp.mail(envelope.sender))
    async with steps.step("RCPT") as note:
        note.detail = said(await smtp.rcpt(envelope.recipient))
    async with steps.step("DATA") as note:
        answer = await smtp.data(envelope.message)
        note.detail = said(answer)
    return answer


async def _start_tls(smtp: aiosmtplib.SMTP, envelope: Envelope, steps: Steps) -> Tls | None:
    """Change to TLS where it is wanted and offered, and say EHLO again; return what the session shows."""
    if not smtp.supports_extension("starttls"):
        if envelope.starttls is StartTls.REQUIRE:
            async with steps.step("STARTTLS"):
                raise StepFailed("the server does not offer it")
        return None
    async with steps.step("STARTTLS") as note:
        recorder = _PlainTextRecorder(cast("SMTPProtocol", smtp.protocol))
        cast("asyncio.Transport", smtp.transport).set_protocol(recorder)
        try:
            await smtp.starttls(
                server_hostname=envelope.server_name, tls_context=envelope.tls_context, timeout=FOREVER_S
            )
        finally:
            if rest := recorder.after_reply():
                raise StepFailed(f"{len(rest)} bytes came in plain text after the reply to it: {escape(rest)}")
        tls = session_facts(smtp.get_transport_info("ssl_object"), implicit=False)
        note.detail = _certificate_summary(tls)
    await _introduce(smtp, steps, "EHLO in TLS")
    return tls


async def _log_in(smtp: aiosmtplib.SMTP, login: Login, steps: Steps, *, is_encrypted: bool) -> None:
    async with steps.step("AUTH") as note:
        if not is_encrypted:
            raise StepFailed("not said: the connection is not encrypted")
        if not smtp.supported_auth_methods:
            raise StepFailed("the server offers no way to log in that is known here")
        note.detail = said(await smtp.login(login.user, login.password))


class _PlainTextRecorder(asyncio.Protocol):
    """Records what comes before TLS begins and passes it on; `start_tls` replaces it with another protocol."""

    def __init__(self, inner: SMTPProtocol) -> None:
        self._inner = inner
        self._received = bytearray()

    def after_reply(self) -> bytes:
        """Return what was sent after the first whole reply."""
        raw = bytes(self._received)
        reader = ReplyReader(_MAX_REPLY_BYTES)
        reader.receive_data(raw)
        return raw[len(reader.end().raw) :]

    def data_received(self, data: bytes) -> None:
        self._received += data[: _MAX_REPLY_BYTES - len(self._received)]
        self._inner.data_received(data)

    def eof_received(self) -> bool:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _certificate_summary(tls: Tls) -> str:
    """Describe session and certificate: "TLSv1.3, mx.example.org, by CN=CA, until 2027-01-01T00:00:00Z"."""
    parts = [tls.version or "TLS"]
    for own in tls.certificates[:1]:
        parts += [", ".join(own.names[:3]) or own.subject or "no name"]
        parts += ["self-signed" if own.self_signed else f"by {own.issuer}", f"until {own.not_after}"]
        if own.error:
            parts = [parts[0], f"certificate cannot be read: {own.error}"]
    return ", ".join(parts)


_QUEUE_ID: Final = re.compile(
    r"queued as ([0-9A-Za-z_-]{4,60})|\bid=([0-9A-Za-z-]{4,40})|^(?:2\.\d\.\d )?([0-9A-Za-z]{6,40}) Message accepted"
    r"|^(?:2\.\d\.\d )?Ok[:.] ?([0-9A-Fa-f.]{8,60})$",
    re.IGNORECASE,
)


def queue_id(text: str) -> str | None:
    """Return the id that the server gave the message, as in its log; None when the reply has none of a known form."""
    match = _QUEUE_ID.search(text)
    return next(filter(None, match.groups()), None) if match else None
