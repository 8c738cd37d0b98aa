"""`delivery.receivers.nats` while the server refuses, forgets and goes away; tests/receivers has a real one."""

import importlib.util
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scanner.delivery.receivers.nats import KIND, NatsReceiver, credentials, server_urls
from scanner.delivery.receivers.receiver import AccessDeniedError, TryLaterError
from scanner.delivery.receivers.urls import SinkUrl
from scanner.errors import InputError
from scanner.formats import Event
from tests.support.nats_fake import FakeNats, refusal
from tests.support.ports import free_ports
from tests.support.sink_receivers import receiver_of

TOO_LARGE = refusal(400, 10054, "message size exceeds maximum allowed")
NO_SPACE = refusal(503, 10023, "insufficient resources")


@pytest.fixture
async def server() -> AsyncIterator[FakeNats]:
    async with FakeNats().serving() as one:
        yield one


def event(number: int, body: bytes = b"{}") -> Event:
    return Event(f"id-{number}", f"192.0.2.{number} 25", None, 6, body)


def receiver(port: int, options: str = "", path: str = "/SWEEP", timeout_s: float = 20) -> NatsReceiver:
    return receiver_of(f"nats://127.0.0.1:{port}{path}?timeout={timeout_s}{options}", NatsReceiver)


async def test_every_event_is_a_message_with_its_id_and_target_and_repeats_are_counted(server: FakeNats) -> None:
    sink = receiver(server.port)
    await sink.open("run")
    first = await sink.send([event(1, b"one"), event(2, b"two")])
    again = await sink.send([event(2, b"two"), event(3, b"three")])
    await sink.close()

    assert (first.duplicates, again.duplicates) == (0, 1)
    assert server.stored == {"id-1": b"one", "id-2": b"two", "id-3": b"three"}
    assert server.headers[0] == {
        "Nats-Msg-Id": "id-1", "Smtpsweep-Target": "192.0.2.1 25", "Nats-Expected-Stream": "SWEEP"
    }  # fmt: skip


async def test_what_is_too_large_for_the_stream_or_the_server_is_refused_alone(server: FakeNats) -> None:
    server.max_payload, server.answers = 1000, [{"stream": "SWEEP", "seq": 1}, TOO_LARGE]
    sink = receiver(server.port)
    receipt = await sink.send([event(1), event(2), event(3, b"x" * 2000), event(4)])
    await sink.close()

    assert [refused.place for refused in receipt.refused] == [1, 2]
    assert all(refused.reason.startswith("too large for the server: ") for refused in receipt.refused)
    assert (receipt.retry, list(server.stored), server.connections) == ((), ["id-4"], 1)


async def test_an_answer_too_many_changes_nothing(server: FakeNats) -> None:
    server.answers = ["twice"]
    sink = receiver(server.port)
    first = await sink.send([event(1), event(2)])
    again = await sink.send([event(1), event(3)])
    await sink.close()

    assert (first.duplicates, again.duplicates, list(server.stored)) == (0, 1, ["id-1", "id-2", "id-3"])


async def test_an_error_before_there_is_a_connection_is_a_matter_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise OSError("no descriptor is left")

    monkeypatch.setattr("nats.aio.client.Client.connect", connect)
    sink = receiver(4222)
    with pytest.raises(TryLaterError, match="no descriptor is left"):
        await sink.open("run")


def test_a_credentials_file_can_be_read_with_what_the_extra_brings() -> None:
    assert importlib.util.find_spec("nkeys") is not None


async def test_what_the_stream_has_no_room_for_is_sent_again_over_a_new_connection(server: FakeNats) -> None:
    server.answers = [{"stream": "SWEEP", "seq": 1}, NO_SPACE]
    sink = receiver(server.port)
    receipt = await sink.send([event(1), event(2), event(3)])
    again = await sink.send([event(2)])
    await sink.close()

    assert (receipt.retry, receipt.refused) == ((1,), ())
    assert "insufficient resources" in str(receipt.reason)
    assert (again.retry, list(server.stored), server.connections) == ((), ["id-3", "id-2"], 2)


