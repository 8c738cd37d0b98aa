"""Syslog: one RFC 5424 message for each event, over TCP or TLS with octet counting (RFC 6587, RFC 5425), or over UDP.

Syslog has no acknowledgement. Over TCP and TLS an event counts as taken when the receiver's kernel has acknowledged
it ("sent"), and the last events are sent again after a broken connection (`stream_client`): there may be duplicates,
but no gaps. UDP (RFC 5426) is for receivers that offer nothing better: a lost datagram is lost without notice.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from scanner.delivery.receivers.options import CommonOptions, choice, option, whole
from scanner.delivery.receivers.receiver import BatchLimits, Receipt, RefusedEvent, TryLaterError
from scanner.delivery.receivers.stream_client import StreamClient, StreamOptions
from scanner.delivery.receivers.syslog_message import (
    DOCUMENTATION_ENTERPRISE,
    FACILITIES,
    LEAST_MAX_BYTES,
    MessageStyle,
    frame,
    maybe_refusal,
    message,
    own_hostname,
    read_hostname,
)
from scanner.delivery.receivers.tls import warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkKind, SinkUrl, single_host
from scanner.formats.event import Event

log = logging.getLogger(__name__)

_TCP_PORT, _TLS_PORT, _UDP_PORT = 601, 6514, 514
_FORMATS = ("native", "cef", "leef", "ecs", "ocsf")
#: The kernel has no room for a datagram now.
_FULL = (errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM)


@dataclass(frozen=True, kw_only=True)
class MessageOptions(CommonOptions):
    """Options of the messages."""

    facility: str = option("the facility, by its name", "local0", choice(*FACILITIES))
    hostname: str | None = option("the sender in HOSTNAME (default: this machine's name)", None, read_hostname)
    enterprise: int = option(
        "private enterprise number of the structured data", str(DOCUMENTATION_ENTERPRISE), whole(0, (1 << 32) - 1)
    )
    max_bytes: int = option("the longest message that the receiver takes", "8192", whole(LEAST_MAX_BYTES, 1 << 26))
    long: str = option(
        "longer messages: refuse (a dead letter) or cut (a part goes out)", "refuse", choice("refuse", "cut")
    )


@dataclass(frozen=True, kw_only=True)
class SyslogOptions(StreamOptions, MessageOptions):
    """Options of a receiver over TCP or TLS."""


@dataclass(frozen=True, kw_only=True)
class _RateOptions(CommonOptions):
    rate: int = option("datagrams a second", "5000", whole(1, 10**6))


@dataclass(frozen=True, kw_only=True)
class DatagramOptions(_RateOptions, MessageOptions):
    """Options of a receiver over UDP."""


class SyslogReceiver:
    """Sends over TCP or TLS."""

    limits = BatchLimits(max_events=1000, max_bytes=1 << 20)

    def __init__(self, url: SinkUrl[SyslogOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when TLS cannot be set up as asked for.
        """
        self.name = url.shown
        self._style = _style(url)
        self._client = StreamClient(url, _TLS_PORT if url.scheme.endswith("+tls") else _TCP_PORT)

    async def open(self, run: str) -> None:
        """Connect."""
        del run
        await self._client.open()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send every event that may be sent; refuse the others."""
        refused = refusals(batch, self._style)
        out = {one.place for one in refused}
        data = b"".join(frame(message(event, self._style)) for place, event in enumerate(batch) if place not in out)
        if data:
            await self._client.send(data, batch[0].sequence)
        return Receipt(refused=refused)

    async def close(self) -> None:
        """Wait until the receiver has read everything, for a limited time."""
        await self._client.close()

    @property
    def unconfirmed_from(self) -> int | None:
        """The number of the first event that may not have been read; None when all were."""
        return self._client.unconfirmed_from


class DatagramReceiver:
    """Sends over UDP, one datagram an event, not faster than `rate`."""

    limits = BatchLimits(max_events=100, max_bytes=1 << 20)

    def __init__(self, url: SinkUrl[DatagramOptions]) -> None:
        """Take the URL, which must name one host.

        Raises:
            InputError: when it does not.
        """
        self.name = url.shown
        self._style = _style(url)
        self._host, self._port = single_host(url, _UDP_PORT)
        self._rate = url.options.rate
        self._socket: socket.socket | None = None
        warn_plain(url)
        log.warning("-o %s: UDP loses messages without notice; syslog+tcp and syslog+tls do not", url.shown)

    async def open(self, run: str) -> None:
        """Look up the name and make a socket; whether there is a listener cannot be known."""
        del run
        await self.close()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.settimeout(0)
            self._socket.connect(address)
        except (OSError, UnicodeError) as error:  # an invalid name is a UnicodeError
            await self.close()
            raise TryLaterError(in_words(error)) from None

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send each event as a datagram; refuse those that can never be sent."""
        if self._socket is None:
            await self.open("")
        assert self._socket is not None  # noqa: S101  opened above
        refused = {one.place: one for one in refusals(batch, self._style)}
        for place, event in enumerate(batch):
            if place in refused:
                continue
            try:
                self._socket.send(message(event, self._style))
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    refused[place] = RefusedEvent(place, "too large for a datagram: set a smaller max_bytes")
                elif error.errno in _FULL:
                    rest = tuple(number for number in range(place, len(batch)) if number not in refused)
                    return Receipt(refused=tuple(refused.values()), retry=rest, reason=in_words(error))
                else:  # an error for some earlier datagram, such as a closed port; which one is unknown
                    await self.close()
                    raise TryLaterError(in_words(error)) from None
        await asyncio.sleep(len(batch) / self._rate)
        if number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):  # what came back meanwhile
            await self.close()
            raise TryLaterError(f"{os.strerror(number)}: nothing listens there")
        return Receipt(refused=tuple(refused.values()))

    async def close(self) -> None:
        """Close the socket."""
        one, self._socket = self._socket, None
        if one is not None:
            one.close()


def refusals(batch: Sequence[Event], style: MessageStyle) -> tuple[RefusedEvent, ...]:
    """Return the events that must not be sent, with the reason."""
    found = ((place, maybe_refusal(event, style)) for place, event in enumerate(batch))
    return tuple(RefusedEvent(place, reason) for place, reason in found if reason is not None)


def _style(url: SinkUrl[MessageOptions]) -> MessageStyle:
    options = url.options
    return MessageStyle(
        name=options.format,
        hostname=options.hostname or own_hostname(),
        facility=options.facility,
        enterprise=options.enterprise,
        max_bytes=options.max_bytes,
        cuts=options.long == "cut",
    )


KIND = SinkKind(
    summary="syslog (RFC 5424) over TCP or TLS, octet-counted",
    example="syslog+tls://host:6514?format=cef",
    formats=_FORMATS,
    make=SyslogReceiver,
    options=SyslogOptions,
)
UDP_KIND = SinkKind(
    summary="syslog (RFC 5424) over UDP: what is lost is lost",
    example="syslog+udp://host:514",
    formats=_FORMATS,
    make=DatagramReceiver,
    confirms=False,
    options=DatagramOptions,
)
