"""Claims about `scanner.delivery.receivers.opensearch`: what it sends, and what each answer means to it."""

import base64
import re
from typing import Any

import orjson
import pytest

from scanner.delivery.receivers.opensearch import index_template
from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.relay.destination import make_destinations
from scanner.errors import InputError
from scanner.formats import Event
from tests.receivers.http_server import Say, ScriptedServer
from tests.receivers.search_server import search_sink as sink

BULK = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"


def event(number: int, body: bytes | None = None) -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", 1_795_342_616.123, 6, body or b'{"number":%d}' % number)


def answer_of(*items: object) -> Say:
    return Say(200, orjson.dumps({"took": 1, "errors": True, "items": [{"create": item} for item in items]}))


def failed(status: int, kind: str, reason: str = "why", **more: object) -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason, **more}}


OK = {"status": 201}
CONFLICT = failed(409, "version_conflict_engine_exception")


async def answer_to(say: Say, count: int) -> Receipt:
    async with ScriptedServer(say) as server, sink(server.port) as receiver:
        return await receiver.send([event(number) for number in range(count)])


# Requests


async def test_each_event_is_created_under_its_id_and_gets_a_timestamp() -> None:
    async with ScriptedServer(answer_of(OK, OK)) as server, sink(server.port) as receiver:
        assert await receiver.send([event(1), event(2, b"{}")]) == TAKEN
    (got,) = server.got
    assert (got.method, got.path) == ("POST", "/logs-smtpsweep-default" + BULK)
    assert got.headers["content-type"] == "application/x-ndjson"
    assert got.body == (
        b'{"create":{"_id":"id-1"}}\n{"@timestamp":"2026-11-22T10:16:56.123+00:00","number":1}\n'
        b'{"create":{"_id":"id-2"}}\n{"@timestamp":"2026-11-22T10:16:56.123+00:00"}\n'
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [("/i?format=ecs", b'{"@timestamp":"as it is"}'), ("/i?format=native", b'{"number":1}')],
)
async def test_a_body_with_a_timestamp_or_without_a_time_stays_as_it_is(path: str, body: bytes) -> None:
    async with ScriptedServer(answer_of(OK)) as server, sink(server.port, path) as receiver:
        time_s = 1.0 if "ecs" in path else None
        await receiver.send([event(1, body)._replace(time_s=time_s)])
    assert server.got[0].body == b'{"create":{"_id":"id-1"}}\n' + body + b"\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/index", "/index"),
        ("/index/", "/index"),
        ("/behind/a%20proxy/.ds-x_y+z", "/behind/a%20proxy/.ds-x_y%2Bz"),
    ],
)
async def test_the_path_may_have_a_prefix(path: str, expected: str) -> None:
    async with ScriptedServer(answer_of(OK)) as server, sink(server.port, f"{path}?format=native") as receiver:
        await receiver.send([event(1)])
    assert server.got[0].path == expected + BULK


async def test_a_hostile_id_cannot_leave_its_place() -> None:
    hostile_id = '"}}\n{"delete":{"_id":"x'
    async with ScriptedServer(answer_of(OK)) as server, sink(server.port) as receiver:
        await receiver.send([event(1)._replace(id=hostile_id)])
    action, _, end = server.got[0].body.split(b"\n")
    assert orjson.loads(action) == {"create": {"_id": hostile_id}}
    assert end == b""


@pytest.mark.parametrize(
    ("user", "query", "header"),
    [
        ("me@", "password_env=SECRET", "Basic " + base64.b64encode(b"me:p\xc3\xa4ss:word").decode()),
        ("m%40e@", "password_env=SECRET", "Basic " + base64.b64encode(b"m@e:p\xc3\xa4ss:word").decode()),
        ("", "api_key_env=KEY", "ApiKey a2V5"),
        ("", "", None),
    ],
)
async def test_who_we_are_is_said_with_every_request(
    user: str, query: str, header: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "p\u00e4ss:word")
    monkeypatch.setenv("KEY", "a2V5")
    async with (
        ScriptedServer(Say(200), answer_of(OK)) as server,
        sink(server.port, f"/index?format=native&install=yes&{query}", user) as receiver,
    ):
        await receiver.send([event(1)])
    assert [got.headers.get("authorization") for got in server.got] == [header, header]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("opensearch+https://h", "the path must name an index"),
        ("opensearch+https://h/", "the path must name an index"),
        ("opensearch+https://h/Upper", "the path must name an index"),
        ("opensearch+https://h/a/_bulk", "the path must name an index"),
        ("opensearch+https://h/-x", "the path must name an index"),
        ("opensearch+https://h/..", "the path must name an index"),
        ("opensearch+https://h/a%2cb", "the path must name an index"),
        ("opensearch+https://h/logs-*", "the path must name an index"),
        ("opensearch+https://h/" + "x" * 256, "the path must name an index"),
        ("elasticsearch+https://me@h/i", "a user needs a password"),
        ("elasticsearch+https://h/i?password_env=SECRET", "a user needs a password"),
        ("elasticsearch+https://me@h/i?password_env=SECRET&api_key_env=SECRET", "choose one"),
        ("elasticsearch+https://h/i?format=cef", "format='cef': must be one of ecs, native, ocsf, gelf"),
        ("elasticsearch+https://h/i?install=perhaps", "must be yes or no"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_sweep(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make_destinations([f"{url}{'&' if '?' in url else '?'}name=x" if "format" in url else _native(url)])
    assert "s3cret" not in str(caught.value)


def _native(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}format=native"


# Answers


async def test_what_is_there_already_is_taken_and_counted() -> None:
    assert await answer_to(answer_of(OK, CONFLICT, {"status": 200}, CONFLICT), 4) == Receipt(duplicates=2)


@pytest.mark.parametrize("status", [429, 408, 500, 503, 504, 0, 302, 600])
async def test_only_the_documents_that_were_not_taken_are_sent_again(status: int) -> None:
    receipt = await answer_to(answer_of(OK, failed(status, "es_rejected_execution_exception"), CONFLICT), 3)
    assert (receipt.retry, receipt.refused, receipt.duplicates) == ((1,), (), 1)
    assert receipt.reason == f"status {status}: es_rejected_execution_exception: why"


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 422])
async def test_a_bad_document_is_refused_alone_with_the_cause(status: int) -> None:
    cause = {"type": "illegal_argument_exception", "reason": "For input string:\n \x1b[31m"}
    receipt = await answer_to(
        answer_of(OK, failed(status, "mapper_parsing_exception", "failed", caused_by=cause), OK), 3
    )
    reason = rf"status {status}: mapper_parsing_exception: failed: For input string:\x0a \x1b[31m"
    assert receipt == Receipt(refused=(RefusedEvent(1, reason),))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, "index_not_found_exception"),
        (400, "index_closed_exception"),
        (400, "invalid_index_name_exception"),
        (400, "validation_exception"),
        (403, "cluster_block_exception"),
        (429, "cluster_block_exception"),
    ],
)
async def test_trouble_with_the_index_costs_no_record(status: int, kind: str) -> None:
    receipt = await answer_to(answer_of(OK, failed(status, kind)), 2)
    assert (receipt.retry, receipt.refused) == ((1,), ())
    assert receipt.reason == f"status {status}: {kind}: why"


