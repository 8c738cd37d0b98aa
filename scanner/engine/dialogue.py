"""Hold one dialogue after the greeting, on the socket that read it: EHLO, HELP, STARTTLS, EHLO inside TLS, QUIT.

aiosmtplib speaks. It strips, decodes and raises where a scanner has to record, so the replies are collected as bytes
and read by our own parser. Only harmless commands are sent, each once; never MAIL, never AUTH. The name in EHLO is our
own: `settings.ehlo_name`, else this machine's name, else the address that we come from; never the target's.

Every step has a time limit, and the dialogue has one as a whole. What ended it early is in `Dialogue.error`. A server
that stalls after STARTTLS, breaks the handshake or injects plain text before it (RFC 3207, 4.2) is data, too.

HELP comes before STARTTLS, so that a broken handshake does not lose it. The unknown verb comes after, since a server
may slow down once it got one (Courier's tarpit: 8 s, then 16 s). On a port of `settings.tls_ports` TLS comes first and
the greeting is read inside it.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

from aiosmtplib.errors import SMTPException, SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.protocol import SMTPProtocol

from scanner.engine.certificates import accepting_context, session_facts
from scanner.model import Dialogue, Exchange, Tls
from scanner.settings import Probe, Settings
from scanner.smtp import Reply, ReplyReader, escape
from scanner.timeouts import FOREVER_S, patience

#: Bytes of one reply that are collected.
MAX_REPLY_BYTES = 32_768
#: A verb that no server knows: servers differ in how they refuse it (`--probe behaviour`).
UNKNOWN_VERB = "FOO"

#: Seconds for closing TLS.
_CLOSING_S = 1.0

#: Called with ">" or "<" and the bytes.
Listener = Callable[[str, bytes], None]


class _Protocol(SMTPProtocol):
    """aiosmtplib's protocol, which also collects the bytes of the current reply as they came."""

    def __init__(self, on_bytes: Listener) -> None:
        super().__init__(asyncio.get_running_loop())
        self.reply = bytearray()
        self.lost = asyncio.Event()
        self._on_bytes = on_bytes

    def data_received(self, data: bytes) -> None:
        self.reply += data[: MAX_REPLY_BYTES - len(self.reply)]
        self._on_bytes("<", data)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


