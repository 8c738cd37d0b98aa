"""NATS JetStream: one message for each event, acknowledged by the stream, which drops duplicates by `Nats-Msg-Id`.

The stream drops a repeated id within its duplicate window (two minutes unless configured otherwise), and tells so in
its acknowledgement. So a batch that is sent again after a broken connection leaves no duplicates. The client's own
reconnecting is off: a broken connection ends the batch, and the relay decides when to retry.

Acknowledgements are read here: the client's `publish_async` waits without end for a message that the stream refuses.
"""

import asyncio
import contextlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from scanner.delivery.receivers.options import option, seconds, yes_no
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchLimits,
    Receipt,
    RefusedEvent,
    TryLaterError,
)
from scanner.delivery.receivers.tls import TlsOptions, tls_context, warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.delivery.secrets import others_read, warn_when_open
from scanner.errors import InputError
from scanner.formats.event import Event
from scanner.timeouts import patience

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

#: The answer to a message: whether the stream had it already, or why it was not taken.
_Answer = bool | Exception

_PORT = 4222
#: "message size exceeds maximum allowed" of a stream (nats-server, errors.json).
_TOO_LARGE = 10054
_NO_RESPONDERS = "503"
#: Bytes of a credentials file that are read; the least characters of a line that is a secret and not a frame.
_MAX_CREDENTIALS, _LEAST_CREDENTIAL = 64 << 10, 24


@dataclass(frozen=True, kw_only=True)
class NatsOptions(TlsOptions):
    """Options of a stream."""

    subject: str = option("where to publish", "smtpsweep.records")
    create: bool = option("make the stream when it is not there: yes or no", "no", yes_no)
    timeout: float = option("seconds for one batch", "10", seconds(0.1, 600))
    credentials_file: str | None = option("a NATS credentials file (JWT and NKey)")


