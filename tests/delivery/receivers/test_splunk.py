"""Claims about `delivery.receivers.splunk`: what it sends, and what it makes of every answer of Splunk's collector."""

import asyncio
import gzip
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchRefusedError,
    Receiver,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.relay.breaker import Breaker
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.settling import Settling
from scanner.errors import InputError
from scanner.formats import Event
from tests.receivers.splunk_double import SplunkDouble
from tests.receivers.splunk_rules import TOKEN, Behaviour
from tests.receivers.splunk_server import copies, indexed, safe


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEC", TOKEN)
    monkeypatch.setattr("scanner.delivery.receivers.splunk._FIRST_POLL_S", 0.001)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
async def double(journal: Path) -> AsyncIterator[SplunkDouble]:
    async with SplunkDouble(journal) as one:
        yield one


def receiver_of(double: SplunkDouble, query: str = "", path: str = "", where: str = "env=HEC") -> Receiver:
    format_ = "" if "format=" in query else "&format=native"
    (one,) = make_destinations([f"splunk+{double.url}{path}?token_{where}{format_}&{query}".rstrip("&")])
    return one.receiver


async def send(receiver: Receiver, events: Sequence[Event]) -> object:
    """Open, send a batch and close, and return the receipt or the error."""
    try:
        await receiver.open("run")
        return await receiver.send(events)
    except (TryLaterError, AccessDeniedError, TooLargeError, BatchRefusedError) as error:
        return error
    finally:
        await receiver.close()


def event(number: int, **more: object) -> Event:
    body = orjson.dumps({"event_id": f"{number:032x}", "ip": "192.0.2.1", **more})
    return Event(f"{number:032x}", "192.0.2.1 25", 1795342616.123, 6, body)


def answer(code: int, **more: int) -> bytes:
    return orjson.dumps({"text": "text", "code": code, **more})


async def test_events_go_out_one_after_another_with_their_time_and_what_the_url_says(
    double: SplunkDouble, journal: Path
) -> None:
    receiver = receiver_of(double, "index=sec&host=probe%201&source=dmz&sourcetype=my%22type&compress=none")
    assert await send(receiver, [event(1), event(2)._replace(time_s=None)]) == TAKEN
    metadata = '"host":"probe 1","source":"dmz","sourcetype":"my\\"type","index":"sec"'
    assert double.bodies == [
        b'{"time":"1795342616.123000",%s,"event":%s}\n{%s,"event":%s}'
        % (metadata.encode(), event(1).body, metadata.encode(), event(2).body)
    ]
    first, second = indexed(journal)
    assert (first["time"], second["time"]) == (1795342616123000, None)
    assert (first["index"], first["event"]) == ("sec", orjson.loads(event(1).body))


async def test_the_source_type_is_that_of_the_splunk_app_and_the_index_is_the_tokens(
    double: SplunkDouble, journal: Path
) -> None:
    await send(receiver_of(double), [event(1)])
    assert indexed(journal) == [
        {"index": "main", "time": 1795342616123000, "source": "smtpsweep", "sourcetype": "smtpsweep:record",
         "event": orjson.loads(event(1).body)}
    ]  # fmt: skip


async def test_a_line_of_text_goes_out_as_a_string(double: SplunkDouble) -> None:
    text = 'CEF:0|a|b "c" \\d'
    await send(receiver_of(double, "format=cef"), [event(1)._replace(body=text.encode())])
    sent = orjson.loads(double.bodies[0])
    assert (sent["event"], sent["sourcetype"]) == (text, "smtpsweep:cef")


@pytest.mark.parametrize("path", ["", "/", "/services/collector", "/services/collector/event/1.0"])
async def test_acknowledgements_are_asked_for_beside_every_path_for_events(double: SplunkDouble, path: str) -> None:
    assert await send(receiver_of(double, path=path), [event(1)]) == TAKEN
    assert double.counts["polls"] >= 2


@pytest.mark.parametrize("end", ["raw", "raw/1.0", "ack", "health"])
def test_another_endpoint_than_that_for_events_is_refused(end: str) -> None:
    with pytest.raises(InputError, match="must be the collector's for events"):
        make_destinations([f"splunk+http://127.0.0.1/services/collector/{end}?token_env=HEC"])


def test_a_token_must_be_named() -> None:
    with pytest.raises(InputError, match="needs a token: name it with token_env=NAME or token_file=PATH"):
        make_destinations(["splunk+http://127.0.0.1"])


