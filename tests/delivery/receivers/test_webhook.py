"""Claims about `delivery.receivers.webhook`: who receives can tell that it was us, and nothing is lost on the way."""

import hashlib
import hmac
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    Receiver,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.urls import SinkUrl
from scanner.delivery.receivers.webhook import KIND, WebhookReceiver, idempotency_key, signature
from scanner.delivery.relay.destination import make_destinations
from scanner.errors import InputError
from scanner.formats import Event, make_format
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, deliver_under_fire, event_ids, record_line
from tests.receivers.fault_proxy import FAULTS, FaultProxy
from tests.receivers.http_server import Got, Say, ScriptedServer

PAGE = Path(__file__).parents[3] / "docs/sinks.md"
SIGNED_WITH = "s3cret of the hook"


def event(number: int, body: bytes | None = None) -> Event:
    return Event(f"id-{number}", "192.0.2.1 25", None, 6, body or b'{"number":%d}' % number)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SIGNED_WITH)
    monkeypatch.setenv("HOOK_TOKEN", "t0ken")


@asynccontextmanager
async def hook(server: ScriptedServer, query: str = "", path: str = "/in") -> AsyncIterator[Receiver]:
    (one,) = make_destinations([f"http://127.0.0.1:{server.port}{path}?{query}"])
    await one.receiver.open("run")
    try:
        yield one.receiver
    finally:
        await one.receiver.close()


async def answer_to(say: Say, count: int = 2) -> Receipt:
    async with ScriptedServer(say) as server, hook(server) as receiver:
        return await receiver.send([event(number) for number in range(count)])


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_means_taken_whatever_the_body_says(status: int) -> None:
    assert await answer_to(Say(status, b"" if status == 204 else b"error: no")) == TAKEN


async def test_409_to_what_was_never_sent_is_a_refusal() -> None:
    with pytest.raises(BatchRefusedError, match="HTTP 409"):
        await answer_to(Say(409))


async def test_409_to_what_may_have_been_taken_before_is_a_duplicate() -> None:
    batch = [event(1), event(2)]
    async with ScriptedServer(Say(503), Say(409), Say(409)) as server, hook(server) as receiver:
        with pytest.raises(TryLaterError):
            await receiver.send(batch)
        assert await receiver.send(batch) == Receipt(duplicates=2)
        with pytest.raises(BatchRefusedError):  # that matter is closed
            await receiver.send(batch)


@pytest.mark.parametrize("status", [401, 413, 400, 404])
async def test_409_after_an_answer_that_took_nothing_is_a_refusal(status: int) -> None:
    async with ScriptedServer(Say(status), Say(409)) as server, hook(server) as receiver:
        for expected in ((AccessDeniedError, TooLargeError, BatchRefusedError, TryLaterError), BatchRefusedError):
            with pytest.raises(expected):
                await receiver.send([event(1)])


async def test_a_batch_of_which_a_part_was_never_sent_is_not_a_repeat() -> None:
    async with ScriptedServer(Say(503), Say(409)) as server, hook(server) as receiver:
        with pytest.raises(TryLaterError):
            await receiver.send([event(1)])
        with pytest.raises(BatchRefusedError):
            await receiver.send([event(1), event(2)])


async def test_who_says_so_believes_any_409() -> None:
    async with ScriptedServer(Say(409)) as server, hook(server, "conflict=taken") as receiver:
        assert await receiver.send([event(1), event(2)]) == Receipt(duplicates=2)


@pytest.mark.parametrize("status", [400, 422])
async def test_what_is_refused_may_be_one_bad_event(status: int) -> None:
    with pytest.raises(BatchRefusedError, match=f"HTTP {status} field x is missing"):
        await answer_to(Say(status, b"field x is missing"))


