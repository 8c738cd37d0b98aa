"""OpenSearch and Elasticsearch: documents by `_bulk`, each under its event id, into an index or a data stream.

Only the action `create` is used: a document that is there already is answered with 409 and counts as taken, so a batch
that is sent again leaves no duplicates. (In a data stream that holds for one backing index: after a rollover the same
id can be stored once more.)

A bulk request is answered with 200 and one status for each document. 429 and 5xx ask for a retry of that document. 400
and similar refuse it for good, unless the reason is the index: an index that is missing, closed or blocked needs a
person and costs no record. An answer that does not name every document, or is not JSON (some receivers that imitate
`_bulk` answer a bad request with 200 and nothing), proves nothing: everything is sent again.

Left out: the client libraries of both products, each of which refuses servers of the other; request signing of AWS.
Sources: "Bulk API" and "Index templates" in the documentation of both; answers of OpenSearch 3.8.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import orjson

from scanner.delivery.receivers.http import HttpClient, HttpOptions, HttpResponse, describe, header_secret
from scanner.delivery.receivers.options import option, whole, yes_no
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TryLaterError,
)
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.errors import InputError
from scanner.formats.event import Event

_PORT = 9200
#: The names that an index or data stream may have ("Create index API": lower case, not beginning with -_+).
_INDEX = re.compile(r"[a-z0-9.][a-z0-9._+-]{0,254}")
#: The parts of an answer that we need: the result of each document, not its location.
_WANTED = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
_HEADERS = {"Content-Type": "application/x-ndjson", "Accept": "application/json"}
#: Refusals because of the index, whatever their status.
_INDEX_TROUBLE = frozenset(
    {
        "index_not_found_exception",
        "index_closed_exception",
        "invalid_index_name_exception",
        "cluster_block_exception",
        "validation_exception",  # the index cannot be made: too many shards
    }
)


@dataclass(frozen=True, kw_only=True)
class OpenSearchOptions(HttpOptions):
    """Options of OpenSearch."""

    install: bool = option("put the index template for ECS, which makes a data stream: yes or no", "no", yes_no)
    batch: int = option("documents in one request at most", "1000", whole(1, 10_000))


class OpenSearchReceiver:
    """Writes to one index or data stream."""

    def __init__(self, url: SinkUrl[OpenSearchOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when aiohttp is not installed, the path names no index, or credentials do not fit together.
        """
        self._client = HttpClient(url, default_port=_PORT)
        prefix, _, self._index = url.path.rstrip("/").rpartition("/")
        if not _INDEX.fullmatch(self._index) or self._index in (".", ".."):
            raise InputError(
                f"-o {url.shown}: the path must name an index or data stream (lower case), as in {KIND.example}"
            )
        self.name = url.shown
        self.limits = BatchLimits(max_events=url.options.batch, max_bytes=8 << 20, in_flight=2)
        self._prefix = quote(prefix)
        self._path = f"{self._prefix}/{quote(self._index)}/_bulk?filter_path={_WANTED}"
        self._authorization = _authorization(url)
        self._install = url.options.install
        # ECS has a timestamp; other formats get one, since data streams and dashboards do not work without it.
        self._adds_timestamp = url.options.format != "ecs"

    async def open(self, run: str) -> None:
        """Make the session, and put the index template when the URL asks for it."""
        del run
        await self._client.open()
        if self._install:
            try:
                await self._put_template()
            except BaseException:
                await self._client.close()
                raise

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Send a batch and judge the result of each document."""
        body = b"".join(self._lines(event) for event in batch)
        answer = await self._client.post(self._path, body, _HEADERS | self._authorization)
        if answer.status == 400:
            _check_index(answer)
            raise BatchRefusedError(describe(answer))
        if answer.status != 200:
            raise TryLaterError(f"{describe(answer)}: is this the URL of OpenSearch or Elasticsearch?", answered=True)
        return _receipt(_outcomes(answer, len(batch)), answer.shown)

    async def close(self) -> None:
        """End the session."""
        await self._client.close()

    def _lines(self, event: Event) -> bytes:
        body = event.body
        if self._adds_timestamp and event.time_s is not None:
            at = datetime.fromtimestamp(event.time_s, UTC).isoformat(timespec="milliseconds")
            body = b'{"@timestamp":"%s"%s%s' % (at.encode(), b"" if body == b"{}" else b",", body[1:])
        return b"%s\n%s\n" % (orjson.dumps({"create": {"_id": event.id}}), body)

    async def _put_template(self) -> None:
        """Install the index template for ECS, for this index and no other."""
        template = index_template() | {"index_patterns": [self._index]}
        path = f"{self._prefix}/_index_template/{quote(f'smtpsweep-{self._index}')}"
        headers = {"Content-Type": "application/json"} | self._authorization
        answer = await self._client.request("PUT", path, orjson.dumps(template), headers)
        if answer.status not in (200, 201):
            raise InputError(f"{self.name}: install=yes: the index template was not taken: {describe(answer)}")


def index_template() -> dict[str, Any]:
    """Return the index template for ECS documents; it makes a data stream."""
    text = (files("scanner.formats") / "data" / "index-template.json").read_bytes()
    template: dict[str, Any] = orjson.loads(text)
    return template


def _authorization(url: SinkUrl[OpenSearchOptions]) -> dict[str, str]:
    password, key = header_secret(url, "password"), header_secret(url, "api_key")
    if key is not None and (password is not None or url.user is not None):
        raise InputError(f"-o {url.shown}: api_key and user with password are both given: choose one")
    if (password is None) != (url.user is None):
        raise InputError(f"-o {url.shown}: a user needs a password and a password a user: user@host, password_env=NAME")
    if key is not None:
        return {"Authorization": f"ApiKey {key}"}
    if password is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{url.user}:{password}".encode()).decode()}


def _check_index(answer: HttpResponse) -> None:
    """Raise TryLaterError when a whole request was refused for its index."""
    try:
        kind = orjson.loads(answer.body)["error"]["type"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return
    if isinstance(kind, str) and kind in _INDEX_TROUBLE:
        raise TryLaterError(f"{describe(answer)}: repair the index, or name another", answered=True)


def _outcomes(answer: HttpResponse, count: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Return status and error of each document.

    Raises:
        TryLaterError: when the answer does not name each of them.
    """
    try:
        items = [next(iter(item.values())) for item in orjson.loads(answer.body)["items"]]
        outcomes = [(item["status"], item.get("error", {})) for item in items]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration):
        outcomes = []
    if len(outcomes) != count or not all(type(code) is int and isinstance(why, dict) for code, why in outcomes):
        raise TryLaterError(f"its answer does not have the result of each document: {describe(answer)}", answered=True)
    return outcomes