class NatsReceiver:
    """Publishes to one subject of one stream."""

    limits = BatchLimits(max_events=1000, max_bytes=4 << 20)

    def __init__(self, url: SinkUrl[NatsOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when nats-py is not installed, or the URL names no stream.
        """
        if importlib.util.find_spec("nats") is None:
            raise InputError(f"-o {url.shown}: needs nats-py: pip install 'smtpsweep[nats]'")
        self._stream = url.path.strip("/")
        if not self._stream or any(character in self._stream for character in " ./\\*>\t"):
            raise InputError(f"-o {url.shown}: the path must name a stream, as in nats://host:4222/SMTPSWEEP")
        self.name = url.shown
        self._url = url
        _hide_credentials(url)
        secure = url.scheme.endswith("+tls")
        self._tls = tls_context(url) if secure else None
        if not secure:
            warn_plain(url)
        self._servers = server_urls(url)
        self._subject = url.options.subject
        self._timeout_s = url.options.timeout
        self._client: Client | None = None
        self._trouble: Exception | None = None
        self._inbox = ""
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}

    async def open(self, run: str) -> None:
        """Connect; make the stream when the URL asks for it."""
        del run
        from nats.aio.client import Client  # noqa: PLC0415  an extra

        await self.close()
        self._trouble = None
        try:
            async with patience(self._timeout_s):
                self._client = Client()  # kept before it connects, so that a failure can close it
                await self._connect(self._client)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            await self.close()
            # The client retries until the time is over; its last error is what a person needs to know.
            raise _meaning(self._cause(error)) from None

    async def _connect(self, client: "Client") -> None:
        await client.connect(
            self._servers,
            name="smtpsweep",
            tls=self._tls,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connection, too
            error_cb=self._note_trouble,
            **credentials(self._url),
        )
        if self._url.options.create:
            await self._create(client.jetstream(timeout=self._timeout_s))
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*", cb=self._take)

    def _cause(self, error: Exception) -> Exception:
        return self._trouble or error if isinstance(error, TimeoutError) else error

    async def _note_trouble(self, error: Exception) -> None:
        """Keep what the library would print."""
        self._trouble = error

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Publish in order, then wait for every acknowledgement."""
        if self._client is None or not self._client.is_connected:
            await self.open("")
        assert self._client is not None  # noqa: S101  opened above
        try:
            async with patience(self._timeout_s):
                waiting = [await self._publish(self._client, event, str(at)) for at, event in enumerate(batch)]
                answers = await asyncio.gather(*waiting)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            await self.close()
            raise _meaning(error) from None
        return await self._receipt(answers)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        self._waiting = {}
        if client is not None:
            with contextlib.suppress(Exception):  # it is gone either way
                await client.close()
            # After a refused login the library does not close its socket, for which there is no public name.
            transport: Any = client._transport  # noqa: SLF001  as above
            with contextlib.suppress(Exception):
                if transport is not None:
                    transport.close()
                    await transport.wait_closed()

    async def _create(self, context: "JetStreamContext") -> None:
        from nats.js.errors import BadRequestError, NotFoundError  # noqa: PLC0415  an extra

        try:
            await context.stream_info(self._stream)
        except NotFoundError:
            with contextlib.suppress(BadRequestError):  # another client was faster
                await context.add_stream(name=self._stream, subjects=[self._subject])

    async def _publish(self, client: "Client", event: Event, token: str) -> "asyncio.Future[_Answer]":
        from nats.errors import MaxPayloadError  # noqa: PLC0415  an extra

        headers = {"Nats-Msg-Id": event.id, "Smtpsweep-Target": event.key, "Nats-Expected-Stream": self._stream}
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[token] = answer
        try:
            await client.publish(self._subject, event.body, reply=f"{self._inbox}.{token}", headers=headers)
        except MaxPayloadError as error:
            answer.set_result(error)
        return answer

    async def _take(self, message: "Msg") -> None:
        """Take an acknowledgement: a document of JetStream, or the server's status that the subject has no stream."""
        from nats.errors import NoRespondersError  # noqa: PLC0415  an extra
        from nats.js.errors import APIError  # noqa: PLC0415  an extra

        answer = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if answer is None or answer.done():
            return
        if message.headers is not None and message.headers.get("Status") == _NO_RESPONDERS:
            answer.set_result(NoRespondersError())
            return
        document = orjson.loads(message.data)
        error = document.get("error")
        answer.set_result(bool(document.get("duplicate")) if error is None else APIError(**error))

    async def _receipt(self, answers: Sequence[_Answer]) -> Receipt:
        from nats.errors import MaxPayloadError  # noqa: PLC0415  an extra
        from nats.js.errors import APIError  # noqa: PLC0415  an extra

        refused: list[RefusedEvent] = []
        retry: list[int] = []
        duplicates, reason = 0, None
        for place, answer in enumerate(answers):
            if isinstance(answer, MaxPayloadError) or (isinstance(answer, APIError) and answer.err_code == _TOO_LARGE):
                refused.append(RefusedEvent(place, f"too large for the server: {in_words(answer)}"))
            elif isinstance(answer, Exception):
                retry.append(place)
                reason = in_words(answer)
                if isinstance(_meaning(answer), AccessDeniedError) and len(answers) == len(retry):
                    await self.close()
                    raise _meaning(answer)
            else:
                duplicates += answer
        if retry:
            await self.close()
        return Receipt(refused=tuple(refused), retry=tuple(retry), duplicates=duplicates, reason=reason)


def server_urls(url: SinkUrl[NatsOptions]) -> list[str]:
    """Return the servers of a sink's URL in the form that the client expects."""
    scheme = "tls" if url.scheme.endswith("+tls") else "nats"
    return [f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or _PORT}" for host, port in url.hosts]


def credentials(url: SinkUrl[NatsOptions]) -> dict[str, Any]:
    """Return the client's arguments for logging in."""
    token, password = url.secret("token"), url.secret("password")
    given = {
        "token": token.reveal() if token else None,
        "user": url.user,
        "password": password.reveal() if password else None,
        "user_credentials": url.options.credentials_file,
    }
    return {name: value for name, value in given.items() if value is not None}


def _hide_credentials(url: SinkUrl[NatsOptions]) -> None:
    """Keep what a credentials file holds (a JWT and the seed of a key) out of messages.

    Raises:
        InputError: when it cannot be read.
    """
    path = url.options.credentials_file
    if path is None:
        return
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(_MAX_CREDENTIALS).decode("utf-8", "replace")
            is_open = others_read(stream.fileno())
    except OSError as error:
        raise InputError(f"-o {url.shown}: credentials_file={path!a}: cannot be read ({error.strerror})") from None
    warn_when_open(f"-o {url.shown}: credentials_file={path!a}", is_open=is_open)
    for line in text.split():
        if len(line) >= _LEAST_CREDENTIAL:
            url.redaction.add(line)


def _meaning(error: BaseException) -> Exception:
    """Return what an error of the library means to the relay."""
    from nats.errors import (  # noqa: PLC0415  an extra
        AuthorizationError,
        InvalidUserCredentialsError,
        NoRespondersError,
    )
    from nats.js.errors import NoStreamResponseError, NotFoundError  # noqa: PLC0415  an extra

    if isinstance(error, NoStreamResponseError | NotFoundError | NoRespondersError):
        return AccessDeniedError("no stream takes this subject: make it, or add create=yes")
    if isinstance(error, AuthorizationError | InvalidUserCredentialsError) or "authorization" in str(error).lower():
        return AccessDeniedError(in_words(error))
    return TryLaterError(in_words(error))


KIND = SinkKind(
    summary="NATS JetStream: one message an event, repeats dropped by the stream",
    example="nats://host:4222/STREAM?subject=smtpsweep.records",
    formats=("native", "ecs", "ocsf", "cef", "leef", "gelf"),
    make=NatsReceiver,
    options=NatsOptions,
    secrets=("token", "password"),
)
