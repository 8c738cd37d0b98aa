"""Splunk: events to the HTTP Event Collector (HEC), which are safe when an indexer has acknowledged them.

A 200 only means that the collector has a request in its memory. With `ack=required` (indexer acknowledgement) the
answer holds an id, unique within a channel that the client names, and we ask for that id until its value is true. The
server forgets an id once it has answered true, and forgets all of them when it restarts and counts from 0 again. So a
channel belongs to one request at a time and is not used again after a failure: an acknowledgement of another request is
never mistaken for ours. What is not acknowledged in time is sent again and may be stored twice; searches `dedup` the
event id.

A bad event, number k of a request, is answered with 400 and `invalid-event-number`: the events before it are stored, it
and the others are not. "Incorrect index" counts from 1. Splunk Cloud names event 0 when a request is too large, so
event 0 counts as bad only when it was sent alone. An unknown key beside an event silently loses it and all that follow;
we use only documented keys. Errors of token, index or channel cost no record: they wait for a person.

Left out: the raw endpoint, indexed fields, cookies of a load balancer (acknowledgements need one that sends a client
to the same indexer by its address). Sources: "Format events for HTTP Event Collector", "About HTTP Event Collector
Indexer Acknowledgment" and "Troubleshoot HTTP Event Collector" in Splunk's documentation; answers of Splunk 10.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from scanner.delivery.receivers.http import HttpClient, HttpOptions, HttpResponse, describe, header_secret
from scanner.delivery.receivers.options import choice, option, seconds, whole
from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.errors import InputError
from scanner.formats import Event, make_format
from scanner.timeouts import patience

log = logging.getLogger(__name__)

_PORT = 8088
_PATH = "/services/collector/event"
_MAX_EVENTS = 500
#: An acknowledgement takes about a second, whatever the load: this many requests at a time bridge it.
_IN_FLIGHT_WITH_ACKS, _IN_FLIGHT = 16, 4
#: Bytes around an event besides what the URL adds: `{"time":"1795342616.123000","event":}`.
_AROUND_BYTES = 40
#: Seconds between two questions for an acknowledgement: the first pause grows by the factor up to the longest.
_FIRST_POLL_S, _POLL_FACTOR, _LONGEST_POLL_S = 0.25, 1.5, 5.0

#: What a person has to do about an answer, by its Splunk code.
_FOR_A_PERSON: Mapping[int, str] = {
    1: "enable the token",
    2: "name the token",
    3: "check the token",
    4: "check the token",
    10: "indexer acknowledgement is on for this token: use ack=required",
    11: "the channel is not accepted",
    14: "indexer acknowledgement is off for this token: turn it on, or use ack=none",
    28: "indexer acknowledgement is on for this token: use ack=required",
}
_INCORRECT_FORMAT, _INCORRECT_INDEX = 6, 7
#: Codes of one bad event: format, index, no event, blank event, indexed fields.
_BAD_EVENT = frozenset({_INCORRECT_FORMAT, _INCORRECT_INDEX, 12, 13, 15})
#: Codes of a server in trouble (error, busy) and of its queues, whatever status they come with.
_SERVER_TROUBLE = frozenset({8, 9, *range(18, 28)})


@dataclass(frozen=True, kw_only=True)
class SplunkOptions(HttpOptions):
    """Options of a collector."""

    index: str | None = option("where events go (default: the token's)")
    source: str = option("their source", "smtpsweep")
    sourcetype: str | None = option("their source type (default: smtpsweep:FORMAT, for native smtpsweep:record)")
    host: str | None = option("their host (default: Splunk's choice)")
    ack: str = option(
        "required: safe when indexed; none; best_effort: none where the token has no acknowledgement",
        "required",
        choice("required", "none", "best_effort"),
    )
    ack_timeout: float = option("seconds to wait for an acknowledgement before sending again", "60", seconds(0.5, 3600))
    max_bytes: int = option("of one request before compression", "1000000", whole(1000, 800_000_000))


class SplunkReceiver:
    """Sends to one collector with one token."""

    def __init__(self, url: SinkUrl[SplunkOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when aiohttp is not installed, no token is named, or the path is that of another endpoint.
        """
        self._client = HttpClient(url, default_port=_PORT)
        self.name = url.shown
        self._redaction = url.redaction
        path = _event_path(url)
        self._path = quote(path)
        self._ack_path = quote(f"{path.removesuffix('/1.0').removesuffix('/event')}/ack")
        token = header_secret(url, "token")
        if token is None:
            raise InputError(f"-o {url.shown}: needs a token: name it with token_env=NAME or token_file=PATH")
        self._headers = {"Authorization": f"Splunk {token}", "Content-Type": "application/json"}
        options = url.options
        self._is_json = make_format(options.format).is_json
        self._metadata = _metadata(options)
        self._max_bytes = options.max_bytes
        self._acks_needed, self._has_channels = options.ack == "required", options.ack != "none"
        self._acks_asked = self._has_channels  # until the server knows no acknowledgements (best effort)
        self._acks_checked = False
        self._ack_timeout_s = options.ack_timeout
        self._channels: list[str] = []  # that no request uses, and with which all went well
        self.limits = BatchLimits(
            max_events=_MAX_EVENTS,
            max_bytes=max(1, self._max_bytes - _MAX_EVENTS * (_AROUND_BYTES + len(self._metadata))),
            in_flight=_IN_FLIGHT_WITH_ACKS if self._acks_asked else _IN_FLIGHT,
        )

    async def open(self, run: str) -> None:
        """Make the session, and find out whether the token has acknowledgements before anything is sent."""
        del run
        await self._client.open()
        await self._check_acks()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send a batch; return when it is acknowledged, or its result is known otherwise."""
        body = b"\n".join(self._envelope(event) for event in batch)
        if len(body) > self._max_bytes and len(batch) > 1:
            raise TooLargeError(f"{len(body)} bytes, more than max_bytes={self._max_bytes}")
        await self._check_acks()
        channel = self._channels.pop() if self._channels else str(uuid.uuid4())
        answer = await self._client.post(self._path, body, self._with_channel(channel))
        if answer.status != 200:
            return _partly_taken(answer, len(batch))
        if _number(answer, "code") != 0:
            raise TryLaterError(f"{describe(answer)}: is not an answer of Splunk's collector", answered=True)
        if self._acks_asked:
            await self._await_ack(channel, answer)
        self._channels.append(channel)
        return TAKEN

    async def close(self) -> None:
        """End the session."""
        await self._client.close()

    def _envelope(self, event: Event) -> bytes:
        time = b"" if event.time_s is None else b'"time":"%.6f",' % event.time_s
        body = event.body if self._is_json else orjson.dumps(event.body.decode())
        return b'{%s%s"event":%s}' % (time, self._metadata, body)

    def _with_channel(self, channel: str) -> dict[str, str]:
        return self._headers | ({"X-Splunk-Request-Channel": channel} if self._has_channels else {})

    async def _check_acks(self) -> None:
        """Ask for some acknowledgement: the answer tells whether the token has acknowledgements."""
        if not self._acks_asked or self._acks_checked:
            return
        try:
            await self._ask(str(uuid.uuid4()), 0)
        except AccessDeniedError as error:
            self._without_acks(error)
        self._acks_checked = True

    async def _await_ack(self, channel: str, answer: HttpResponse) -> None:
        """Return when a request is acknowledged, or when best effort does without.

        Raises:
            TryLaterError: when it is not acknowledged in time: it is sent again.
            AccessDeniedError: when the server does not know acknowledgements any more.
        """
        try:
            async with patience(self._ack_timeout_s):
                await self._poll(channel, _ack_id(answer))
        except TimeoutError:
            message = f"not acknowledged by an indexer in {self._ack_timeout_s:g} s: sent again"
            raise TryLaterError(message, answered=True) from None
        except AccessDeniedError as error:
            self._acks_checked = False  # checked before anything is sent again, so that waiting makes no duplicates
            self._without_acks(error)

    async def _poll(self, channel: str, number: int) -> None:
        pause = _FIRST_POLL_S
        while True:
            await asyncio.sleep(pause)
            try:
                if await self._ask(channel, number):
                    return
            except TryLaterError:
                pass  # a server that is busy or away for a moment may still know the id
            pause = min(pause * _POLL_FACTOR, _LONGEST_POLL_S)

    async def _ask(self, channel: str, number: int) -> bool:
        """Return whether a request is acknowledged; the server answers true only once."""
        answer = await self._client.post(self._ack_path, orjson.dumps({"acks": [number]}), self._with_channel(channel))
        if answer.status != 200:
            raise AccessDeniedError(_for_a_person(answer, "acknowledgements cannot be asked for"))
        acks = _document(answer).get("acks")
        return isinstance(acks, dict) and acks.get(str(number)) is True

    def _without_acks(self, error: AccessDeniedError) -> None:
        """Continue without acknowledgements and log that, if it is allowed; else raise the error."""
        if self._acks_needed:
            raise error
        if self._acks_asked:
            why = self._redaction.clean(str(error))
            log.warning("-o %s: goes on without acknowledgements (ack=best_effort): %s", self.name, why)
        self._acks_asked = False


def _event_path(url: SinkUrl[SplunkOptions]) -> str:
    path = url.path.rstrip("/") or _PATH
    if path.endswith(("/raw", "/raw/1.0", "/ack", "/health")):
        raise InputError(f"-o {url.shown}: the path must be the collector's for events, as {_PATH}")
    return path


def _metadata(options: SplunkOptions) -> bytes:
    """Return the metadata of every event but its time, as the inside of a JSON object with a comma at its end."""
    given = {
        "host": options.host,
        "source": options.source,
        "sourcetype": options.sourcetype,
        "index": options.index,
    }
    named = {name: value for name, value in given.items() if value is not None}
    kind = "record" if options.format == "native" else options.format
    named.setdefault("sourcetype", f"smtpsweep:{kind}")  # as in scanner/formats/data/splunk
    return orjson.dumps(named)[1:-1] + b","


def _document(answer: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one when it is something else, such as a proxy's HTML."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _number(answer: HttpResponse, name: str) -> int | None:
    """Return a whole number of an answer, None when there is none of this name."""
    value = _document(answer).get(name)
    return value if type(value) is int else None  # in JSON true is not a number


def _ack_id(answer: HttpResponse) -> int:
    number = _number(answer, "ackId")
    if number is None:
        raise AccessDeniedError(f"{describe(answer)}: has no ackId: {_FOR_A_PERSON[14]}")
    return number


def _partly_taken(answer: HttpResponse, size: int) -> Receipt:
    """Return what an answer other than 200 means for a batch of `size` events.

    Raises:
        AccessDeniedError, TryLaterError, BatchRefusedError: when it is not about single events.
    """
    code, number = _number(answer, "code"), _number(answer, "invalid-event-number")
    if answer.status != 400 or code in _FOR_A_PERSON:
        raise AccessDeniedError(_for_a_person(answer, "is this the URL of Splunk's event collector?"))
    if code in _SERVER_TROUBLE:
        raise TryLaterError(describe(answer), answered=True)
    place = -1 if number is None else number - (code == _INCORRECT_INDEX)
    if code == _INCORRECT_INDEX and place <= 0:  # all events name the same index: no event is to blame
        raise AccessDeniedError(_for_a_person(answer, "the token must be allowed to write to this index"))
    if code not in _BAD_EVENT or not 0 <= place < size or (code == _INCORRECT_FORMAT and place == 0):
        raise BatchRefusedError(describe(answer))
    reason = describe(answer)
    return Receipt(refused=(RefusedEvent(place, reason),), retry=tuple(range(place + 1, size)), reason=reason)


def _for_a_person(answer: HttpResponse, otherwise: str) -> str:
    code = _number(answer, "code")
    return f"{describe(answer)}: {otherwise if code is None else _FOR_A_PERSON.get(code, otherwise)}"


KIND = SinkKind(
    summary="Splunk: batches to the HTTP Event Collector, with indexer acknowledgement",
    example="splunk+https://host:8088?index=sec&token_env=HEC_TOKEN",
    formats=("ecs", "native", "ocsf", "cef", "leef"),
    make=SplunkReceiver,
    options=SplunkOptions,
    secrets=("token",),
)
