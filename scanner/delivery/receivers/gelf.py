"""GELF 1.1 over TCP or TLS: one JSON object for each event, ended by a NUL, as Graylog's TCP input expects it.

There is no acknowledgement: an event counts as taken when it is "sent", as for syslog (`stream_client`). An object must
not be cut, and a Graylog input closes the connection when one is larger than its limit. So an event that is larger than
`max_bytes` is refused here, with that reason. Left out: UDP with its chunks, and compression, which TCP does not have.

Source: GELF payload specification 1.1, go2docs.graylog.org.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scanner.delivery.receivers.options import option, whole
from scanner.delivery.receivers.receiver import BatchLimits, Receipt, RefusedEvent
from scanner.delivery.receivers.stream_client import StreamClient, StreamOptions
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.formats.event import Event

_PORT = 12201
_NUL = b"\0"


@dataclass(frozen=True, kw_only=True)
class GelfOptions(StreamOptions):
    """Options of a GELF input."""

    max_bytes: int = option("larger events are refused (Graylog: 2 MiB)", str(2 << 20), whole(1024, 1 << 26))


class GelfReceiver:
    """Sends to a GELF input."""

    limits = BatchLimits(max_events=1000, max_bytes=1 << 20)

    def __init__(self, url: SinkUrl[GelfOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when TLS cannot be set up as asked for.
        """
        self.name = url.shown
        self._max_bytes = url.options.max_bytes
        self._client = StreamClient(url, _PORT)

    async def open(self, run: str) -> None:
        """Connect."""
        del run
        await self._client.open()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send every event that may be sent; refuse the others."""
        refused = [
            RefusedEvent(place, reason)
            for place, event in enumerate(batch)
            if (reason := self._maybe_refusal(event)) is not None
        ]
        out = {one.place for one in refused}
        data = b"".join(event.body + _NUL for place, event in enumerate(batch) if place not in out)
        if data:
            await self._client.send(data, batch[0].sequence)
        return Receipt(refused=tuple(refused))

    async def close(self) -> None:
        """Wait until the receiver has read everything, for a limited time."""
        await self._client.close()

    @property
    def unconfirmed_from(self) -> int | None:
        """The number of the first event that may not have been read; None when all were."""
        return self._client.unconfirmed_from

    def _maybe_refusal(self, event: Event) -> str | None:
        if _NUL in event.body:
            return "holds a NUL, which would end it"
        if len(event.body) > self._max_bytes:
            return f"larger than max_bytes={self._max_bytes}"
        return None


KIND = SinkKind(
    summary="GELF over TCP or TLS, for Graylog",
    example="gelf+tls://host:12201",
    formats=("gelf",),
    make=GelfReceiver,
    options=GelfOptions,
)
