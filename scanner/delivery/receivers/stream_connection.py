"""One TCP or TLS connection to a receiver that never answers, and what can be known about what it has received.

Problem: syslog and GELF over TCP have no acknowledgement. When `write` of a socket returns, only our kernel has the
bytes. asyncio's streams tell even less, since they have buffers of their own, and more with TLS.

Approach: there is no buffer between the caller and the kernel. TLS is done in memory (`ssl.SSLObject`), its bytes are
sent with `sock_sendall`, and `write` then waits until the other side's kernel has acknowledged every one (`SIOCOUTQ`,
tcp(7)) and the other side has not closed. That is "sent". What the program over there has read is known only at the
end: it closes when it has read our close, and so everything before; `end` waits for that.

With TLS 1.3 the handshake of a client ends before the server has checked its certificate (RFC 8446, 4.4.2 and 4.6.1),
and a refusal comes later. So `open` waits a moment for the first bytes of the server: session tickets, or the alert.
"""

import asyncio
import contextlib
import fcntl
import socket
import ssl
import struct
import termios
from typing import Self

from scanner.timeouts import patience

_CHUNK_BYTES = 1 << 16
#: Between two checks of the send queue: the first and the longest pause.
_CHECK_S, _LONGEST_CHECK_S = 0.0005, 0.02
#: How long a server may take to refuse our certificate; those that send session tickets end the wait with them.
_VERDICT_S = 0.5


class StreamConnection:
    """An open connection. One task writes at a time; a task of its own reads, so that a close is noticed."""

    def __init__(self, connected: socket.socket, tls: "_Tls | None") -> None:
        self._socket = connected
        self._tls = tls
        self._heard = asyncio.Event()
        self._error: OSError | None = None
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext | None) -> Self:
        """Connect, and do the handshake when there is a context.

        Raises:
            OSError: when it cannot be reached; ssl.SSLError, which is one, when TLS fails.
        """
        connected = await _connect(host, port)
        try:
            tls = None if context is None else await _Tls.shake_hands(connected, context, host)
            self = cls(connected, tls)
        except BaseException:
            connected.close()
            raise
        try:
            if tls is not None and tls.version == "TLSv1.3":
                with contextlib.suppress(TimeoutError):
                    async with patience(_VERDICT_S):
                        await self._heard.wait()
                self._check()
        except BaseException:
            await self.abort()
            raise
        return self

    async def write(self, data: bytes) -> None:
        """Send; return when the other side's kernel has acknowledged everything and the other side has not closed.

        Raises:
            OSError: when the connection is broken, or has been since the last call.
        """
        self._check()
        await asyncio.get_running_loop().sock_sendall(self._socket, data if self._tls is None else self._tls.seal(data))
        pause_s = _CHECK_S
        while self._unacknowledged():
            self._check()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_CHECK_S)
        while self._is_readable() and not self._listening.done():  # our reading task has yet to see it
            self._heard.clear()
            await self._heard.wait()
        self._check()

    async def end(self) -> None:
        """Close for writing; return when the other side has read that, and so everything before it.

        Raises:
            OSError: when the connection broke, so that some of what was sent may not have been read.
        """
        self._check()
        if self._tls is not None:
            await asyncio.get_running_loop().sock_sendall(self._socket, self._tls.close())
        self._socket.shutdown(socket.SHUT_WR)
        await asyncio.wait([self._listening])
        if self._error is not None:
            raise self._error

    async def abort(self) -> None:
        """Close the socket at once. Harmless when it is closed."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self._socket.close()

    async def _listen(self) -> None:
        """Read to the end: a receiver sends nothing but what TLS needs."""
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._socket, _CHUNK_BYTES):
                if self._tls is None:
                    _require_no_answer(data)
                elif not self._tls.take(data):
                    break
                self._heard.set()
        except OSError as error:
            self._error = error
        finally:
            self._heard.set()

    def _check(self) -> None:
        if self._listening.done():
            raise self._error or ConnectionResetError("closed by the receiver")

    def _unacknowledged(self) -> int:
        """Return the bytes that we sent and the other side's kernel has not acknowledged."""
        (count,) = struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))  # SIOCOUTQ is TIOCOUTQ
        return int(count)

    def _is_readable(self) -> bool:
        """Return whether there is data, or a close, that our reading task may not have seen yet."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return True


class _Tls:
    """The TLS layer of a connection, in memory: bytes in, bytes out."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    @classmethod
    async def shake_hands(cls, connected: socket.socket, context: ssl.SSLContext, host: str) -> Self:
        """Do the handshake over a connected socket."""
        loop = asyncio.get_running_loop()
        self = cls(context, host)
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(connected, self._outgoing.read())
                data = await loop.sock_recv(connected, _CHUNK_BYTES)
                if not data:
                    raise ConnectionResetError("closed by the receiver in the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # the alert is a courtesy
                    await loop.sock_sendall(connected, self._outgoing.read())
                raise
            else:
                await loop.sock_sendall(connected, self._outgoing.read())
                return self

    @property
    def version(self) -> str | None:
        return self._object.version()

    def seal(self, data: bytes) -> bytes:
        """Return what to send for data; an answer that TLS owes the other side goes first."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def take(self, data: bytes) -> bool:
        """Digest what came; return False when the other side has closed. Raises ssl.SSLError for an alert."""
        self._incoming.write(data)
        try:
            while data_read := self._object.read(_CHUNK_BYTES):
                _require_no_answer(data_read)
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLZeroReturnError:  # it closes after we did
            pass
        return False

    def close(self) -> bytes:
        """Return our close notification."""
        with contextlib.suppress(ssl.SSLWantReadError):  # the other side's is waited for elsewhere
            self._object.unwrap()
        return self._outgoing.read()


def _require_no_answer(said: bytes) -> None:
    """Raise when a web server answers: it would read our bytes, too, and close in good order."""
    if said.startswith(b"HTTP/"):
        raise ConnectionResetError("a web server answers there, not a receiver of syslog or GELF: check the port")


async def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first address that answers."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(0)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await loop.sock_connect(one, address)
        except OSError as error:
            one.close()
            failure = error
        except BaseException:
            one.close()
            raise
        else:
            return one
    raise failure