@pytest.mark.parametrize("answer", ["cut", "silent"])
async def test_a_batch_without_all_its_answers_is_tried_again_and_leaves_no_duplicate(
    server: FakeNats, answer: str
) -> None:
    server.answers = [{"stream": "SWEEP", "seq": 1}, answer]
    sink = receiver(server.port, timeout_s=0.5)
    while server.answers:  # on a slow machine the time may be up before they are asked for
        with pytest.raises(TryLaterError):
            await sink.send([event(1), event(2)])
    await sink.close()
    sink = receiver(server.port)
    await sink.send([event(1), event(2)])
    await sink.close()

    assert list(server.stored) == ["id-1", "id-2"]


async def test_when_no_stream_takes_the_subject_a_person_has_to_act(server: FakeNats) -> None:
    server.answers = ["nobody", "nobody"]
    sink = receiver(server.port)
    with pytest.raises(AccessDeniedError, match=r"no stream takes this subject: make it, or add create=yes"):
        await sink.send([event(1), event(2)])
    await sink.close()


@pytest.mark.parametrize("stream", [None, "SWEEP"])
async def test_a_stream_is_made_only_when_it_is_not_there(server: FakeNats, stream: str | None) -> None:
    server.stream = stream
    sink = receiver(server.port, "&create=yes&subject=smtp.records")
    await sink.open("run")
    await sink.close()

    made = [(one["name"], one["subjects"]) for one in server.made]
    assert made == ([("SWEEP", ["smtp.records"])] if stream is None else [])


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [(refusal(400, 10058, "stream name already in use"), None), (refusal(503, 10008, "no meta leader"), TryLaterError)],
)
async def test_a_stream_that_somebody_else_makes_at_the_same_time_is_fine(
    server: FakeNats, answer: dict[str, Any], meaning: type[Exception] | None
) -> None:
    server.stream, server.make_answer = None, answer
    sink = receiver(server.port, "&create=yes")
    if meaning is None:
        await sink.open("run")
    else:
        with pytest.raises(meaning, match="no meta leader"):
            await sink.open("run")
    await sink.close()


async def test_who_is_not_let_in_hears_so_and_the_secret_never_shows(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refuses = "Authorization Violation"
    monkeypatch.setenv("TOKEN", "s3cret")
    sink = receiver(server.port, "&token_env=TOKEN")
    with pytest.raises(AccessDeniedError) as caught:
        await sink.open("run")
    await sink.close()

    assert "s3cret" not in str(caught.value)


async def test_nobody_there_is_a_matter_of_time() -> None:
    sink = receiver(free_ports(1)[0])
    with pytest.raises(TryLaterError):
        await sink.open("run")
    await sink.close()


@pytest.mark.parametrize("path", ["", "/", "/a.b", "/a/b", "/*", "/a b"])
def test_the_path_must_name_a_stream(path: str) -> None:
    with pytest.raises(InputError, match="the path must name a stream"):
        receiver(4222, path=path)


def test_without_nats_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs nats-py: pip install 'smtpsweep\[nats\]'"):
        receiver(4222)


def test_several_servers_are_named_as_the_client_wants_them_with_tls_too() -> None:
    url = SinkUrl("nats+tls://user@h,[2001:db8::1]:99/SWEEP", KIND)
    assert server_urls(url) == ["tls://h:4222", "tls://[2001:db8::1]:99"]
    assert credentials(url) == {"user": "user"}


def test_a_receiver_over_tls_does_not_warn_of_plain_text(caplog: pytest.LogCaptureFixture) -> None:
    receiver_of("nats+tls://h/SWEEP", NatsReceiver)
    assert caplog.messages == []

    receiver_of("nats://192.0.2.1/SWEEP", NatsReceiver)
    assert len(caplog.messages) == 1
