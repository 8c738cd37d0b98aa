"""An IMAP mailbox as the place where a test message should arrive: TLS, verified, and nothing changed.

imaplib of the standard library speaks, in a thread, on a socket that passed the engine's gate. The mailbox is opened
read-only (EXAMINE, BODY.PEEK), so no flag changes, and asked every second for a message that came since and has our
header. The secret is sent inside TLS only, and no message of ours repeats what a server says to it.

A server's replies are bounded in length, the waiting by whoever waits: on leaving, the socket is shut down, and with it
a thread that reads from it ends. Left out: IMAP without TLS, STARTTLS on port 143, OAuth.
Sources: RFC 3501 (6.3.2, 6.4.4, 6.4.5), RFC 4616 (PLAIN).
"""

import asyncio
import imaplib
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

from scanner.engine import Gate
from scanner.engine.gated_connect import connect_through
from scanner.errors import LocalError
from scanner.smoke.mailboxes import MARK_HEADER, MailboxError, is_ours, poll
from scanner.smoke.received import MAX_HEADER_BYTES
from scanner.sweeps.resolve import resolve

#: Seconds between two looks.
POLL_S: Final = 1.0
#: Seconds for one answer of the server.
_ANSWER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Which mailbox, and who reads it; `password` is in no text made of this."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    mailbox: str = "INBOX"


class _Client(imaplib.IMAP4):
    """imaplib on a socket that is connected and encrypted already, with bounded literals."""

    def __init__(self, host: str, sock: ssl.SSLSocket) -> None:
        self._given = sock
        super().__init__(host)

    def _create_socket(self, timeout: float | None = None) -> ssl.SSLSocket:
        del timeout
        return self._given

    def read(self, size: int) -> bytes:
        """Read a literal; one that is longer than anything asked for ends the connection."""
        if size > MAX_HEADER_BYTES + 1024:
            raise self.abort("a literal of the server is too long")
        return super().read(size)


class ImapMailbox:
    """A `Place`. `token` is the message's, `context` verifies the server."""

    def __init__(
        self, account: ImapAccount, token: str, gate: Gate, context: ssl.SSLContext, *, every_s: float = POLL_S
    ) -> None:
        self._account = account
        self._token = token
        self._gate = gate
        self._context = context
        self._every_s = every_s
        self._sock: socket.socket | None = None
        self._client: _Client | None = None
        self._first_uid = 1

    async def __aenter__(self) -> Self:
        """Connect, log in and note which messages are there.

        Raises:
            InputError: when the host cannot be resolved.
            MailboxError: when a step fails; the reason is in our words.
        """
        self._sock = await self._connected()
        try:
            await asyncio.to_thread(self._guarded, self._open)
        except BaseException:
            self._shut()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shut()

    async def arrival(self) -> bytes:
        """Wait for the message and return its header block.

        Raises:
            MailboxError: when the server does not answer as it should, or goes away.
        """
        return await poll(lambda: self._guarded(self._look), self._every_s)

    async def _connected(self) -> socket.socket:
        reasons: list[str] = []
        found = await resolve({self._account.host: "--receive"}, {})
        for address in found[self._account.host]:
            try:
                sock, status, _ = await connect_through(self._gate, address, self._account.port, timeout_s=_ANSWER_S)
            except LocalError as error:  # the next may be of the family that this machine has a way to
                reasons.append(str(error))
                continue
            if sock is not None:
                sock.settimeout(_ANSWER_S)
                return sock
            reasons.append(f"{address} port {self._account.port}: {status}")
        raise MailboxError(f"{self._name}: {reasons[-1]}")

    @property
    def _name(self) -> str:
        return f"imaps://{self._account.host}"

    def _guarded(self, step: Callable[[], Any]) -> Any:
        """Run a step; what goes wrong is a MailboxError in words of ours: a server's might repeat the secret."""
        try:
            return step()
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is not accepted: {error.verify_message} (--ca-file names an authority)"
        except ssl.SSLError as error:
            reason = f"TLS failed ({error.reason or 'closed'})"
        except TimeoutError:
            reason = "no answer in time"
        except imaplib.IMAP4.abort:
            reason = "the server closed the connection, or its answer cannot be read"
        except imaplib.IMAP4.error as error:
            reason = error.args[0] if isinstance(error, _Refused) else "the server refused a command"
        except (OSError, ValueError, IndexError) as error:
            reason = f"{type(error).__name__} while reading it"
        raise MailboxError(f"{self._name}: {reason}") from None

    def _open(self) -> None:
        assert self._sock is not None  # noqa: S101  connected before
        host = self._account.host
        encrypted = self._context.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False)
        self._sock = encrypted  # before anything is waited for, so that `_shut` can end it
        encrypted.do_handshake()
        client = self._client = _Client(host, encrypted)
        self._log_in(client)
        _require(client.select(f'"{self._account.mailbox}"', readonly=True), "there is no such mailbox")
        uid_next = client.response("UIDNEXT")[1]
        if uid_next and isinstance(uid_next[0], bytes) and uid_next[0].isdigit():
            self._first_uid = int(uid_next[0])

    def _log_in(self, client: _Client) -> None:
        user, password = self._account.user, self._account.password
        if "AUTH=PLAIN" in client.capabilities:
            said = f"\0{user}\0{password}".encode()
            log_in: Callable[[], Any] = partial(client.authenticate, "PLAIN", lambda _challenge: said)
        elif "LOGINDISABLED" in client.capabilities or not (user + password).isascii():
            raise _Refused("it offers no way to log in that is known here (PLAIN, LOGIN)")
        else:
            quoted = user.replace("\\", "\\\\").replace('"', '\\"')
            log_in = partial(client.login, f'"{quoted}"', password)
        try:
            log_in()
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise _Refused("the server refused the user or the password") from None

    def _look(self) -> bytes | None:
        client = self._client
        assert client is not None  # noqa: S101  opened before
        client.noop()  # some servers tell of new messages only then
        uids = f"{self._first_uid}:*"
        found = _require(client.uid("SEARCH", "UID", uids, "HEADER", MARK_HEADER, self._token), "it cannot search")
        for uid in (found[0] or b"").split()[:10]:
            if not re.fullmatch(rb"[0-9]{1,10}", uid):
                continue
            wanted = f"(BODY.PEEK[HEADER]<0.{MAX_HEADER_BYTES}>)"
            parts = _require(client.uid("FETCH", uid.decode("ascii"), wanted), "it cannot fetch")
            for part in parts:
                if isinstance(part, tuple) and is_ours(part[1], self._token):
                    return bytes(part[1])
        return None

    def _shut(self) -> None:
        """End the connection at once; a thread that is reading from it comes back."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()
        if self._client is not None:
            with suppress(OSError):
                self._client.shutdown()  # its file keeps the descriptor


class _Refused(imaplib.IMAP4.error):
    """A negative answer; its text is ours."""


def _require(answer: tuple[str, list[Any]], otherwise: str) -> list[Any]:
    kind, data = answer
    if kind != "OK":
        raise _Refused(otherwise)
    return data
