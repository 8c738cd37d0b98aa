"""PostgreSQL: one row for each record, every `event_id` once.

A batch is one transaction: COPY into a temporary table, then INSERT ... ON CONFLICT (event_id) DO NOTHING. So a batch
is stored whole or not at all. One that is sent again (the answer to COMMIT was lost) leaves no duplicates: rows that
were not inserted had been there. The temporary table lives as long as the transaction, which also suits a connection
pooler that hands out connections by transaction. Rights needed: SELECT and INSERT on the table, TEMPORARY on the
database.

A role or database may be set to `synchronous_commit = off`: COMMIT then answers before the disk has the rows. Our
transactions turn it on again; stricter values stay.

The SQLSTATE tells what an error means (PostgreSQL, Appendix A). While connecting, libpq does not give that code: then
the English text is searched for errors that need a person. A server with messages in another language is retried
instead, which loses nothing.

Left out: other formats than native, and a second table for findings: `record` is jsonb, and SQL can query it.
"""

import contextlib
import importlib.util
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.options import option, seconds, yes_no
from scanner.delivery.receivers.receiver import (
    AccessDeniedError,
    BatchLimits,
    BatchRefusedError,
    Receipt,
    TryLaterError,
)
from scanner.delivery.receivers.tls import TlsOptions, tls_context, warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError
from scanner.formats.event import Event
from scanner.timeouts import patience

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_PORT = 5432
#: Name -> type, in the order of COPY. `record` is the whole record; the others are fields of it.
COLUMNS: Mapping[str, str] = {
    "event_id": "text",
    "scan_id": "text",
    "observed_at": "timestamptz",
    "ip": "inet",
    "port": "integer",
    "host": "text",
    "status": "text",
    "product": "text",
    "version": "text",
    "record": "jsonb",
}
#: For one transaction, so that the answer to COMMIT means that the disk has it.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
#: NAMEDATALEN: the server would cut a longer name silently.
_MAX_NAME_BYTES = 63
#: Where systems keep trusted certificates; libpq needs a file, and its default is the path where it was built.
_SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
#: Texts of refused connections that need a person (classes 28 and 3D, 42501; libpq's own about TLS).
_DENIED = re.compile(
    r"password authentication failed|no password supplied|authentication failed|no pg_hba\.conf entry"
    r"|pg_hba\.conf rejects|(role|database) .* does not exist|permission denied|not permitted to log in"
    r"|certificate|does not support SSL|no encryption"
)
#: duplicate_table, duplicate_object: two sweeps make the table at the same time.
_MADE_MEANWHILE = frozenset({"42P07", "42710"})
_ADVICE: Mapping[str, str] = {
    "42P01": "make the table, or add create=yes",
    "42P10": "the table needs a unique index on event_id alone",
    "42703": "the table has other columns than ours: name another with table=",
    "42804": "the table has columns of other types than ours: name another with table=",
    "42501": "grant SELECT and INSERT on the table and TEMPORARY on the database (to make the table: CREATE on its "
    "schema)",
    "3F000": "make the schema",
}


@dataclass(frozen=True, kw_only=True)
class PostgresqlOptions(TlsOptions):
    """Options of a database."""

    table: str = option("where to put rows: NAME or SCHEMA.NAME", "smtpsweep_record")
    create: bool = option("make the table when it is not there: yes or no", "no", yes_no)
    timeout: float = option("seconds for one batch", "30", seconds(0.1, 600))