async def test_when_every_document_is_forbidden_a_person_has_to_act() -> None:
    with pytest.raises(AccessDeniedError, match="status 403: security_exception: why"):
        await answer_to(answer_of(failed(403, "security_exception"), failed(401, "security_exception")), 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>ok</html>",
        b"[]",
        b"{}",
        b"null",
        b'{"items":null}',
        b'{"items":[]}',
        b'{"items":[{"create":{"status":201}}]}',
        b'{"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}}]}',
        b'{"items":[{"create":{"status":201}},{}]}',
        b'{"items":[{"create":{"status":201}},{"create":{}}]}',
        b'{"items":[{"create":{"status":201}},{"create":{"status":"201"}}]}',
        b'{"items":[{"create":{"status":201}},{"create":{"status":true}}]}',
        b'{"items":[{"create":{"status":201}},{"create":{"status":400,"error":"text"}}]}',
        b'{"items":[{"create":{"status":201}},["create"]]}',
        b'{"items":[{"create":{"status":201}},{"create":{"status":201}}]',
    ],
)
async def test_an_answer_that_does_not_name_every_document_proves_nothing(body: bytes) -> None:
    with pytest.raises(TryLaterError, match="does not have the result of each document"):
        await answer_to(Say(200, body), 2)


async def test_a_request_that_is_refused_whole_is_looked_into() -> None:
    with pytest.raises(BatchRefusedError, match="HTTP 400 Malformed content"):
        await answer_to(Say(400, b"Malformed content"), 2)
    with pytest.raises(BatchRefusedError, match="HTTP 400"):
        await answer_to(Say(400, b'{"error":{"type":["x"]}}'), 2)
    with pytest.raises(TryLaterError, match="repair the index"):
        await answer_to(Say(400, b'{"error":{"type":"index_closed_exception"}}'), 2)


@pytest.mark.parametrize("status", [201, 202, 204, 404, 405, 406, 415])
async def test_an_answer_of_somebody_else_costs_no_record(status: int) -> None:
    with pytest.raises(TryLaterError, match=f"^HTTP {status}.*: is this the URL of OpenSearch or Elasticsearch"):
        await answer_to(Say(status), 2)


async def test_413_and_denied_access_mean_what_they_mean_everywhere() -> None:
    with pytest.raises(TooLargeError):
        await answer_to(Say(413), 2)
    with pytest.raises(AccessDeniedError):
        await answer_to(Say(401), 2)


# The index template


async def test_the_template_is_put_for_the_index_of_the_url_and_no_other() -> None:
    async with ScriptedServer() as server, sink(server.port, "/p/my-index?format=native&install=yes"):
        pass
    (got,) = server.got
    assert (got.method, got.path) == ("PUT", "/p/_index_template/smtpsweep-my-index")
    assert orjson.loads(got.body) == index_template() | {"index_patterns": ["my-index"]}


async def test_a_template_that_is_not_taken_can_never_work() -> None:
    async with ScriptedServer(Say(400, b"unknown setting")) as server:
        with pytest.raises(InputError, match="the index template was not taken: HTTP 400 unknown setting"):
            async with sink(server.port, "/i?format=native&install=yes"):
                pass


async def test_a_template_that_cannot_be_put_now_is_put_later() -> None:
    async with ScriptedServer(Say(503)) as server:
        with pytest.raises(TryLaterError):
            async with sink(server.port, "/i?format=native&install=yes"):
                pass