@pytest.mark.parametrize("status", [402, 404, 405, 406, 410, 411, 415, 418, 431, 451])
async def test_a_wrong_url_costs_no_record(status: int) -> None:
    with pytest.raises(TryLaterError, match=f"^HTTP {status} gone: check the URL and its options$"):
        await answer_to(Say(status, b"gone"))


@pytest.mark.parametrize(
    ("query", "kind", "body"),
    [
        ("", "application/json", b'[{"number":1},{"number":2}]'),
        ("body=json", "application/json", b'[{"number":1},{"number":2}]'),
        ("body=ndjson", "application/x-ndjson", b'{"number":1}\n{"number":2}\n'),
    ],
)
async def test_a_batch_is_an_array_or_lines(query: str, kind: str, body: bytes) -> None:
    async with ScriptedServer() as server, hook(server, query) as receiver:
        await receiver.send([event(1), event(2)])
    (got,) = server.got
    assert (got.method, got.path, got.headers["content-type"], got.wire) == ("POST", "/in", kind, body)


async def test_single_sends_one_event_a_request() -> None:
    async with ScriptedServer() as server, hook(server, "body=single&batch=100") as receiver:
        assert receiver.limits.max_events == 1
        await receiver.send([event(1)])
    (got,) = server.got
    assert (got.headers["content-type"], got.wire) == ("application/json", b'{"number":1}')


