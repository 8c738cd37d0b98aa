"""Receive one message: a small LMTP or SMTP server for a mail server that can be told to deliver to it.

aiosmtpd speaks (extra `smoke`). It is neither a relay nor a mailbox: it takes mail for the one recipient of the test,
keeps only the header block of the message with the test's token, refuses everything else, and forgets the body. It
listens on loopback unless another address is named, to a few clients at a time, with limits on size and time.

Sources: RFC 5321, RFC 2033 (LMTP).
"""

import asyncio
from typing import Final, Self, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from scanner.smoke.mailboxes import MailboxError, header_block, is_ours
from scanner.smoke.received import MAX_HEADER_BYTES
from scanner.version import VERSION

#: Bytes of a message that are taken; ours has 2 KB, and every hop adds a few lines.
MAX_MESSAGE_BYTES: Final = 1 << 20
#: Connections at the same time; further ones are closed at once.
MAX_CLIENTS: Final = 8
#: Seconds without a command after which a client is dropped.
_IDLE_S: Final = 60.0
#: Bytes of commands in one connection, beside the message.
_COMMANDS_BYTES: Final = 65_536
#: How often one command may be said in one session.
_COMMAND_LIMIT: Final = 20


class MailReceiver:
    """A `Place` that listens. `lmtp` says which of the two protocols, `address` is (IP address, port)."""

    def __init__(self, address: tuple[str, int], *, lmtp: bool, recipient: str, token: str) -> None:
        self._address = address
        self._speaks: type[SMTP] = _Lmtp if lmtp else _BoundedSession
        self._recipient, self._token = recipient, token
        self._handler: Handler
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once entered; the kernel chooses one for 0."""
        assert self._server is not None  # noqa: S101  "once entered"
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            MailboxError: when it cannot: the address is none of this machine, the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._handler = Handler(self._recipient, self._token)
        try:
            self._server = await loop.create_server(self._session, *self._address)
        except OSError as error:
            where = "{} port {}".format(*self._address)
            raise MailboxError(f"cannot listen on {where}: {error.strerror or type(error).__name__}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            for client in list(self._handler.clients):
                client.abort()
            await self._server.wait_closed()

    async def arrival(self) -> bytes:
        """Wait for the message and return its header block."""
        return await asyncio.shield(self._handler.arrived)

    def _session(self) -> asyncio.BaseProtocol:
        if len(self._handler.clients) >= MAX_CLIENTS:
            return _TurnedAway()
        return self._speaks(
            self._handler,
            hostname="smtpsweep.invalid",
            ident=f"smtpsweep {VERSION} smoke test",
            data_size_limit=MAX_MESSAGE_BYTES,
            timeout=_IDLE_S,
            command_call_limit=_COMMAND_LIMIT,
            loop=asyncio.get_running_loop(),
        )


class Handler:
    """Says yes to the one recipient and the one message; what aiosmtpd asks for each command."""

    def __init__(self, recipient: str, token: str) -> None:
        self._recipient = _folded(recipient)
        self._token = token
        self.clients: set[asyncio.Transport] = set()
        self.arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handle_RCPT(  # noqa: N802  the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient of the test, once."""
        del server, session, options
        if _folded(address) != self._recipient:
            return "550 5.1.1 This receiver takes one test message for one recipient"
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient only"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  see above
        """Keep the headers of our message; take nothing else."""
        del server, session
        headers = header_block(bytes(envelope.original_content or b"")[:MAX_HEADER_BYTES])
        if not is_ours(headers, self._token):
            return "550 5.7.1 This is not the message that this receiver waits for"
        if not self.arrived.done():
            self.arrived.set_result(headers)
        return "250 2.0.0 OK, this was the smoke test"


def _folded(address: str) -> str:
    """Return an address with its domain in lower case; the local part means what it says (RFC 5321, 2.4)."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


class _BoundedSession(SMTP):
    """aiosmtpd's session, known to its handler while it lasts, and dropped when it sends more than any test needs.

    The limit closes what the size limit of messages leaves open: a line that never ends is kept whole (1.4.6).
    """

    _received_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.event_handler.clients.add(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if self._received_bytes > MAX_MESSAGE_BYTES + _COMMANDS_BYTES and self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        else:
            super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            self.event_handler.clients.discard(self.transport)
        super().connection_lost(error)


class _Lmtp(_BoundedSession, LMTP):
    pass


class _TurnedAway(asyncio.Protocol):
    """A client too many: a reply, and the end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # uvloop's is none by class
        stream.write(b"421 4.7.0 Too many connections\r\n")
        stream.close()
