"""Send over TCP or TLS to a receiver that never answers, so that a broken connection loses nothing.

`StreamConnection` knows when the other side's kernel has what we sent. When the daemon there dies, everything is lost
that its kernel had and it had not read. So the last `resend_bytes` that were sent are kept. When the connection breaks,
they are sent again over the next one, before anything new: duplicates with the same event ids, instead of gaps. The
default is more than a kernel's buffer holds on either side (`tcp_wmem` and `tcp_rmem`, tcp(7): 6 MiB on Linux).

At the end `close` waits until the receiver has read everything, and sends the window again when it has not.
Left out: what a daemon has in its own memory when it is killed; its configuration has to take care of that.
"""

import asyncio
import logging
import ssl
from collections import deque
from dataclasses import dataclass

from scanner.delivery.receivers.options import option, seconds, whole
from scanner.delivery.receivers.receiver import AccessDeniedError, TryLaterError
from scanner.delivery.receivers.stream_connection import StreamConnection
from scanner.delivery.receivers.tls import TlsOptions, is_tls_trouble, tls_context, warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkUrl
from scanner.timeouts import patience

log = logging.getLogger(__name__)

#: More than the kernels of both sides hold: whatever was sent earlier has been read.
_KERNEL_BYTES = 8 << 20
#: How long `close` may take; the relay process gets a little more before it is killed.
_CLOSE_S = 5.0
_CLOSE_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class StreamOptions(TlsOptions):
    """Options of every receiver over a connection without answers."""

    timeout: float = option("seconds for connecting, and for one batch", "30", seconds(0.1, 600))
    resend_bytes: int = option(
        "what was sent last and goes again after a broken connection", "8388608", whole(0, 1 << 30)
    )


class StreamClient:
    """A connection that is made again when it breaks. `open`, then `send` one after another, then `close`."""

    def __init__(self, url: SinkUrl[StreamOptions], default_port: int) -> None:
        """Take a sink's URL; its scheme ends in `+tls` or `+tcp`. Of several hosts, the next is tried after a failure.

        Raises:
            InputError: when TLS cannot be set up as asked for.
        """
        self.shown = url.shown
        self._tls = tls_context(url) if url.scheme.endswith("+tls") else None
        if self._tls is None:
            warn_plain(url)
        self._hosts = [(host, port or default_port) for host, port in url.hosts]
        self._timeout_s = url.options.timeout
        self._window = _SentWindow(url.options.resend_bytes)
        self._connection: StreamConnection | None = None
        self._turn = 0

    @property
    def unconfirmed_from(self) -> int | None:
        """The number of the first event that was sent and may not have been read; None: all were read."""
        return self._window.first

    async def open(self) -> None:
        """Connect anew; send again what may not have arrived over the connection before.

        Raises:
            TryLaterError, AccessDeniedError: when that fails.
        """
        await self._abort()
        host, port = self._hosts[self._turn % len(self._hosts)]
        try:
            async with patience(self._timeout_s):
                self._connection = await StreamConnection.open(host, port, self._tls)
            for data, _ in self._window:
                await self._write(self._connection, data)
        except (OSError, UnicodeError) as error:  # an invalid name is a UnicodeError
            await self._failed(error)
        except BaseException:  # cancelled: a connection with a part of the window must not end in good order
            await self._abort()
            raise

    async def send(self, data: bytes, first: int = 0) -> None:
        """Return when everything is sent: acknowledged by the receiver's kernel, and the connection stands.

        `first` is the number of the first event in it, for `unconfirmed_from`.

        Raises:
            TryLaterError, AccessDeniedError: when it is not; some of it may have arrived.
        """
        if self._connection is None:
            await self.open()
        assert self._connection is not None  # noqa: S101  opened above
        try:
            await self._write(self._connection, data)
        except OSError as error:
            await self._failed(error)
        self._window.add(data, first)

    async def close(self) -> None:
        """Wait until the receiver has read everything, for a limited time. Raises nothing."""
        try:
            async with patience(min(self._timeout_s, _CLOSE_S)):
                for _ in range(_CLOSE_ATTEMPTS):
                    if await self._ended():
                        return
        except TimeoutError:
            pass
        finally:
            await self._abort()
        if self._window.first is not None:
            log.warning(
                "-o %s: ended without a sign that the last %d bytes were read; they count as not delivered",
                self.shown,
                self._window.unread,
            )

    async def _ended(self) -> bool:
        """Return whether the receiver has read everything."""
        try:
            if self._connection is None:
                if self._window.first is None:
                    return True
                if self._window.unread > self._window.size:
                    return False  # more than can be sent again
                await self.open()
            assert self._connection is not None  # noqa: S101  opened above
            await self._connection.end()
        except (TryLaterError, AccessDeniedError, OSError):
            await self._abort()
            await asyncio.sleep(0.2)  # a daemon that is restarted needs a moment
            return False
        self._window.clear()
        return True

    async def _write(self, connection: StreamConnection, data: bytes) -> None:
        async with patience(self._timeout_s):
            await connection.write(data)

    async def _failed(self, error: Exception) -> None:
        """Abort the connection and raise what the error means to the relay."""
        await self._abort()
        self._turn += 1  # another host may work
        text = in_words(error)
        if isinstance(error, ssl.SSLError) and is_tls_trouble(error.reason or ""):
            raise AccessDeniedError(text) from None
        raise TryLaterError(text) from None

    async def _abort(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.abort()


class _SentWindow(deque[tuple[bytes, int]]):
    """What was sent last, oldest first: at least `limit` bytes of it, or everything that was sent.

    `unread` counts the bytes that may not have been read, including those that are not kept.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self.size = self.unread = 0
        self._unread: deque[tuple[int, int]] = deque()

    @property
    def first(self) -> int | None:
        """The lowest number of an event that may not have been read; None when all were."""
        return min((first for _, first in self._unread), default=None)

    def add(self, data: bytes, first: int) -> None:
        self.append((data, first))
        self.size += len(data)
        while self and self.size - len(self[0][0]) >= self._limit:
            self.size -= len(self.popleft()[0])
        self._unread.append((len(data), first))
        self.unread += len(data)
        while self.unread - self._unread[0][0] >= max(self._limit, _KERNEL_BYTES):
            self.unread -= self._unread.popleft()[0]

    def clear(self) -> None:
        super().clear()
        self._unread.clear()
        self.size = self.unread = 0
