"""Claims about `scanner.delivery.relay.trial`: one record through a sink, and what the answer means."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from scanner.cli.sinks import sample_line
from scanner.delivery.receivers import gelf, syslog, webhook
from scanner.delivery.receivers.options import url_options
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchRefusedError,
    Receipt,
    RefusedEvent,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.urls import SinkKind
from scanner.delivery.relay import OverflowPolicy
from scanner.delivery.relay.destination import Destination, make_destination
from scanner.delivery.relay.trial import Trial, try_sink
from scanner.errors import InputError
from scanner.formats import Event, make_format
from tests.receivers.http_server import Say, ScriptedServer
from tests.support.receivers_fake import Answer, FakeReceiver
from tests.support.spooled_records import record


async def tried(receiver: FakeReceiver, timeout_s: float = 20) -> Trial:
    one = Destination("fake", "fake://h", "fake://h", receiver, make_format("native"), OverflowPolicy.SPOOL, 100)
    return await try_sink(one, record(1).rstrip(b"\n"), timeout_s)


async def test_a_record_that_is_taken_is_the_one_that_was_sent() -> None:
    receiver = FakeReceiver()
    trial = await tried(receiver)

    assert (trial.ok, trial.text) == (True, "took 1 event (native)")
    assert [event.body for event in receiver.taken] == [record(1).rstrip(b"\n")]
    assert (receiver.opened_for, receiver.closed) == (["sinks-test"], 1)
    assert orjson.loads(receiver.taken[0].body)["event_id"] == f"{1:032x}"


async def test_a_repeat_is_said_to_be_one() -> None:
    trial = await tried(FakeReceiver(lambda batch: Receipt(duplicates=1)))

    assert (trial.ok, trial.text) == (True, "took 1 event (native) (it had the same event already)")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (TryLaterError("503 busy"), "503 busy: "),
        (AccessDeniedError("401 who are you"), "401 who are you: a person has to fix that; a sweep would keep"),
        (TooLargeError("413"), "413: even one record is too large for it"),
        (BatchRefusedError("400 bad"), "400 bad: it refuses the record: check what it expects"),
        (lambda _: Receipt(refused=(RefusedEvent(0, "no field x"),)), "no field x: it refuses the record"),
        (lambda _: Receipt(retry=(0,), reason="queue is full"), "queue is full: "),
        (lambda _: Receipt(retry=(0,)), "not taken: "),
    ],
)
async def test_what_is_not_taken_is_said_in_the_receivers_words_with_advice(
    answer: Answer | Exception, words: str
) -> None:
    receiver = FakeReceiver(answer)
    trial = await tried(receiver)

    assert not trial.ok
    assert trial.text.startswith(words)
    assert len(trial.text) > len(words)
    assert receiver.closed == 1


async def test_what_can_never_work_is_raised_and_a_bug_in_a_sink_is_said_to_be_one() -> None:
    receiver = FakeReceiver(InputError("name a table"))
    with pytest.raises(InputError, match=r"^name a table$"):
        await tried(receiver)
    assert receiver.closed == 1

    trial = await tried(FakeReceiver(KeyError("x\n\x1b[31m")))
    assert (trial.ok, trial.text) == (False, r"failed with KeyError, a bug in this sink: 'x\n\x1b[31m'")


async def test_a_sink_that_does_not_answer_is_left_after_the_time_out() -> None:
    class Silent(FakeReceiver):
        async def send(self, batch: Sequence[Event]) -> Receipt:
            await asyncio.Event().wait()
            raise AssertionError

    receiver = Silent()
    trial = await tried(receiver, timeout_s=0.05)

    assert (trial.ok, trial.text) == (
        False,
        "no answer within 0.05 s to 1 event (native): a sweep would keep the records and try again",
    )
    assert receiver.closed == 1


async def tried_at(url: str, timeout_s: float = 20) -> Trial:
    return await try_sink(make_destination(url), sample_line(), timeout_s)


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("http://127.0.0.1:{port}/in", 404, "HTTP 404 Not Found: check the URL and its options: a sweep would keep"),
        ("http://127.0.0.1:{port}/in", 500, "HTTP 500 Not Found: a sweep would keep the records and try again"),
        ("http://127.0.0.1:{port}/in", 400, "HTTP 400 Not Found: it refuses the record: check format= (native, ecs"),
        (
            "opensearch+http://127.0.0.1:{port}/i",
            401,
            "HTTP 401 Not Found: it denies access: check the secret (password_env or api_key_env, or ..._file)",
        ),
    ],
)
async def test_an_answer_is_never_called_unreachable(url: str, status: int, words: str) -> None:
    async with ScriptedServer(default=lambda _: Say(status, f"{status}: Not Found".encode())) as server:
        trial = await tried_at(url.format(port=server.port))

    assert not trial.ok
    assert trial.text.startswith(words)
    assert "reach" not in trial.text


@pytest.mark.parametrize("scheme", ["http", "syslog+tcp", "gelf+tcp", "syslog+udp"])
async def test_nobody_is_said_to_be_nobody(scheme: str, unused_tcp_port: int) -> None:
    trial = await tried_at(f"{scheme}://127.0.0.1:{unused_tcp_port}")

    assert not trial.ok
    assert "it cannot be reached, or does not answer: a sweep would keep the records" in trial.text


async def test_udp_to_somebody_is_not_said_to_be_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        trial = await tried_at(f"syslog+udp://127.0.0.1:{one.getsockname()[1]}")

    assert (trial.ok, trial.text) == (True, "sent 1 event (native): nothing confirms that it arrived")


@pytest.mark.parametrize("scheme", ["syslog+tcp", "gelf+tcp"])
async def test_a_port_that_accepts_and_reads_nothing_has_taken_nothing(scheme: str) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        trial = await tried_at(f"{scheme}://127.0.0.1:{one.getsockname()[1]}?timeout=0.3")

    assert not trial.ok
    assert "went out, but the other side gave no sign that it has read it" in trial.text


@pytest.mark.parametrize("kind", [webhook.KIND, syslog.KIND, syslog.UDP_KIND, gelf.KIND])
async def test_advice_names_no_option_that_the_sink_does_not_have(kind: SinkKind[Any]) -> None:
    names = {option.name for option in url_options(kind.options)} | {f"{secret}_env" for secret in kind.secrets}
    for error in (
        AccessDeniedError("HTTP 401"), AccessDeniedError("CERTIFICATE_VERIFY_FAILED"), TooLargeError("413"),
        BatchRefusedError("400"), TryLaterError("503", answered=True),
    ):  # fmt: skip
        one = Destination(
            "fake", "fake://h", "fake://h", FakeReceiver(error), make_format("native"), OverflowPolicy.SPOOL, 100, kind
        )
        trial = await try_sink(one, record(1).rstrip(b"\n"), 20)
        words = {word.strip("(),;:=") for word in trial.text.split()}
        assert {word for word in words if "_" in word and word.islower() and word != "..._file"} <= names