def test_with_acknowledgements_more_requests_are_under_way_and_requests_have_room_for_what_is_around_events() -> None:
    (acks,) = make_destinations(["splunk+http://127.0.0.1?token_env=HEC"])
    (none,) = make_destinations(["splunk+http://127.0.0.1?token_env=HEC&ack=none&max_bytes=1000"])
    assert (acks.receiver.limits.in_flight, none.receiver.limits.in_flight) == (16, 4)
    assert 900_000 < acks.receiver.limits.max_bytes < 1_000_000
    assert none.receiver.limits.max_bytes == 1


async def test_a_batch_is_taken_only_when_it_is_acknowledged(journal: Path) -> None:
    async with SplunkDouble(journal, Behaviour(ack_s=(0.05, 0.05))) as double:
        assert await send(receiver_of(double), [event(1)]) == TAKEN
        assert copies(journal) == {event(1).id: 1}
    assert safe(journal) == {event(1).id}


async def test_a_batch_that_is_never_acknowledged_is_a_matter_of_time(journal: Path) -> None:
    async with SplunkDouble(journal, Behaviour(ack_s=(30, 30))) as double, asyncio.timeout(4):
        outcome = await send(receiver_of(double, "ack_timeout=0.5"), [event(1)])
    assert isinstance(outcome, TryLaterError)
    assert "not acknowledged by an indexer in 0.5 s" in str(outcome)


@pytest.mark.parametrize(
    "trouble", [(503, answer(9)), (429, b"<html>"), (200, b""), (200, b"[]"), (200, b'{"acks":1}')]
)
async def test_trouble_while_asking_for_an_acknowledgement_is_waited_out(
    double: SplunkDouble, trouble: tuple[int, bytes]
) -> None:
    receiver = receiver_of(double)
    await receiver.open("run")
    double.answers.append(("ack", *trouble))
    assert await receiver.send([event(1)]) == TAKEN
    await receiver.close()
    assert not double.answers


async def test_a_channel_serves_one_request_at_a_time_and_none_after_trouble(double: SplunkDouble) -> None:
    receiver = receiver_of(double, "ack_timeout=0.5")
    await receiver.open("run")
    await asyncio.gather(receiver.send([event(1)]), receiver.send([event(2)]))
    at_once = double.channels[:]
    await receiver.send([event(3)])
    double.answers.append(("event", 200, answer(0, ackId=7)))  # an id that nobody ever acknowledges
    with pytest.raises(TryLaterError):
        await receiver.send([event(4)])
    await receiver.send([event(4)])
    await receiver.send([event(5)])
    await receiver.close()
    assert len(set(at_once)) == 2
    assert double.channels[2] in at_once
    after = double.channels[-3:]
    assert after[0] not in after[1:]
    assert all(str(uuid.UUID(channel)) == channel for channel in double.channels if channel is not None)


async def test_without_acknowledgements_nothing_is_asked_for_and_no_channel_named(journal: Path) -> None:
    async with SplunkDouble(journal, Behaviour(acks=False)) as double:
        assert await send(receiver_of(double, "ack=none"), [event(1)]) == TAKEN
        assert double.channels == [None]
        assert double.counts["polls"] == 0


@pytest.mark.parametrize("query", ["ack=none", "ack=required", ""])
async def test_a_token_that_does_not_fit_the_option_waits_for_a_person_before_anything_is_taken(
    journal: Path, query: str
) -> None:
    async with SplunkDouble(journal, Behaviour(acks=query == "ack=none")) as double:
        outcome = await send(receiver_of(double, query), [event(1)])
    assert isinstance(outcome, AccessDeniedError)
    advice = "is on for this token: use ack=required" if query == "ack=none" else "is off for this token: turn it on"
    assert f"indexer acknowledgement {advice}" in str(outcome)
    assert indexed(journal) == []


