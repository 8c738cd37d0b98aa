"""HTTP for sinks: one session, bounded answers, and what a status means to the relay.

A receiver of this kind builds a body and reads an answer; here is what they share: TLS, time-outs, gzip, and the
classification of RFC 9110 statuses: 401, 403 and 407 are trouble with access, 408, 425, 429 and 5xx a matter of time
(`Retry-After` is honoured, RFC 9110, 10.2.3), 413 too much at once. Everything else is for the receiver to judge.
Redirects are not followed: they would send records and secrets where nobody asked them to go.
"""

import asyncio
import gzip
import importlib.util
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from scanner.errors import InputError
from scanner.sinks.descriptor import printable
from scanner.sinks.receiver import AccessDeniedError, TooLargeError, TryLaterError
from scanner.sinks.tls import TLS_OPTIONS, tls_context, warn_plain
from scanner.sinks.urls import Option, SinkUrl, choice, seconds

if TYPE_CHECKING:
    import aiohttp

HTTP_OPTIONS = (
    *TLS_OPTIONS,
    Option("timeout", "seconds for one request", "30", seconds(0.1, 600)),
    Option("compress", "gzip or none", "gzip", choice("gzip", "none")),
)
#: What is read of an answer at most; the answer to a bulk request names every event.
_MAX_ANSWER_BYTES = 8 << 20
#: What is shown of an answer.
_SHOWN_BYTES = 200


class Answer(NamedTuple):
    """An answer: its status, its body (cut at `_MAX_ANSWER_BYTES`), and its headers by lower-case name."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class HttpClient:
    """Requests to one base URL. `open` before the first, `close` after the last."""

    def __init__(self, url: SinkUrl) -> None:
        """Take the sink's URL: `https://` or `...+https://`, or the same with http.

        Raises:
            InputError: when the extra is not installed, or TLS cannot be set up as asked for.
        """
        if importlib.util.find_spec("aiohttp") is None:
            raise InputError(f"-o {url.shown}: needs aiohttp: pip install 'smtpsweep[http]'")
        secure = url.scheme.rpartition("+")[2] == "https"
        self._tls = tls_context(url) if secure else None
        if not secure:
            warn_plain(url)
        self._bases = [_base(host, port, secure=secure) for host, port in url.hosts]
        self._timeout_s: float = url.values["timeout"]
        self._gzip = url.values["compress"] == "gzip"
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0

    async def open(self) -> None:
        """Make the session."""
        import aiohttp  # noqa: PLC0415  an extra, and 100 ms

        await self.close()
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else False),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """End the session. Harmless when there is none."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request to the next of the hosts and return its answer when its status says that it was dealt with.

        Raises:
            TryLaterError, AccessDeniedError, TooLargeError: by status, or when no answer came.
        """
        return await self.request("POST", path, body, headers)

    async def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request with any method; see `post`."""
        import aiohttp  # noqa: PLC0415  an extra

        assert self._session is not None  # noqa: S101  opened before anything is sent
        sent = dict(headers)
        if body is not None and self._gzip:
            body = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
            sent["Content-Encoding"] = "gzip"
        base = self._bases[self._turn % len(self._bases)]
        try:
            async with self._session.request(
                method, base + path, data=body, headers=sent, allow_redirects=False
            ) as response:
                answer = Answer(
                    response.status,
                    await _read(response),
                    {name.lower(): value for name, value in response.headers.items()},
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._turn += 1  # another host may be well
            raise TryLaterError(f"{type(error).__name__}: {printable(str(error)) or 'no answer in time'}") from None
        self._judge(answer)
        return answer

    def _judge(self, answer: Answer) -> None:
        status = answer.status
        if status in (401, 403, 407):
            raise AccessDeniedError(describe(answer))
        if status == 413:
            raise TooLargeError(describe(answer))
        if status in (408, 425, 429) or status >= 500:
            self._turn += 1
            raise TryLaterError(describe(answer), retry_after_s(answer.headers.get("retry-after"), time.time()))


def describe(answer: Answer) -> str:
    """Return an answer for messages: its status and the beginning of its text, printable."""
    text = printable(answer.body[:_SHOWN_BYTES].decode("utf-8", "replace"))
    return f"HTTP {answer.status} {text}".rstrip()


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number or a date; None when it is missing or unreadable."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    """Read an answer to its end, so that the connection can be used again, but not more than is bearable."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            response.close()
            break
    return bytes(body[:_MAX_ANSWER_BYTES])


def _base(host: str, port: int | None, *, secure: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{name}:{port or (443 if secure else 80)}"
