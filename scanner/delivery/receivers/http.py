"""The HTTP client of sinks: one session, bounded answers, and what a status means to the relay.

A receiver over HTTP builds a body and reads an answer. This module has what such receivers share: TLS, time-outs, gzip,
and the meaning of RFC 9110 statuses. 401, 403 and 407 deny access; 408, 425, 429 and 5xx ask for a retry
(`Retry-After` is honoured, RFC 9110, 10.2.3); 413 means too much at once. Redirects are not followed: they would send
records and secrets to a place that the user did not name. A person has to name the right URL, and until then the
records wait. Other 2xx and 4xx are for the receiver to judge.

Nothing is retried here, and no cookie, proxy or .netrc of the environment is used.
"""

import asyncio
import gzip
import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from scanner.delivery.receivers.options import CommonOptions, choice, option, seconds
from scanner.delivery.receivers.receiver import AccessDeniedError, TooLargeError, TryLaterError
from scanner.delivery.receivers.tls import TlsOptions, is_tls_trouble, tls_context, warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkUrl
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError
from scanner.timeouts import patience
from scanner.version import VERSION

if TYPE_CHECKING:
    import aiohttp

#: How many bytes of an answer are read at most; the answer to a bulk request names every event.
_MAX_ANSWER_BYTES = 8 << 20
#: How many bytes of an answer are shown.
_SHOWN_BYTES = 200
#: A smaller body is not worth a header and a thread.
_MIN_GZIP_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class HttpOptions(TlsOptions):
    """Options of every receiver over HTTP."""

    timeout: float = option("seconds for one request", "30", seconds(0.1, 600))
    compress: str = option("gzip or none", "gzip", choice("gzip", "none"))


class HttpResponse(NamedTuple):
    """An answer: its status, its body (cut at `_MAX_ANSWER_BYTES`), and its headers by lower-case name.

    Body and headers are as they came and may repeat our secrets: what is shown of them goes through `redaction`.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    redaction: Redaction

    def shown(self, text: str | bytes) -> str:
        """Return the beginning of a part of the answer for messages: one line of printable ASCII without secrets."""
        return self.redaction.beginning(text, _SHOWN_BYTES)


class HttpClient:
    """Requests to one base URL. `open` before the first, `close` after the last."""

    def __init__(self, url: SinkUrl[HttpOptions], *, default_port: int | None = None) -> None:
        """Take the sink's URL: `https://` or `...+https://`, or the same with http.

        Args:
            url: the sink's; of several hosts one is used until it fails, then the next.
            default_port: for a host without one; None for 443 or 80.

        Raises:
            InputError: when the extra is not installed, or TLS cannot be set up as asked for.
        """
        if importlib.util.find_spec("aiohttp") is None:
            raise InputError(f"-o {url.shown}: needs aiohttp: pip install 'smtpsweep[http]'")
        secure = url.scheme.rpartition("+")[2] == "https"
        self._tls = tls_context(url) if secure else None
        if not secure:
            warn_plain(url)
        usual = default_port or (443 if secure else 80)
        self._bases = [_base(host, port or usual, secure=secure) for host, port in url.hosts]
        self._timeout_s = url.options.timeout
        self._redaction = url.redaction
        self._gzip = url.options.compress == "gzip"
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0

    async def open(self) -> None:
        """Make the session; nothing is sent yet. Called again, it makes a new one."""
        import aiohttp  # noqa: PLC0415  an extra, and 100 ms

        await self.close()
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the limit is around each request
            connector=aiohttp.TCPConnector(ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Answers are small, and a compressed one could unpack to gigabytes.
            headers={"User-Agent": f"smtpsweep/{VERSION}", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def close(self) -> None:
        """End the session. Harmless when there is none."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send a request and return its answer when the server has processed it: 2xx and most 4xx.

        Args:
            path: with its leading slash, percent-encoded, and its query if there is one.
            body: compressed on the way when the URL asks for it.
            headers: besides those of HTTP itself.

        Raises:
            TryLaterError, AccessDeniedError, TooLargeError: by status, or when no whole answer came.
        """
        return await self.request("POST", path, body, headers)

    async def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> HttpResponse:
        """Send a request with any method; see `post`."""
        import aiohttp  # noqa: PLC0415  an extra
        from yarl import URL  # noqa: PLC0415  comes with it

        assert self._session is not None  # noqa: S101  opened before anything is sent
        turn, sent = self._turn, dict(headers)
        if body is not None and self._gzip and len(body) >= _MIN_GZIP_BYTES:
            body = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
            sent["Content-Encoding"] = "gzip"
        url = URL(self._bases[turn % len(self._bases)] + path, encoded=True)
        try:
            async with (
                patience(self._timeout_s),
                self._session.request(method, url, data=body, headers=sent, allow_redirects=False) as response,
            ):
                received = {name.lower(): value for name, value in response.headers.items()}
                answer = HttpResponse(response.status, await _read(response), received, self._redaction)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._another_host(turn)
            text = self._redaction.beginning(in_words(error), _SHOWN_BYTES)
            raise AccessDeniedError(text) if is_tls_trouble(str(error)) else TryLaterError(text) from None
        self._judge(answer, turn)
        return answer

    def _judge(self, answer: HttpResponse, turn: int) -> None:
        status = answer.status
        if status in (401, 403, 407):
            raise AccessDeniedError(describe(answer))
        if status == 413:
            raise TooLargeError(describe(answer))
        if status in (408, 425, 429) or status >= 500:
            self._another_host(turn)
            after_s = retry_after_s(answer.headers.get("retry-after"), time.time())
            raise TryLaterError(describe(answer), after_s, answered=True)
        if not 200 <= status < 300 and status < 400:
            where = answer.shown(answer.headers.get("location", ""))
            message = f"HTTP {status}: it redirects to {where!a}: name that URL if it is the right one"
            raise TryLaterError(message, answered=True)

    def _another_host(self, turn: int) -> None:
        """Continue with the next host, unless another failed request has done so already."""
        if self._turn == turn:
            self._turn += 1


def describe(answer: HttpResponse) -> str:
    """Return an answer for messages: its status and the beginning of its text, printable ASCII."""
    text = answer.shown(answer.body)  # many servers repeat the status there: "404: Not Found"
    return f"HTTP {answer.status} {text.removeprefix(str(answer.status)).lstrip(': ')}".rstrip()


def header_secret(url: SinkUrl[CommonOptions], name: str) -> str | None:
    """Return a secret that goes into a header, None when the URL does not name it.

    Raises:
        InputError: when it holds characters that a header cannot.
    """
    secret = url.secret(name)
    text = None if secret is None else secret.reveal()
    if text is not None and not text.isprintable():
        raise InputError(f"-o {url.shown}: {name}: holds line ends or control characters: it cannot be sent")
    return text


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number or a date; None when it is missing or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        at = parsedate_to_datetime(text)
        # A date whose zone is "-0000" has none: it is UTC (RFC 5322, 3.3).
        return max(0.0, (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    """Read an answer to its end, so that the connection can be used again, but no more than the limit."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            response.close()
            break
    return bytes(body[:_MAX_ANSWER_BYTES])


def _base(host: str, port: int, *, secure: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{name}:{port}"
