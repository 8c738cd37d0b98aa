"""`delivery.receivers.postgresql`, against a real server: every event once, whatever is killed or refused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from psycopg import AsyncCopy

from scanner.delivery.receivers.receiver import AccessDeniedError, BatchRefusedError, Receiver, TryLaterError
from scanner.delivery.relay.destination import make_destinations
from scanner.formats import Event
from scanner.formats.native import Native
from tests.receivers import hostile
from tests.receivers.contract import RECORDS, deliver_under_fire, event_ids, record_lines
from tests.receivers.postgresql import PASSWORD, PostgresqlServer
from tests.support.certificates import make_certificate
from tests.support.ports import free_ports

pytestmark = pytest.mark.real

TABLE = "smtpsweep_record"


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresqlServer]:
    one = PostgresqlServer(free_ports(1)[0])
    yield one
    one.remove()


@pytest.fixture
async def server(cluster: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> PostgresqlServer:
    """A running server without our table."""
    monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
    await cluster.start()
    await cluster.query("DROP TABLE IF EXISTS smtpsweep_record")
    return cluster


def url(server: PostgresqlServer, more: str = "create=yes", user: str = "owner", scheme: str = "postgresql") -> str:
    return f"{scheme}://{user}@127.0.0.1:{server.port}/postgres?password_env=OWNER_PASSWORD&{more}"


async def opened(text: str) -> Receiver:
    (one,) = make_destinations([text])
    await one.receiver.open("run")
    return one.receiver


def events(*lines: bytes) -> list[Event]:
    return [event for line in lines for event in Native().events(orjson.loads(line), line.rstrip(b"\n"))]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_all_records_are_stored_once_while_server_and_relay_are_killed(
    server: PostgresqlServer, tmp_path: Path
) -> None:
    delivered = await deliver_under_fire(
        tmp_path / "run", url(server), seed=20261123, receiver=server, relay_kills=2, receiver_kills=2
    )

    rows = await server.query("SELECT event_id FROM smtpsweep_record")
    assert len(rows) == RECORDS
    assert {row[0] for row in rows} == event_ids()
    assert delivered.dead == []
    assert delivered.statistics["delivered"] == RECORDS


async def test_hostile_records_are_read_back_equal(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    batch = events(*hostile.lines())
    receipt = await receiver.send(batch)
    await receiver.close()

    rows = await server.query("SELECT event_id, record, record->'banner'->>'text' FROM smtpsweep_record")
    stored = {row[0]: row[1] for row in rows}
    documents = {document["event_id"]: document for document in hostile.documents()}
    assert len(documents) > 100
    assert stored == documents
    assert {row[2] for row in rows} == {document["banner"]["text"] for document in documents.values()}
    assert receipt.duplicates == 0
    assert receipt.refused == ()


async def test_columns_are_picked_from_the_record(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    await receiver.send(events(*record_lines(1, 1)))
    await receiver.close()

    (row,) = await server.query(
        "SELECT event_id, scan_id, to_char(observed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), host(ip), port,"
        " host, status, product, version FROM smtpsweep_record"
    )
    assert row == (
        f"{1:032x}", "0199-scan", "2026-11-22 10:16:56.123", "198.18.0.1", 25,
        "mail.example.com", "ready", "Sendmail", "8.14.7",
    )  # fmt: skip


async def test_a_repeat_is_not_stored_again_and_counted(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    first = await receiver.send(events(*record_lines(1, 3)))
    again = await receiver.send(events(*record_lines(2, 4), *record_lines(4, 4)))
    await receiver.close()

    assert (first.duplicates, again.duplicates) == (0, 3)
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(4,)]


async def test_a_connection_that_ends_inside_copy_leaves_nothing_and_the_next_attempt_succeeds(
    server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = await opened(url(server))
    write_row = AsyncCopy.write_row
    written = 0

    async def killed_in_the_middle(copy: AsyncCopy, row: tuple[object, ...]) -> None:
        nonlocal written
        written += 1
        if written == 500:
            ended = await server.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'smtpsweep'"
            )
            assert ended == [(True,)]
        await write_row(copy, row)

    monkeypatch.setattr(AsyncCopy, "write_row", killed_in_the_middle)
    batch = events(*record_lines(1, 1000))
    with pytest.raises(TryLaterError):
        await receiver.send(batch)
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(0,)]

    receipt = await receiver.send(batch)
    await receiver.close()
    assert receipt.duplicates == 0
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(1000,)]


async def test_a_server_that_stops_answering_is_a_matter_of_time(server: PostgresqlServer) -> None:
    receiver = await opened(url(server, "create=yes&timeout=0.3"))
    server.freeze()
    try:
        with pytest.raises(TryLaterError, match="no answer in time"):
            await receiver.send(events(*record_lines(1, 2)))
    finally:
        server.thaw()
    receiver = await opened(url(server))
    await receiver.send(events(*record_lines(1, 2)))
    await receiver.close()
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(2,)]


async def test_a_poisoned_record_refuses_its_batch_and_nothing_of_it_is_stored(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    good = events(*record_lines(1, 2))
    nul = good[0]._replace(id="nul", body=good[0].body.replace(b"teaser", b"a\\u0000b"))
    assert nul.body != good[0].body
    with pytest.raises(BatchRefusedError, match="22P05"):
        await receiver.send([good[0], nul, good[1]])
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(0,)]

    bad_address = good[0]._replace(id="address", body=good[0].body.replace(b'"198.18.0.1"', b'"no address"'))
    with pytest.raises(BatchRefusedError, match="22P02"):
        await receiver.send([bad_address])
    nul_column = good[0]._replace(id="nul", body=good[0].body.replace(b"mail.example.com", b"a\\u0000b"))
    with pytest.raises(BatchRefusedError, match="NUL"):
        await receiver.send([nul_column])
    await receiver.send(good)
    await receiver.close()
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(2,)]


async def test_without_a_table_a_person_has_to_act(server: PostgresqlServer) -> None:
    receiver = await opened(url(server, "create=no"))
    with pytest.raises(AccessDeniedError, match=r"42P01 .*make the table, or add create=yes"):
        await receiver.send(events(*record_lines(1, 1)))
    await receiver.close()


async def test_a_table_that_cannot_drop_repeats_takes_nothing(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    await server.query("ALTER TABLE smtpsweep_record DROP CONSTRAINT smtpsweep_record_pkey")
    with pytest.raises(AccessDeniedError, match=r"42P10 .*needs a unique index on event_id"):
        await receiver.send(events(*record_lines(1, 1)))
    await server.query("DROP TABLE smtpsweep_record")
    await server.query("CREATE TABLE smtpsweep_record (event_id text primary key)")
    with pytest.raises(AccessDeniedError, match=r"42703 .*other columns"):
        await receiver.send(events(*record_lines(1, 1)))
    await receiver.close()


async def test_a_right_that_is_taken_away_pauses_and_one_that_is_given_mends(
    server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await opened(url(server))).close()  # makes the table
    await server.query("DROP ROLE IF EXISTS filler")
    await server.query("CREATE ROLE filler LOGIN PASSWORD 'f1ller'")
    monkeypatch.setenv("OWNER_PASSWORD", "f1ller")
    receiver = await opened(url(server, "create=yes", user="filler"))  # there already: no right to make it is needed
    with pytest.raises(AccessDeniedError, match=r"42501 .*grant SELECT and INSERT"):
        await receiver.send(events(*record_lines(1, 2)))
    await server.query("GRANT SELECT, INSERT ON smtpsweep_record TO filler")
    assert (await receiver.send(events(*record_lines(1, 2)))).duplicates == 0
    await receiver.close()
    with pytest.raises(AccessDeniedError, match="42501"):
        await opened(url(server, "create=yes&table=other", user="filler"))
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(2,)]
    await server.query("DROP OWNED BY filler")
    await server.query("DROP ROLE filler")


async def test_a_full_disk_is_a_matter_of_time(server: PostgresqlServer) -> None:
    receiver = await opened(url(server))
    await server.query(
        "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
    )
    await server.query("CREATE TRIGGER full_disk BEFORE INSERT ON smtpsweep_record EXECUTE FUNCTION full_disk()")
    with pytest.raises(TryLaterError, match=r"53100 .*could not extend file"):
        await receiver.send(events(*record_lines(1, 2)))
    await server.query("DROP TRIGGER full_disk ON smtpsweep_record")
    assert (await receiver.send(events(*record_lines(1, 2)))).duplicates == 0
    await receiver.close()


async def test_rows_are_on_the_disk_when_the_server_is_told_to_be_careless(
    server: PostgresqlServer,
) -> None:
    await server.query("ALTER ROLE owner SET synchronous_commit = off")
    try:
        receiver = await opened(url(server))
        await server.query(
            "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " NEW.host := current_setting('synchronous_commit'); RETURN NEW; END $$"
        )
        await server.query("CREATE TRIGGER note BEFORE INSERT ON smtpsweep_record FOR EACH ROW EXECUTE FUNCTION note()")
        await receiver.send(events(*record_lines(1, 1)))
        await receiver.close()
        assert await server.query("SELECT host FROM smtpsweep_record") == [("on",)]
    finally:
        await server.query("ALTER ROLE owner RESET synchronous_commit")


async def test_a_table_of_any_name_in_any_schema(server: PostgresqlServer) -> None:
    await server.query('DROP SCHEMA IF EXISTS "The ""SIEM""" CASCADE')
    with pytest.raises(AccessDeniedError, match=r"3F000 .*make the schema"):
        await opened(url(server, "create=yes&table=The%20%22SIEM%22.mail%3B--"))
    await server.query('CREATE SCHEMA "The ""SIEM"""')
    receiver = await opened(url(server, "create=yes&table=The%20%22SIEM%22.mail%3B--"))
    await receiver.send(events(*record_lines(1, 1)))
    await receiver.close()
    assert await server.query('SELECT count(*) FROM "The ""SIEM"""."mail;--"') == [(1,)]