async def test_best_effort_goes_on_where_the_token_has_no_acknowledgements_and_says_so_once(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with SplunkDouble(journal, Behaviour(acks=False)) as double:
        receiver = receiver_of(double, "ack=best_effort")
        await receiver.open("run")
        assert [await receiver.send([event(number)]) for number in (1, 2)] == [TAKEN, TAKEN]
        await receiver.close()
    assert caplog.text.count("goes on without acknowledgements") == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert set(copies(journal).values()) == {1}


@pytest.mark.parametrize("trouble", [(404, b"<html>gone</html>"), (400, answer(14)), (403, answer(4))])
async def test_when_acknowledgements_end_in_the_middle_nothing_is_sent_again_before_they_are_back(
    double: SplunkDouble, journal: Path, trouble: tuple[int, bytes]
) -> None:
    receiver = receiver_of(double)
    await receiver.open("run")
    double.answers.extend([("ack", *trouble)] * 3)
    for _ in range(3):
        with pytest.raises(AccessDeniedError):
            await receiver.send([event(1)])
    assert copies(journal).total() == 1
    assert await receiver.send([event(1)]) == TAKEN
    await receiver.close()
    assert copies(journal).total() == 2


async def test_best_effort_takes_200_for_delivered_when_acknowledgements_end_in_the_middle(
    double: SplunkDouble, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = receiver_of(double, "ack=best_effort")
    await receiver.open("run")
    double.answers.extend([("ack", 404, b"<html>")] * 2)
    assert await asyncio.gather(*(receiver.send([event(number)]) for number in (1, 2))) == [TAKEN, TAKEN]
    assert await receiver.send([event(3)]) == TAKEN
    await receiver.close()
    assert copies(journal).total() == 3
    assert caplog.text.count("goes on without acknowledgements") == 1


async def test_an_answer_without_an_id_is_nothing_to_rely_on(double: SplunkDouble) -> None:
    double.answers.extend([("event", 200, answer(0)), ("event", 200, b'{"code":0,"ackId":true}')])
    assert isinstance(await send(receiver_of(double), [event(1)]), AccessDeniedError)
    assert isinstance(await send(receiver_of(double), [event(1)]), AccessDeniedError)


@pytest.mark.parametrize(("code", "named"), [(6, 2), (12, 2), (13, 2), (15, 2), (7, 3)])
async def test_a_bad_event_alone_is_refused_and_what_follows_it_sent_again(
    double: SplunkDouble, code: int, named: int
) -> None:
    """`named` is the number in the answer: incorrect index counts from 1."""
    double.answers.append(("event", 400, answer(code, **{"invalid-event-number": named})))
    receiver = receiver_of(double)
    await receiver.open("run")
    receipt = await receiver.send([event(number) for number in range(5)])
    await receiver.close()
    assert [one.place for one in receipt.refused] == [2]
    assert f'"code":{code}' in receipt.refused[0].reason
    assert receipt.retry == (3, 4)


async def test_the_last_event_may_be_the_bad_one(double: SplunkDouble) -> None:
    double.answers.append(("event", 400, answer(13, **{"invalid-event-number": 1})))
    receiver = receiver_of(double)
    await receiver.open("run")
    receipt = await receiver.send([event(1), event(2)])
    await receiver.close()
    assert ([one.place for one in receipt.refused], receipt.retry) == ([1], ())


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (400, answer(6, **{"invalid-event-number": 0}), BatchRefusedError),  # Splunk Cloud: perhaps too large
        (400, answer(6, **{"invalid-event-number": 3}), BatchRefusedError),  # there is no such event
        (400, answer(6, **{"invalid-event-number": -1}), BatchRefusedError),
        (400, answer(6, **{"invalid-event-number": True}), BatchRefusedError),
        (400, answer(6), BatchRefusedError),
        (400, answer(5), BatchRefusedError),
        (400, answer(99, **{"invalid-event-number": 1}), BatchRefusedError),
        (400, b'{"code":[6]}', BatchRefusedError),
        (400, b'{"code":6.0,"invalid-event-number":1.0}', BatchRefusedError),
        (400, b"<html><body>Bad Request</body></html>", BatchRefusedError),
        (400, b"", BatchRefusedError),
        (413, b"<html>", TooLargeError),
        (400, answer(7, **{"invalid-event-number": 1}), AccessDeniedError),
        (400, answer(7), AccessDeniedError),
        (400, answer(10), AccessDeniedError),
        (400, answer(11), AccessDeniedError),
        (400, answer(28), AccessDeniedError),
        (403, answer(1), AccessDeniedError),
        (401, answer(2), AccessDeniedError),
        (401, answer(3), AccessDeniedError),
        (403, answer(4), AccessDeniedError),
        (404, b"<html>", AccessDeniedError),
        (415, b"<html>", AccessDeniedError),
        (500, answer(8), TryLaterError),
        (503, answer(9), TryLaterError),
        (429, b"<html>", TryLaterError),
        (400, answer(9), TryLaterError),
        (400, answer(26), TryLaterError),
        (302, b"", TryLaterError),
        (200, b"", TryLaterError),
        (200, b"<html>Welcome</html>", TryLaterError),
        (200, b"[0]", TryLaterError),
        (200, b'{"code":false,"ackId":0}', TryLaterError),
        (200, answer(6), TryLaterError),
        (200, b'{"code":0,"ack', TryLaterError),
    ],
)
async def test_every_other_answer_means_one_thing(
    double: SplunkDouble, journal: Path, status: int, body: bytes, meaning: type[Exception]
) -> None:
    double.answers.append(("event", status, body))
    outcome = await send(receiver_of(double), [event(1), event(2), event(3)])
    assert type(outcome) is meaning
    assert str(outcome).isascii()
    assert str(outcome).isprintable()
    assert indexed(journal) == []


