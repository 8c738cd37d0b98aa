"""Webhook: batches of events by HTTP POST to any URL, signed, so that the server can verify their sender.

    POST /in
    Idempotency-Key: 3f5a...                      the same for the same events, in this or a later attempt
    X-Smtpsweep-Signature: t=1795342616,v1=9c1e... HMAC-SHA256 of "1795342616." and the body, in hexadecimal

The signature covers the body before compression, which is what most servers hand to a program. The time is that of the
attempt: a server that checks it can refuse a recorded request that is sent again.

The meaning of answers. 2xx: all events were taken. 400 and 422: at least one event is bad; the relay sends halves until
that event is alone, and keeps it as a dead letter. 409: all were taken before, if an earlier attempt ended without a
clear answer; for events that were never sent it is a refusal like 400. `conflict=taken` is for servers that remember
events for longer than we do. Any other 4xx (404, 405, 410, 415 ...) is about the URL or its options and never about a
record: the records wait until a person has corrected it.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from scanner.delivery.receivers.http import HttpClient, HttpOptions, describe, header_secret
from scanner.delivery.receivers.options import choice, option, whole
from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.errors import InputError
from scanner.formats.event import Event

SIGNATURE = "X-Smtpsweep-Signature"
#: RFC 9110, 5.6.2.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CONTENT_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "single": "application/json"}
#: Characters of a value in the query that may be a secret (a key, a signature): shorter ones are versions and flags.
_SECRET_VALUE = 12
#: Headers that HTTP or this sink sets.
_TAKEN_HEADERS = frozenset(
    {"content-type", "content-length", "content-encoding", "host", "transfer-encoding", "idempotency-key"}
    | {SIGNATURE.lower()}
)


@dataclass(frozen=True, kw_only=True)
class WebhookOptions(HttpOptions):
    """Options of a webhook."""

    body: str = option(
        "json (an array), ndjson, or single (one event a request)", "json", choice("json", "ndjson", "single")
    )
    batch: int = option("events in one request at most", "500", whole(1, 10_000))
    parallel: int = option("requests at a time; with 1 the order is kept", "1", whole(1, 64))
    conflict: str = option(
        "what 409 means for events that were not sent before: refused (dead letters) or taken",
        "refused",
        choice("refused", "taken"),
    )
    query: str | None = option("query of the URL, percent-encoded (here '?' begins the options)")
    token_header: str = option("the token's header; in Authorization it is a bearer token", "Authorization")
    compress: str = option("gzip or none", "none", choice("gzip", "none"))


class WebhookReceiver:
    """Posts to one URL."""

    def __init__(self, url: SinkUrl[WebhookOptions], *, now: Callable[[], float] = time.time) -> None:
        """Take the URL, and the clock for signatures (Unix seconds).

        Raises:
            InputError: when aiohttp is not installed, or the URL has a part that a webhook does not use.
        """
        self._client = HttpClient(url)
        if url.user is not None:
            raise InputError(f"-o {url.shown}: a webhook takes no user: use token_env=NAME")
        self.name = url.shown
        self._mode = url.options.body
        batch = 1 if self._mode == "single" else url.options.batch
        self.limits = BatchLimits(max_events=batch, max_bytes=1 << 20, in_flight=url.options.parallel)
        self._path = quote(url.path or "/") + _query(url)
        for _, value in parse_qsl(url.options.query or ""):
            if len(value) >= _SECRET_VALUE:
                url.redaction.add(value)
        self._headers = {"Content-Type": _CONTENT_TYPES[self._mode], **_token(url)}
        secret = url.secret("secret")
        self._key = None if secret is None else secret.reveal().encode()
        self._believes = url.options.conflict == "taken"
        self._unsure: set[str] = set()  # ids of events that were sent without an answer: they may have been taken
        self._now = now

    async def open(self, run: str) -> None:
        """Make the session; whether the webhook is there shows with the first batch."""
        del run
        await self._client.open()

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Post a batch and judge the answer."""
        body = _body(self._mode, batch)
        headers = {**self._headers, "Idempotency-Key": idempotency_key(batch)}
        if self._key is not None:
            headers[SIGNATURE] = signature(self._key, body, int(self._now()))
        new = {event.id for event in batch} - self._unsure
        self._unsure |= new
        try:
            answer = await self._client.post(self._path, body, headers)
        except (AccessDeniedError, TooLargeError):
            self._unsure -= new
            raise
        is_repeat = answer.status == 409 and (self._believes or not new)
        if is_repeat or 200 <= answer.status < 300:
            self._unsure.difference_update(event.id for event in batch)
            return Receipt(duplicates=len(batch)) if is_repeat else TAKEN
        self._unsure -= new  # the server has taken none of these
        if answer.status in (400, 409, 422):
            raise BatchRefusedError(describe(answer))
        raise TryLaterError(f"{describe(answer)}: check the URL and its options", answered=True)

    async def close(self) -> None:
        """End the session."""
        await self._client.close()


def signature(key: bytes, body: bytes, at: int) -> str:
    """Return the value of the signature's header for a body, sent at a time in Unix seconds."""
    return f"t={at},v1={hmac.new(key, b'%d.%s' % (at, body), hashlib.sha256).hexdigest()}"


def idempotency_key(batch: Sequence[Event]) -> str:
    """Return the key of these events in this order."""
    return hashlib.sha256("\n".join(event.id for event in batch).encode()).hexdigest()[:32]


def _body(mode: str, batch: Sequence[Event]) -> bytes:
    if mode == "json":
        return b"[%s]" % b",".join(event.body for event in batch)
    if mode == "ndjson":
        return b"".join(event.body + b"\n" for event in batch)
    (event,) = batch
    return event.body


def _query(url: SinkUrl[WebhookOptions]) -> str:
    query = url.options.query
    return "" if query is None else "?" + quote(query, safe="=&%+,;:@/?!$'()*~")


def _token(url: SinkUrl[WebhookOptions]) -> dict[str, str]:
    token, header = header_secret(url, "token"), url.options.token_header
    if not _HEADER_NAME.fullmatch(header) or header.lower() in _TAKEN_HEADERS:
        raise InputError(f"-o {url.shown}: token_header={header!a}: is not a name for the header of a token")
    if token is None:
        return {}
    return {header: f"Bearer {token}" if header.lower() == "authorization" else token}


KIND = SinkKind(
    summary="webhook: batches by HTTP POST, signed with HMAC-SHA256",
    example="https://hook.example.com/in",
    formats=("native", "ecs", "ocsf", "gelf"),
    make=WebhookReceiver,
    options=WebhookOptions,
    secrets=("secret", "token"),
)