class Speaker:
    """Holds one dialogue on a connected socket and collects it. Call `hold` once."""

    def __init__(
        self,
        sock: socket.socket,
        settings: Settings,
        server_name: str | None,
        on_bytes: Listener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sock = sock
        self._clock = clock
        self._settings = settings
        self._server_name = server_name
        self._on_bytes = on_bytes
        self._limit_s = settings.dialogue_timeout_s
        self._exchanges: list[Exchange] = []
        self._tls: Tls | None = None
        self._plain: Exchange | None = None
        self._inside: Exchange | None = None
        self._step = "connect"
        self.greeting = b""
        self.greeted_at: float | None = None
        #: What ended the dialogue early; None when it reached QUIT.
        self.problem: Exception | None = None

    async def hold(self, *, implicit_tls: bool) -> Dialogue:
        """Hold the dialogue, close the socket and return what was said. Raises only when cancelled."""
        error: str | None = None
        protocol = _Protocol(self._on_bytes)
        try:
            async with patience(self._settings.total_timeout_s):
                await self._connect(protocol, implicit_tls=implicit_tls)
                await self._speak(protocol, implicit_tls=implicit_tls)
        except (SMTPException, OSError, TimeoutError, ValueError) as problem:
            self.problem = problem
            error = self._reason(problem)
            self._keep_half_a_reply(protocol)
            if implicit_tls and self._tls is None:
                self._tls = Tls(implicit=True, error=error)
        finally:
            await self._close(protocol)
        return self._dialogue(error)

    async def _close(self, protocol: _Protocol) -> None:
        """Close the transport and wait for it; TLS gets a second for its closing."""
        transport = cast("asyncio.Transport | None", protocol.transport)
        if transport is None:
            self._sock.close()
            return
        transport.close()
        try:
            async with patience(_CLOSING_S):
                await protocol.lost.wait()
        except TimeoutError:
            transport.abort()

    async def _connect(self, protocol: _Protocol, *, implicit_tls: bool) -> None:
        loop = asyncio.get_running_loop()
        if not implicit_tls:
            await loop.create_connection(lambda: protocol, sock=self._sock)
            return
        self._step = "TLS"
        async with patience(self._limit_s):
            await loop.create_connection(
                lambda: protocol,
                sock=self._sock,
                ssl=accepting_context(),
                server_hostname=self._server_name or "",
                ssl_handshake_timeout=FOREVER_S,
            )
        self._tls = session_facts(_session(protocol), implicit=True)
        self._step = "greeting"
        async with patience(self._settings.greeting_timeout_s):
            await protocol.read_response()
        self.greeting, self.greeted_at = bytes(protocol.reply), self._clock()

    async def _speak(self, protocol: _Protocol, *, implicit_tls: bool) -> None:
        if self._settings.speaks and (not implicit_tls or self.greeting.startswith(b"220")):
            name = self._settings.ehlo_name or own_name(self._sock)
            self._plain = await self._say(protocol, f"EHLO {name}")
            await self._say(protocol, "HELP")
            if not implicit_tls and _offers(self._plain, "STARTTLS") and await self._start_tls(protocol):
                self._inside = await self._say(protocol, f"EHLO {name}")
            if self._settings.probe is Probe.BEHAVIOUR:
                await self._say(protocol, UNKNOWN_VERB)
        await self._say(protocol, "QUIT")

    async def _say(self, protocol: _Protocol, command: str) -> Exchange:
        """Send one command and wait for its reply.

        Raises:
            TimeoutError, SMTPException: when no reply came in time, or none that can be read. Later replies could not
                be matched with commands.
        """
        self._begin(protocol, command)
        started = self._clock()
        async with patience(self._limit_s):
            await protocol.execute_command(command.encode("ascii"))
        return self._end(protocol, started)

    async def _start_tls(self, protocol: _Protocol) -> bool:
        """Change to TLS; return whether that was done. A handshake that fails is a fact and ends the dialogue.

        Raises:
            SMTPException, OSError: when the connection cannot be used any further.
        """
        self._begin(protocol, "STARTTLS")
        started = self._clock()
        try:
            async with patience(self._limit_s):
                await protocol.start_tls(accepting_context(), server_hostname=self._server_name, timeout=FOREVER_S)
        except (SMTPException, OSError) as problem:
            agreed = protocol.reply.startswith(b"220")
            injected = _after_reply(bytes(protocol.reply))
            self._end(protocol, started)
            self._step = "TLS" if agreed else "STARTTLS"
            self._tls = Tls(injected=injected, error=self._reason(problem))
            if isinstance(problem, SMTPResponseException) and not agreed:
                return False  # refused ("454 TLS not available"): the dialogue goes on in plain text
            raise
        injected = _after_reply(bytes(protocol.reply))
        self._end(protocol, started)
        self._tls = session_facts(_session(protocol), implicit=False, injected=injected)
        return True

    def _begin(self, protocol: _Protocol, command: str) -> None:
        self._step = command
        protocol.reply.clear()
        self._on_bytes(">", command.encode("ascii") + b"\r\n")

    def _end(self, protocol: _Protocol, started: float) -> Exchange:
        exchange = _exchange(self._step, bytes(protocol.reply), self._clock() - started)
        self._exchanges.append(exchange)
        protocol.reply.clear()
        return exchange

    def _keep_half_a_reply(self, protocol: _Protocol) -> None:
        if protocol.reply and self._step not in {"greeting", "TLS", "connect"}:
            self._exchanges.append(_exchange(self._step, bytes(protocol.reply), 0.0))
        elif self._step == "greeting":
            self.greeting = bytes(protocol.reply)

    def _reason(self, problem: BaseException) -> str:
        """Say in our own words what ended a step; the peer's words are only in the exchanges."""
        step = self._step.split(" ")[0]
        if isinstance(problem, ssl.SSLError):
            return f"TLS handshake failed: {problem.reason or 'closed'}"
        if isinstance(problem, (SMTPTimeoutError, TimeoutError)):
            return f"no answer to {step} in time"
        if isinstance(problem, (SMTPServerDisconnected, ConnectionError)):
            return f"closed by the server at {step}"
        if isinstance(problem, SMTPResponseException):
            return f"unreadable or negative reply to {step}"
        return f"{type(problem).__name__} at {step}"

    def _dialogue(self, error: str | None) -> Dialogue:
        plain, inside = _extensions(self._plain), _extensions(self._inside)
        return Dialogue(
            exchanges=tuple(self._exchanges),
            extensions=plain,
            tls_extensions=inside,
            size=_size(inside or plain),
            auth=_auth((*plain, *inside)),
            starttls=_offers(self._plain, "STARTTLS"),
            tls=self._tls,
            error=error,
        )


def own_name(sock: socket.socket) -> str:
    """Return an honest name for EHLO: this machine's full name, else our address (RFC 5321, 4.1.3)."""
    name = socket.gethostname()
    if re.fullmatch(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", name):
        return name
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _session(protocol: _Protocol) -> object:
    assert protocol.transport is not None  # noqa: S101  the handshake is done
    return protocol.transport.get_extra_info("ssl_object")


def _exchange(command: str, raw: bytes, took_s: float) -> Exchange:
    """Return a command with its reply; when a server sends several replies at once, with all of them."""
    reply, rest = _first_reply(raw)
    code = reply.lines[-1].code if reply.lines else None
    lines = list(reply.lines)
    # What follows the reply to STARTTLS is injected, and is reported as that.
    while rest.strip() and reply.complete and command != "STARTTLS":
        reply, rest = _first_reply(rest)
        lines += reply.lines
    is_cut = not reply.complete or len(raw) >= MAX_REPLY_BYTES
    return Exchange(command, code, tuple(escape(line.text) for line in lines), took_s, incomplete=is_cut)


def _first_reply(raw: bytes) -> tuple[Reply, bytes]:
    """Return the first reply in these bytes, and what follows it. The bytes are few, so lines need no limit."""
    reader = ReplyReader(MAX_REPLY_BYTES, max_lines=MAX_REPLY_BYTES)
    reader.receive_data(raw)
    reply = reader.end()
    return reply, raw[len(reply.raw) :]


def _after_reply(raw: bytes) -> str | None:
    """Return what a server sent after its reply to STARTTLS, escaped; None for nothing."""
    _, rest = _first_reply(raw)
    return escape(rest) if rest else None


def _extensions(exchange: Exchange | None) -> tuple[str, ...]:
    return exchange.lines[1:] if exchange is not None and exchange.code == 250 else ()


def _offers(exchange: Exchange | None, keyword: str) -> bool:
    return any(line.upper().split(" ")[0] == keyword for line in _extensions(exchange))


def _size(extensions: tuple[str, ...]) -> int | None:
    """Return the limit of the SIZE extension (RFC 1870): 0 when it names none."""
    for line in extensions:
        match = re.fullmatch(r"SIZE(?:[ =]([0-9]{1,18}))?", line.strip(), re.IGNORECASE)
        if match:
            return int(match[1] or 0)
    return None


def _auth(extensions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the mechanisms of AUTH lines, also of the old form "AUTH=LOGIN", each once, in order."""
    found: dict[str, None] = {}
    for line in extensions:
        words = line.upper().replace("=", " ", 1).split()
        if words[:1] == ["AUTH"]:
            found.update(dict.fromkeys(words[1:]))
    return tuple(found)