async def test_a_wrong_token_is_denied_before_anything_is_sent_and_never_shown(
    double: SplunkDouble, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("wrong-s3cret\n")
    outcome = await send(receiver_of(double, where=f"file={file}"), [event(1)])
    assert isinstance(outcome, AccessDeniedError)
    assert "Invalid token" in str(outcome)
    assert "s3cret" not in str(outcome)
    assert double.channels == []


async def test_a_request_is_halved_before_it_is_larger_than_allowed_but_a_single_event_is_tried(
    double: SplunkDouble,
) -> None:
    large = [event(number, filler="x" * 600) for number in (1, 2)]
    outcome = await send(receiver_of(double, "max_bytes=1000"), large)
    assert isinstance(outcome, TooLargeError)
    assert await send(receiver_of(double, "max_bytes=1000"), [event(3, filler="x" * 2000)]) == TAKEN
    assert len(double.bodies) == 1


async def test_large_requests_are_compressed(double: SplunkDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    real = gzip.decompress

    def noted(raw: bytes) -> bytes:
        unpacked.append(len(raw))
        return real(raw)

    monkeypatch.setattr(gzip, "decompress", noted)
    await send(receiver_of(double), [event(1, filler="x" * 5000)])
    assert len(unpacked) == 1
    assert unpacked[0] < 500
    assert len(double.bodies[0]) > 5000


@pytest.mark.parametrize("too_large", [413, 400])
async def test_a_server_with_less_room_gets_smaller_requests_and_only_what_never_fits_is_a_dead_letter(
    journal: Path, too_large: int
) -> None:
    async with SplunkDouble(journal, Behaviour(max_bytes=2000, too_large=too_large)) as double:
        receiver = receiver_of(double)
        await receiver.open("run")
        events = [event(number, filler="x" * (3000 if number == 5 else 400)) for number in range(1, 17)]
        refused = await Settling(receiver, Breaker(lambda _low, _high: 0.0), lambda *_: None).settle(events)
        await receiver.close()
    assert [one.event.id for one in refused] == [event(5).id]
    assert str(too_large) in refused[0].reason
    assert copies(journal) == {event(number).id: 1 for number in range(1, 17) if number != 5}


async def test_bad_events_become_dead_letters_and_no_other_is_lost_or_doubled(journal: Path) -> None:
    async with SplunkDouble(journal, Behaviour(blank_every=3)) as double:
        receiver = receiver_of(double)
        await receiver.open("run")
        settling = Settling(receiver, Breaker(lambda _low, _high: 0.0), lambda *_: None)
        refused = await settling.settle([event(number) for number in range(1, 11)])
        await receiver.close()
    assert [int(one.event.id, 16) for one in refused] == [3, 6, 9]
    assert copies(journal) == {event(number).id: 1 for number in (1, 2, 4, 5, 7, 8, 10)}


async def test_a_server_that_is_away_is_a_matter_of_time(double: SplunkDouble, journal: Path) -> None:
    double.behaviour = replace(double.behaviour, answer_loss=1.0)
    receiver = receiver_of(double)
    outcome = await send(receiver, [event(1)])
    assert isinstance(outcome, TryLaterError)
    assert copies(journal).total() == 1  # it was there, and will be twice
    (gone,) = make_destinations(["splunk+http://127.0.0.1:1?token_env=HEC"])
    assert isinstance(await send(gone.receiver, [event(1)]), TryLaterError)
