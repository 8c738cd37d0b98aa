"""One message to one recipient, step by step: greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, QUIT.

aiosmtplib speaks, on a socket that was connected through the engine's gate. Each step is timed and says what came of
it; the first that fails ends the sending, with the server's reply. All of them share one deadline.

TLS is verified unless that was switched off; AUTH is said inside TLS only. What a server sends in plain text after its
reply to STARTTLS (RFC 3207, 4.2) fails the step: aiosmtplib would drop it in silence, and the message would go through
a man in the middle's hands unnoticed. Of a reply that repeats the password the rest is shown.

Left out: retries, further recipients, SMTPUTF8, client certificates. Sources: RFC 5321, RFC 3207, RFC 4954.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, cast

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPTimeoutError
from aiosmtplib.protocol import SMTPProtocol

from scanner.delivery.redaction import Redaction
from scanner.engine.certificates import session_facts
from scanner.model import Tls
from scanner.smtp import ReplyReader, escape
from scanner.timeouts import FOREVER_S, patience

#: Characters of a server's words that are shown.
_MAX_SHOWN: Final = 500
#: Seconds for the reply to QUIT.
_GOODBYE_S: Final = 5.0
_MAX_REPLY_BYTES: Final = 32_768


class StartTls(StrEnum):
    """When to change to TLS."""

    AUTO = "auto"  # where it is offered
    REQUIRE = "require"  # always; a server that does not offer it fails the step
    NEVER = "never"


class SessionStep(NamedTuple):
    """One step, how long it took (seconds) and what came of it: a reply or a reason, escaped printable ASCII."""

    name: str
    ok: bool
    took_s: float
    detail: str | None = None


class StepFailed(Exception):  # noqa: N818  what happened, not what is wrong with us
    """Raised after a step that failed was written down; never leaves the smoke test."""


@dataclass(slots=True)
class Note:
    """What a step wants to say about itself when it went well."""

    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password for AUTH; in no text that is made of this."""

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


class Steps:
    """The steps so far, told to `on_step` as they end, and the seconds that the next ones have in all."""

    def __init__(self, on_step: Callable[[SessionStep], None], redaction: Redaction | None = None) -> None:
        self.taken: list[SessionStep] = []
        self.left_s = FOREVER_S
        self._on_step = on_step
        self._clean = (redaction or Redaction()).clean

    def add(self, name: str, took_s: float, detail: str | None, *, ok: bool = True) -> None:
        """Write a step down."""
        step = SessionStep(name, ok, took_s, None if detail is None else self._clean(detail)[:_MAX_SHOWN])
        self.taken.append(step)
        self._on_step(step)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Note]:
        """Time a step, within the seconds that are left.

        Raises:
            StepFailed: when it goes wrong; the reason is written down.
        """
        started, note = time.monotonic(), Note()
        try:
            async with patience(self.left_s) as limit:
                try:
                    yield note
                finally:
                    self.left_s = limit.left_s
        except (SMTPException, OSError, TimeoutError, ValueError, StepFailed) as problem:
            self.add(name, time.monotonic() - started, reason(problem), ok=False)
            raise StepFailed from None
        self.add(name, time.monotonic() - started, note.detail)


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
    with suppress(SMTPException, OSError, TimeoutError):  # it has the message: a bad goodbye changes nothing
        async with patience(_GOODBYE_S):
            await smtp.execute_command(b"QUIT")
    return Sent(tls, queue_id(accepted.message), accepted_at)


async def _close(smtp: aiosmtplib.SMTP) -> None:
    """Close the connection: what TLS says at its end is sent, and the server's answer to that not waited for."""
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
        ear = _PlainTextEar(cast("SMTPProtocol", smtp.protocol))
        cast("asyncio.Transport", smtp.transport).set_protocol(ear)
        try:
            await smtp.starttls(
                server_hostname=envelope.server_name, tls_context=envelope.tls_context, timeout=FOREVER_S
            )
        finally:
            if rest := ear.after_reply():
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


class _PlainTextEar(asyncio.Protocol):
    """Hears what comes before TLS begins and hands it on: `start_tls` puts another protocol in its place."""

    def __init__(self, inner: SMTPProtocol) -> None:
        self._inner = inner
        self._heard = bytearray()

    def after_reply(self) -> bytes:
        """Return what was sent after the first whole reply."""
        raw = bytes(self._heard)
        reader = ReplyReader(_MAX_REPLY_BYTES)
        reader.receive_data(raw)
        return raw[len(reader.end().raw) :]

    def data_received(self, data: bytes) -> None:
        self._heard += data[: _MAX_REPLY_BYTES - len(self._heard)]
        self._inner.data_received(data)

    def eof_received(self) -> bool:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def said(answer: aiosmtplib.SMTPResponse) -> str:
    """Write a reply in one line."""
    return f"{answer.code} {_one_line(answer.message)}"


def reason(problem: BaseException) -> str:
    """Say in one line why a step failed: a server's words where it had some, else ours."""
    if isinstance(problem, SMTPResponseException):
        code = f"{problem.code} " if problem.code > 0 else ""
        return code + _one_line(problem.message)
    if isinstance(problem, (SMTPTimeoutError, TimeoutError)):
        return "no answer in time"
    if isinstance(problem, ssl.SSLCertVerificationError):
        why = escape(problem.verify_message.encode("utf-8", "surrogateescape"))
        return f"certificate not accepted: {why} (--ca-file names an authority, --insecure-tls accepts any)"
    if isinstance(problem, ssl.SSLError):
        return f"TLS handshake failed: {problem.reason or 'closed'}"
    if isinstance(problem, ConnectionError):
        return "the server closed the connection"
    return str(problem) if isinstance(problem, StepFailed) else type(problem).__name__


def _one_line(text: str) -> str:
    lines = text.rstrip("\r\n").split("\n")
    return " / ".join(escape(line.encode("utf-8", "surrogateescape")) for line in lines)


def _certificate_summary(tls: Tls) -> str:
    """Describe session and certificate: "TLSv1.3, mx.example.org, by CN=CA, until 2027-01-01T00:00:00Z"."""
    parts = [tls.version or "TLS"]
    for own in tls.certificates[:1]:
        parts += [", ".join(own.names[:3]) or own.subject or "no name"]
        parts += ["self-made" if own.self_signed else f"by {own.issuer}", f"until {own.not_after}"]
        if own.error:
            parts = [parts[0], f"certificate cannot be read: {own.error}"]
    return ", ".join(parts)


_QUEUE_ID: Final = re.compile(
    r"queued as ([0-9A-Za-z_-]{4,60})|\bid=([0-9A-Za-z-]{4,40})|^(?:2\.\d\.\d )?([0-9A-Za-z]{6,40}) Message accepted"
    r"|^(?:2\.\d\.\d )?Ok[:.] ?([0-9A-Fa-f.]{8,60})$",
    re.IGNORECASE,
)


def queue_id(text: str) -> str | None:
    """Find the name that a server gave the message, as its log has it; None where the reply has none that we know."""
    match = _QUEUE_ID.search(text)
    return next(filter(None, match.groups()), None) if match else None