async def test_the_signature_covers_time_and_body(secret: None) -> None:
    async with ScriptedServer() as server:
        url = SinkUrl(f"http://127.0.0.1:{server.port}/in?secret_env=HOOK_SECRET&compress=gzip", KIND)
        receiver = WebhookReceiver(url, now=lambda: 1_795_342_616.9)
        await receiver.open("run")
        await receiver.send([event(1, b'{"x":"%s"}' % (b"y" * 1000))])
        await receiver.close()

    (got,) = server.got
    assert got.headers["content-encoding"] == "gzip"
    mac = hmac.new(SIGNED_WITH.encode(), b"1795342616." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-smtpsweep-signature"] == f"t=1795342616,v1={mac}"
    assert SIGNED_WITH not in repr(got)


def test_a_signature_that_anybody_can_check() -> None:
    # printf '%s' '100.[]' | openssl dgst -sha256 -hmac key
    known = "533722fb5cf781e00702bdcd88af283ac0be52042939b007baba3f0efa4a0fa0"
    assert signature(b"key", b"[]", 100) == f"t=100,v1={known}"


def test_the_check_in_the_documentation_takes_ours_and_nobody_elses() -> None:
    (code,) = re.findall(r"```python\n(.*?)^```", PAGE.read_text().partition("## Webhook")[2], re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own documentation
    is_ours = names["is_ours"]
    ours = signature(b"key", b"[1]", 1000)
    assert is_ours(b"key", ours, b"[1]", 1100.5)
    assert not is_ours(b"other", ours, b"[1]", 1100.5)
    assert not is_ours(b"key", ours, b"[2]", 1100.5)
    assert not is_ours(b"key", ours.replace("t=1000", "t=1001"), b"[1]", 1100.5)
    assert not is_ours(b"key", ours, b"[1]", 1300.5)


async def test_without_a_secret_nothing_is_signed() -> None:
    async with ScriptedServer() as server, hook(server) as receiver:
        await receiver.send([event(1)])
    assert "x-smtpsweep-signature" not in server.got[0].headers
    assert "authorization" not in server.got[0].headers


async def test_the_idempotency_key_is_the_same_for_the_same_events_only() -> None:
    async with ScriptedServer(Say(503)) as server, hook(server) as receiver:
        with pytest.raises(TryLaterError):
            await receiver.send([event(1), event(2)])
        await receiver.send([event(1), event(2)])
        await receiver.send([event(1), event(3)])
    keys = [got.headers["idempotency-key"] for got in server.got]
    assert keys[0] == keys[1] != keys[2]
    assert re.fullmatch("[0-9a-f]{32}", keys[0])
    assert idempotency_key([event(1), event(2)]) != idempotency_key([event(2), event(1)])


@pytest.mark.parametrize(
    ("query", "header", "value"),
    [
        ("token_env=HOOK_TOKEN", "authorization", "Bearer t0ken"),
        ("token_env=HOOK_TOKEN&token_header=X-Api-Key", "x-api-key", "t0ken"),
    ],
)
async def test_a_token_goes_into_its_header(secret: None, query: str, header: str, value: str) -> None:
    async with ScriptedServer() as server, hook(server, query) as receiver:
        await receiver.send([event(1)])
    assert server.got[0].headers[header] == value


async def test_a_wrong_token_needs_a_person_and_is_not_shown(secret: None) -> None:
    async with ScriptedServer(Say(403, b"no")) as server, hook(server, "token_env=HOOK_TOKEN") as receiver:
        with pytest.raises(AccessDeniedError) as caught:
            await receiver.send([event(1)])
        assert "t0ken" not in f"{caught.value} {receiver.name} {receiver!r}"


async def test_path_and_query_arrive_as_they_were_meant() -> None:
    async with ScriptedServer() as server:
        async with hook(server, "query=a%3Db%26c%3Dd%2520e%2525", "/one%20two/%3Cthree%3E") as receiver:
            await receiver.send([event(1)])
        async with hook(server, path="") as receiver:
            await receiver.send([event(1)])
    assert [got.path for got in server.got] == ["/one%20two/%3Cthree%3E?a=b&c=d%20e%25", "/"]


async def test_a_long_value_in_the_query_may_be_a_key_and_is_not_shown_but_a_version_is() -> None:
    page = b"no key k3y-of-the-hook, api 2024-01"
    async with (
        ScriptedServer(Say(403, page)) as server,
        hook(server, "query=code%3Dk3y-of-the-hook%26api%3D2024-01") as receiver,
    ):
        with pytest.raises(AccessDeniedError, match=r"no key \*\*\*, api 2024-01") as caught:
            await receiver.send([event(1)])
    assert server.got[0].path == "/in?code=k3y-of-the-hook&api=2024-01"
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://me@h/in", "a webhook takes no user: use token_env=NAME"),
        ("https://h/in?body=xml", "body='xml': must be one of json, ndjson, single"),
        ("https://h/in?format=cef", "format='cef': must be one of native, ecs, ocsf, gelf"),
        ("https://h/in?token_header=a%20b", "is not a name for the header of a token"),
        ("https://h/in?token_header=X:%20y%0d%0aZ", "is not a name for the header of a token"),
        ("https://h/in?token_header=Content-Length", "is not a name for the header of a token"),
        ("https://h/in?token_header=x-smtpsweep-signature", "is not a name for the header of a token"),
        ("https://h/in?secret=abc", "a secret must not stand in a URL"),
        ("https://h/in?batch=0", "batch='0': must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_sweep(url: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make_destinations([url])


@pytest.mark.parametrize("mode", ["json", "ndjson", "single"])
async def test_hostile_bytes_arrive_as_they_were_recorded(mode: str) -> None:
    """The receiver's own JSON parser reads every record back equal, and finds no more and no fewer."""
    native = make_format("native")
    documents = hostile.documents()
    events = [event for line in hostile.lines() for event in native.events(orjson.loads(line), line.rstrip(b"\n"))]
    async with ScriptedServer() as server, hook(server, f"body={mode}") as receiver:
        for batch in [events] if mode != "single" else [[event] for event in events]:
            await receiver.send(batch)
    found: list[object] = []
    for got in server.got:
        found += (
            orjson.loads(got.body)
            if mode == "json"
            else [orjson.loads(line) for line in got.body.split(b"\n")[:-1] or [got.body]]
        )
    assert found == documents


# The contract


class Hook:
    """Keeps what it is sent, when signature and time are right; refuses what a test calls bad."""

    def __init__(self, *, bad: Callable[[bytes], bool] = lambda _: False, remembers: bool = False) -> None:
        self.ids: Counter[str] = Counter()
        self.forged = 0
        self._keys: set[str] = set()
        self._bad, self._remembers = bad, remembers

    def take(self, got: Got) -> Say:
        match = re.fullmatch(r"t=([0-9]+),v1=([0-9a-f]{64})", got.headers.get("x-smtpsweep-signature", ""))
        if match is None or not hmac.compare_digest(
            hmac.new(SIGNED_WITH.encode(), match[1].encode() + b"." + got.body, hashlib.sha256).hexdigest(), match[2]
        ):
            self.forged += 1
            return Say(401)
        if self._bad(got.body):
            return Say(422, b"an event that I do not like")
        key = got.headers["idempotency-key"]
        if self._remembers and key in self._keys:
            return Say(409)
        self._keys.add(key)
        self.ids.update(document["event_id"] for document in orjson.loads(got.body))
        return Say(202)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_records_arrive_through_faults_while_the_relay_is_killed(tmp_path: Path, secret: None) -> None:
    """At least once: what was taken although its answer was lost, or nobody noted it any more, comes again."""
    hook = Hook()
    async with (
        ScriptedServer(default=hook.take) as server,
        FaultProxy(f"http://127.0.0.1:{server.port}", seed=20261123) as proxy,
    ):
        url = f"{proxy.url}/in?secret_env=HOOK_SECRET&batch=1000&compress=gzip&timeout=10"
        delivered = await deliver_under_fire(tmp_path / "run", url, seed=1, relay_kills=2)

    assert set(hook.ids) == event_ids()
    assert hook.ids.total() < RECORDS + 50_000  # a repeat is one batch, or what one cursor interval had acknowledged
    assert delivered.dead == []
    assert hook.forged == 0
    assert {"429", "503", "400", "413", "reset", "reset_after"} <= set(proxy.counts)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_who_remembers_keys_gets_every_record_once(tmp_path: Path, secret: None) -> None:
    """Lost answers make repeats, and the key tells them; faults that split a batch would change it and stay away."""
    faults = {fault: share for fault, share in FAULTS.items() if fault not in ("400", "413")}
    hook = Hook(remembers=True)
    async with (
        ScriptedServer(default=hook.take) as server,
        FaultProxy(f"http://127.0.0.1:{server.port}", seed=7, faults=faults) as proxy,
    ):
        delivered = await deliver_under_fire(
            tmp_path / "run", f"{proxy.url}/in?secret_env=HOOK_SECRET&batch=200", seed=2, count=10_000, relay_kills=0
        )

    assert hook.ids == Counter(event_ids(10_000))
    assert delivered.statistics["duplicates"] > 0
    assert proxy.counts["reset_after"] + proxy.counts["503_after"] > 0


@pytest.mark.timeout(120)
async def test_bad_events_become_dead_letters_with_the_reason_and_nothing_else_does(
    tmp_path: Path, secret: None
) -> None:
    bad = sorted(random.Random(3).sample(range(1, 2001), 5))
    marks = [f"{number:032x}".encode() for number in bad]
    hook = Hook(bad=lambda body: any(mark in body for mark in marks))
    async with ScriptedServer(default=hook.take) as server:
        delivered = await deliver_under_fire(
            tmp_path / "run",
            f"http://127.0.0.1:{server.port}/in?secret_env=HOOK_SECRET&body=json&batch=250",
            seed=3,
            count=2000,
            relay_kills=0,
        )

    assert [letter.event_id for letter in delivered.dead] == [f"{number:032x}" for number in bad]
    assert {letter.reason for letter in delivered.dead} == {"HTTP 422 an event that I do not like"}
    assert delivered.dead[0].line == record_line(bad[0]).rstrip(b"\n")
    assert set(hook.ids) == event_ids(2000) - {letter.event_id for letter in delivered.dead}