@pytest.mark.parametrize("change", ["password", "user", "database"])
async def test_who_is_not_let_in_needs_a_person_and_the_secret_never_shows(
    server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    text = url(server)
    if change == "password":
        monkeypatch.setenv("OWNER_PASSWORD", "wr0ng-s3cret")
    elif change == "user":
        text = url(server, user="nobody-we-know")
    else:
        text = text.replace("/postgres?", "/nothere?")
    with pytest.raises(AccessDeniedError) as caught:
        await opened(text)
    assert "s3cret" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


async def test_a_server_that_is_not_there_is_a_matter_of_time(server: PostgresqlServer) -> None:
    server.kill()
    with pytest.raises(TryLaterError, match="refused"):
        await opened(url(server))


async def test_of_several_hosts_the_one_that_answers_is_used(server: PostgresqlServer) -> None:
    text = url(server).replace("@127.0.0.1", f"@127.0.0.1:{free_ports(1)[0]},127.0.0.1")
    receiver = await opened(text)
    await receiver.send(events(*record_lines(1, 1)))
    await receiver.close()
    assert await server.query("SELECT count(*) FROM smtpsweep_record") == [(1,)]


async def test_over_tls_the_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
    good, other = make_certificate(names=("127.0.0.1",)), make_certificate(names=("127.0.0.1",))
    (tmp_path / "good.pem").write_bytes(good[0])
    (tmp_path / "other.pem").write_bytes(other[0])
    server = PostgresqlServer(free_ports(1)[0], certificate=good)
    try:
        await server.start()
        receiver = await opened(url(server, f"create=yes&ca_file={tmp_path / 'good.pem'}", scheme="postgresql+tls"))
        await receiver.send(events(*record_lines(1, 1)))
        used = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'smtpsweep'"
        assert await server.query(used) == [(True,)]
        await receiver.close()
        with pytest.raises(AccessDeniedError, match="certificate verify failed"):
            await opened(url(server, f"ca_file={tmp_path / 'other.pem'}", scheme="postgresql+tls"))
        trusted = url(server, f"ca_file={tmp_path / 'good.pem'}", scheme="postgresql+tls")
        with pytest.raises(AccessDeniedError, match="does not match host name"):
            await opened(trusted.replace("127.0.0.1", "localhost"))
    finally:
        server.remove()


async def test_a_server_without_tls_gets_neither_password_nor_record(server: PostgresqlServer) -> None:
    with pytest.raises(AccessDeniedError, match="does not support SSL"):
        await opened(url(server, "verify=no", scheme="postgresql+tls"))


async def test_concurrent_makers_of_the_table_do_no_harm(server: PostgresqlServer) -> None:
    results = await asyncio.gather(*(opened(url(server)) for _ in range(8)), return_exceptions=True)
    for one in results:
        assert not isinstance(one, BaseException) or isinstance(one, TryLaterError), one
        if not isinstance(one, BaseException):
            await one.close()
    assert any(not isinstance(one, BaseException) for one in results)
