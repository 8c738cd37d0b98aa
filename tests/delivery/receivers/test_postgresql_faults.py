"""Claims about `scanner.delivery.receivers.postgresql` while the server fails: stored, tried again, or refused."""

from collections.abc import AsyncIterator

import orjson
import pytest

from scanner.delivery.receivers import postgresql
from scanner.delivery.receivers.receiver import AccessDeniedError, BatchRefusedError, Receiver, TryLaterError
from scanner.delivery.relay.destination import make_destinations
from scanner.errors import InputError
from scanner.formats import Event
from tests.support.ports import free_ports
from tests.support.postgresql_fake import CUT, SILENT, FakePostgresql


@pytest.fixture
async def server() -> AsyncIterator[FakePostgresql]:
    async with FakePostgresql().serving() as one:
        yield one


def event(number: int) -> Event:
    record = {"ip": f"192.0.2.{number}", "port": 25, "status": "ready", "software": {"product": "Exim", "version": "4"}}
    return Event(f"id-{number}", f"192.0.2.{number} 25", None, 6, orjson.dumps(record))


def receiver(server: FakePostgresql, options: str = "", timeout_s: float = 20) -> Receiver:
    (one,) = make_destinations([f"postgresql://user@127.0.0.1:{server.port}/mail?timeout={timeout_s}{options}"])
    return one.receiver


async def test_a_batch_is_one_transaction_and_repeats_are_counted(server: FakePostgresql) -> None:
    sink = receiver(server)
    await sink.open("run")
    first = await sink.send([event(1), event(2)])
    again = await sink.send([event(2), event(3)])
    await sink.close()

    assert (first.duplicates, again.duplicates) == (0, 1)
    assert list(server.rows) == ["id-1", "id-2", "id-3"]
    names = ("event_id", "ip", "port", "status", "product", "version")
    row = dict(zip(postgresql.COLUMNS, server.rows["id-1"], strict=True))
    assert [row[name] for name in names] == ["id-1", "192.0.2.1", "25", "ready", "Exim", "4"]
    words = [statement.split()[0] for statement in server.statements]
    assert words == ["BEGIN", "SELECT", "CREATE", "COPY", "INSERT", "COMMIT"] * 2


async def test_it_connects_by_itself_and_closing_twice_is_fine(server: FakePostgresql) -> None:
    sink = receiver(server)
    await sink.send([event(1)])
    await sink.close()
    await sink.close()

    assert (list(server.rows), server.connections) == (["id-1"], 1)


@pytest.mark.parametrize("has_table", [False, True])
async def test_the_table_is_made_only_when_it_is_not_there(server: FakePostgresql, has_table: bool) -> None:
    server.has_table = has_table
    sink = receiver(server, "&create=yes&table=siem.mail")
    await sink.open("run")
    await sink.close()

    made = [statement for statement in server.statements if statement.startswith("CREATE TABLE")]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in postgresql.COLUMNS.items())
    columns = columns.replace('"event_id" text', '"event_id" text PRIMARY KEY').replace("jsonb", "jsonb NOT NULL")
    assert made == ([] if has_table else [f'CREATE TABLE IF NOT EXISTS "siem"."mail" ({columns})'])


async def test_a_batch_whose_answer_is_lost_is_tried_again_and_leaves_no_duplicate(server: FakePostgresql) -> None:
    server.fails["COMMIT"] = CUT
    sink = receiver(server)
    with pytest.raises(TryLaterError):
        await sink.send([event(1), event(2)])
    again = await sink.send([event(1), event(2)])
    await sink.close()

    assert (again.duplicates, len(server.rows), server.connections) == (2, 2, 2)


@pytest.mark.parametrize(
    ("statement", "state", "meaning"),
    [
        ("BEGIN", "57P01", TryLaterError),
        ("INSERT", "53100", TryLaterError),
        ("COMMIT", "40001", TryLaterError),
        ("INSERT", "25006", TryLaterError),
        ("INSERT", "42P01", AccessDeniedError),
        ("CREATE TEMPORARY", "42501", AccessDeniedError),
        ("COPY", "22P05", BatchRefusedError),
        ("INSERT", "23514", BatchRefusedError),
    ],
)
async def test_an_error_stores_nothing_and_says_what_to_do(
    server: FakePostgresql, statement: str, state: str, meaning: type[Exception]
) -> None:
    server.fails[statement] = state
    sink = receiver(server)
    with pytest.raises(meaning) as caught:
        await sink.send([event(1)])
    assert (server.rows, "the row" in str(caught.value)) == ({}, False)

    await sink.send([event(1)])
    await sink.close()
    assert list(server.rows) == ["id-1"]
    assert server.connections == (1 if meaning is BatchRefusedError else 2)  # a refused batch is no fault of the wire


async def test_a_server_that_falls_silent_is_left_after_the_time_out_and_nothing_is_stored(
    server: FakePostgresql,
) -> None:
    server.fails["COPY"] = SILENT
    sink = receiver(server, timeout_s=0.5)
    while server.fails:  # on a slow machine the time may be up before that
        with pytest.raises(TryLaterError, match="no answer in time"):
            await sink.send([event(1)])
    await sink.close()

    assert server.rows == {}


@pytest.mark.parametrize(
    ("moment", "state", "meaning"),
    [
        ("connect", "57P03", TryLaterError),
        ("connect", "3D000", TryLaterError),  # the client keeps the code to itself, and this text says nothing
        ("CREATE TABLE", "42P07", TryLaterError),  # another sweep was faster
        ("CREATE TABLE", "23505", TryLaterError),  # the same, in the catalogue
        ("CREATE TABLE", "42501", AccessDeniedError),
        ("SELECT to_regclass", CUT, TryLaterError),
    ],
)
async def test_an_error_while_it_opens_is_no_fault_of_a_record(
    server: FakePostgresql, moment: str, state: str, meaning: type[Exception]
) -> None:
    server.has_table, server.fails[moment] = False, state
    sink = receiver(server, "&create=yes")
    with pytest.raises(meaning):
        await sink.open("run")
    await sink.open("run")
    await sink.close()

    assert server.connections == 2


async def test_of_several_hosts_the_one_that_answers_is_used(server: FakePostgresql) -> None:
    (one,) = make_destinations([f"postgresql://user@127.0.0.1:{free_ports(1)[0]},127.0.0.1:{server.port}/mail"])
    await one.receiver.send([event(1)])
    await one.receiver.close()

    assert list(server.rows) == ["id-1"]


def test_without_any_trusted_certificate_a_file_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_SYSTEM_CERTIFICATES", ())
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: type("Paths", (), {"cafile": None, "capath": None}))
    with pytest.raises(InputError, match="no file of trusted certificates was found: name one with ca_file="):
        make_destinations(["postgresql+tls://127.0.0.1/mail"])