def _receipt(outcomes: Sequence[tuple[int, Mapping[str, Any]]], shown: Callable[[str], str]) -> Receipt:
    refused: list[RefusedEvent] = []
    retry: list[int] = []
    denied = duplicates = 0
    reason = None
    for place, (status, error) in enumerate(outcomes):
        if status in (200, 201):
            continue
        if status == 409:
            duplicates += 1
        elif _is_trouble_of_the_document(status, error):
            refused.append(RefusedEvent(place, _reason(status, error, shown)))
        else:
            retry.append(place)
            denied += status in (401, 403)
            reason = reason or _reason(status, error, shown)
    if retry and denied == len(outcomes):
        raise AccessDeniedError(reason)
    return Receipt(refused=tuple(refused), retry=tuple(retry), duplicates=duplicates, reason=reason)


def _is_trouble_of_the_document(status: int, error: Mapping[str, Any]) -> bool:
    if not 400 <= status < 500 or status in (401, 403, 408, 429):
        return False
    return str(error.get("type")) not in _INDEX_TROUBLE


def _reason(status: int, error: Mapping[str, Any], shown: Callable[[str], str]) -> str:
    """Return why a document was not taken, with the cause behind it when there is one."""
    cause = error.get("caused_by")
    causes = [cause.get("reason")] if isinstance(cause, dict) else []
    texts = [shown(text) for text in (error.get("type"), error.get("reason"), *causes) if isinstance(text, str)]
    return ": ".join([f"status {status}", *texts])


KIND = SinkKind(
    summary="OpenSearch and Elasticsearch: _bulk into an index or data stream, each event once",
    example="opensearch+https://host:9200/logs-smtpsweep-default",
    formats=("ecs", "native", "ocsf", "gelf"),
    make=OpenSearchReceiver,
    options=OpenSearchOptions,
    secrets=("password", "api_key"),
)