class PostgresqlReceiver:
    """Fills one table through one connection."""

    limits = BatchLimits(max_events=2000, max_bytes=8 << 20)

    def __init__(self, url: SinkUrl[PostgresqlOptions]) -> None:
        """Take the URL.

        Raises:
            InputError: when psycopg is not installed, or the URL names no database or no possible table.
        """
        if importlib.util.find_spec("psycopg") is None:
            raise InputError(f"-o {url.shown}: needs psycopg: pip install 'smtpsweep[postgresql]'")
        self._database = url.path.strip("/")
        if not self._database or "/" in self._database or not self._database.isprintable():
            raise InputError(f"-o {url.shown}: the path must name a database, as in postgresql://user@host:5432/mail")
        self._table = table_names(url)
        self.name = url.shown
        self._url = url
        self._tls = tls_parameters(url) if url.scheme.endswith("+tls") else {"sslmode": "prefer"}
        if not url.scheme.endswith("+tls"):
            warn_plain(url)
        self._timeout_s = url.options.timeout
        self._connection: AsyncConnection[Any] | None = None

    async def open(self, run: str) -> None:
        """Connect; make the table when the URL asks for it and it is not there."""
        del run
        await self.close()
        try:
            async with patience(self._timeout_s):
                self._connection = await self._connect()
                if self._url.options.create:
                    await self._create(self._connection)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            await self.close()
            meaning = meaning_of(error, self._url.redaction)
            if isinstance(meaning, BatchRefusedError):  # no record was sent: another client made the table just now
                meaning = TryLaterError(str(meaning))
            raise meaning from None

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Store a batch in one transaction."""
        if self._connection is None:
            await self.open("")
        assert self._connection is not None  # noqa: S101  opened above
        rows = [row_of(event) for event in batch]
        try:
            async with patience(self._timeout_s):
                stored = await self._store(self._connection, rows)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            meaning = meaning_of(error, self._url.redaction)
            if not isinstance(meaning, BatchRefusedError):  # the next attempt begins with a new connection
                await self.close()
            raise meaning from None
        return Receipt(duplicates=len(batch) - stored)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is gone either way
                await connection.close()

    async def _connect(self) -> "AsyncConnection[Any]":
        from psycopg import AsyncConnection  # noqa: PLC0415  an extra

        password = self._url.secret("password")
        hosts = self._url.hosts
        return await AsyncConnection.connect(
            host=",".join(host for host, _ in hosts),
            port=",".join(str(port or _PORT) for _, port in hosts),
            dbname=self._database,
            user=self._url.user,
            password=password.reveal() if password is not None else None,
            application_name="smtpsweep",
            client_encoding="UTF8",
            target_session_attrs="read-write" if len(hosts) > 1 else None,  # of a cluster, the one that takes rows
            connect_timeout=max(2, int(self._timeout_s)),
            autocommit=True,  # transactions are explicit
            prepare_threshold=None,  # prepared statements do not work with connection poolers
            **self._tls,
        )

    async def _create(self, connection: "AsyncConnection[Any]") -> None:
        """Make the table, unless it exists: CREATE TABLE IF NOT EXISTS needs a right that filling it does not."""
        from psycopg import sql  # noqa: PLC0415  an extra

        table = sql.Identifier(*self._table)
        cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table.as_string(connection),))
        found = await cursor.fetchone()
        if found is not None and found[0]:
            return
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind + _constraint(column)))
            for column, kind in COLUMNS.items()
        )
        await connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, columns))

    async def _store(self, connection: "AsyncConnection[Any]", rows: Sequence[tuple[object, ...]]) -> int:
        """Return how many rows were not there before."""
        from psycopg import sql  # noqa: PLC0415  an extra

        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        definition = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.execute(_DURABLE)
            await cursor.execute(f"CREATE TEMPORARY TABLE smtpsweep_batch ({definition}) ON COMMIT DROP")
            async with cursor.copy(sql.SQL("COPY pg_temp.smtpsweep_batch ({}) FROM STDIN").format(columns)) as copy:
                for row in rows:
                    await copy.write_row(row)
            await cursor.execute(
                sql.SQL(
                    "INSERT INTO {} ({}) SELECT {} FROM pg_temp.smtpsweep_batch ON CONFLICT (event_id) DO NOTHING"
                ).format(sql.Identifier(*self._table), columns, columns)
            )
            return cursor.rowcount


def table_names(url: SinkUrl[PostgresqlOptions]) -> list[str]:
    """Return the parts of `table=`: NAME or SCHEMA.NAME; every character but '.' is part of a name, and is quoted."""
    names = url.options.table.split(".")
    good = all(name.isprintable() and 1 <= len(name.encode()) <= _MAX_NAME_BYTES for name in names)
    if not good or len(names) > 2:
        raise InputError(
            f"-o {url.shown}: table={url.options.table!a}: must be NAME or SCHEMA.NAME, each of 1 to "
            f"{_MAX_NAME_BYTES} bytes"
        )
    return names


def tls_parameters(url: SinkUrl[PostgresqlOptions]) -> dict[str, Any]:
    """Return libpq's TLS parameters; the files are tried here, so that mistakes show before the sweep."""
    tls_context(url)
    options = url.options
    files = {"sslcert": options.cert_file, "sslkey": options.key_file or options.cert_file}
    parameters = {name: value for name, value in files.items() if value is not None}
    if not options.verify:
        return {"sslmode": "require", "sslrootcert": "", **parameters}
    trusted: str | None = options.ca_file or ssl.get_default_verify_paths().cafile
    trusted = trusted or next((path for path in _SYSTEM_CERTIFICATES if Path(path).exists()), None)
    if trusted is None:
        raise InputError(f"-o {url.shown}: no file of trusted certificates was found: name one with ca_file=")
    return {"sslmode": "verify-full", "sslrootcert": trusted, **parameters}


def _constraint(column: str) -> str:
    return {"event_id": " PRIMARY KEY", "record": " NOT NULL"}.get(column, "")


def row_of(event: Event) -> tuple[object, ...]:
    """Return the values of `COLUMNS` for an event, which is a record."""
    record = orjson.loads(event.body)
    software = record.get("software") or {}
    picked = record | {
        "event_id": event.id,
        "product": software.get("product"),
        "version": software.get("version"),
        "record": event.body.decode(),
    }
    return tuple(picked.get(column) for column in COLUMNS)


def meaning_of(error: BaseException, redaction: Redaction) -> Exception:
    """Return what an error of the library means to the relay."""
    from psycopg import DataError, Error  # noqa: PLC0415  an extra

    text = _text(error, redaction)
    if not isinstance(error, Error):
        return TryLaterError(text)
    state = error.sqlstate
    if state is None:  # of the library: no connection, or a text that PostgreSQL cannot hold (NUL)
        if isinstance(error, DataError):
            return BatchRefusedError(text)
        return AccessDeniedError(text) if _DENIED.search(str(error)) else TryLaterError(text)
    if state[:2] in ("22", "23", "54"):  # data, constraints, limits (an index entry that is too long)
        return BatchRefusedError(f"{state} {text}")
    if state[:2] in ("28", "3D", "3F", "42", "0A") and state not in _MADE_MEANWHILE:
        advice = _ADVICE.get(state)
        return AccessDeniedError(f"{state} {text}{f': {advice}' if advice else ''}")
    # 08 connection, 25006 a standby, 40 serialization, 53 resources (disk full), 55 locks, 57 shutdown, 58 and XX.
    return TryLaterError(f"{state} {text}")


def _text(error: BaseException, redaction: Redaction) -> str:
    """Return an error in one line, without detail and context, which repeat the row."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    words = in_words(error) if primary is None else f"{type(error).__name__}: {' '.join(primary.split())}"
    return printable(redaction.clean(words)[:400])


KIND = SinkKind(
    summary="PostgreSQL: one row a record, every event_id once",
    example="postgresql://user@host:5432/database?table=smtpsweep_record",
    formats=("native",),
    make=PostgresqlReceiver,
    options=PostgresqlOptions,
    secrets=("password",),
)
