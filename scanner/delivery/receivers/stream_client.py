"""Sending over TCP or TLS to a receiver that never answers, so that a broken connection loses nothing.

`StreamConnection` knows when the other side's kernel has what we sent. A daemon that dies then takes with it what its
kernel had and it had not read. So the last `resend_bytes` that were sent are kept, and when the connection breaks they
are sent again over the next one, before anything new: repeats with the same event ids, instead of gaps. The default is
more than a kernel's buffer holds on either side (`tcp_wmem` and `tcp_rmem`, tcp(7): 6 MiB on Linux).

At the end `close` waits until the receiver has read everything, and sends the window again when it has not.
Left out: what a daemon keeps in its own memory when it is killed; that is for its configuration.
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

#: More than the kernels of both sides hold: what was sent before that has been read.
_KERNEL_BYTES = 8 << 20
#: How long the end may take; the relay is given a little more before it is killed.
_CLOSE_S = 5.0
_CLOSE_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class StreamOptions(TlsOptions):
    """What every receiver over a connection without answers can be told."""

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
        """The number of the first event that was sent and, as far as is known, may not have been read; None: all were.

        At any time: who is stopped in between must not claim more.
        """
        return self._window.first

    async def open(self) -> None:
        """Connect anew; send again what may not have arrived over the connection before.

        Raises:
            TryLaterError, AccessDeniedError: as they say.
        """
        await self._abort()
        host, port = self._hosts[self._turn % len(self._hosts)]
        try:
            async with patience(self._timeout_s):
                self._connection = await StreamConnection.open(host, port, self._tls)
            for data, _ in self._window:
                await self._write(self._connection, data)
        except (OSError, UnicodeError) as error:  # a name that is none is a UnicodeError
            await self._failed(error)
        except BaseException:  # stopped: with a part of the window sent, this is no connection to end in good order
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
        """Wait until the receiver has read everything, but not for ever. Raises nothing."""
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
        """Whether the receiver has read everything."""
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
        """Let go of the connection and say what the error means to the relay."""
        await self._abort()
        self._turn += 1  # another host may be well
        text = in_words(error)
        if isinstance(error, ssl.SSLError) and is_tls_trouble(error.reason or ""):
            raise AccessDeniedError(text) from None
        raise TryLaterError(text) from None

    async def _abort(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.abort()


class _SentWindow(deque[tuple[bytes, int]]):
    """What was sent last, oldest first: as little of it as holds `limit` bytes, or everything that was sent.

    `unread` counts the bytes that may not have been read, also those that are not kept.
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
