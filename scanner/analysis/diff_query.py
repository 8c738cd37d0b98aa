"""Sort observations of targets in a table on disk.

A comparison of two sweeps is a sort: by target, then by sweep, then by visit. DuckDB sorts in bounded memory; what does
not fit goes into a temporary folder. After the sort, one pass over the rows is enough (`scanner.analysis.diff`).

Values are passed as parameters, never as part of a statement. DuckDB reads no file of ours, loads no extension and uses
no network: it gets rows and a folder. It is an extra (`smtpsweep[analysis]`) and is imported only when needed.
Source: duckdb.org/docs, "Configuration" and "Tuning workloads" (spilling to disk).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.errors import InputError, LocalError

if TYPE_CHECKING:
    from types import ModuleType

    import duckdb

#: What DuckDB may hold in memory before it goes to disk.
MEMORY_LIMIT: Final = "128MB"
#: Rows handed over at once, each way.
_BATCH_ROWS: Final = 5_000

_CREATE: Final = """
    CREATE TABLE observations (
        target VARCHAR NOT NULL,    -- address and port, in a form that sorts (history.target_key)
        side   UTINYINT NOT NULL,   -- 0: the earlier sweep, 1: the later one
        event  VARCHAR NOT NULL,    -- the visit; a resumed sweep may repeat it
        line   UBIGINT NOT NULL,    -- where in the file
        packed VARCHAR NOT NULL     -- the Observation (history.Observation.packed)
    )
"""
_INSERT: Final = """
    INSERT INTO observations
    SELECT unnest(?::VARCHAR[]), unnest(?::UTINYINT[]), unnest(?::VARCHAR[]), unnest(?::UBIGINT[]), unnest(?::VARCHAR[])
"""
_SORTED: Final = "SELECT target, side, event, packed FROM observations ORDER BY target, side, event, line"


class ObservationRow(NamedTuple):
    """One observation for the table."""

    target: str
    side: int
    event: str
    line: int
    observation: str


class ObservationTable:
    """A table of observations; `add` rows, then read them `in_order`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection
        self._batch: list[ObservationRow] = []
        connection.execute(_CREATE)

    def add(self, row: ObservationRow) -> None:
        """Add one row."""
        self._batch.append(row)
        if len(self._batch) >= _BATCH_ROWS:
            self._flush()

    def in_order(self) -> Iterator[tuple[str, int, str, str]]:
        """Yield target, side, event and observation, sorted by target, side and event; repeats in the file's order."""
        self._flush()
        result = self._connection.execute(_SORTED)
        while rows := result.fetchmany(_BATCH_ROWS):
            yield from rows

    def _flush(self) -> None:
        if self._batch:
            self._connection.execute(_INSERT, [list(column) for column in zip(*self._batch, strict=True)])
            self._batch.clear()


@contextmanager
def observation_table(memory_limit: str = MEMORY_LIMIT) -> Iterator[ObservationTable]:
    """Open an empty table in a folder of its own below the system's folder for temporary files (`TMPDIR`).

    Raises:
        InputError: when DuckDB is not installed.
        LocalError: when there is no room, on disk or in memory; also from inside the context.
    """
    database = _import_duckdb()
    try:
        with tempfile.TemporaryDirectory(prefix="smtpsweep-diff-") as folder:
            connection = database.connect(
                str(Path(folder) / "observations.duckdb"), config=_settings(folder, memory_limit)
            )
            try:
                yield ObservationTable(connection)
            finally:
                connection.close()
    except database.Error as error:
        raise LocalError(f"the comparison failed in DuckDB: {' '.join(str(error).split())[:300]}") from None
    except OSError as error:
        if error.filename is None or "smtpsweep-diff-" not in str(error.filename):
            raise
        raise LocalError(f"{error.filename}: no room to compare ({error.strerror}); set TMPDIR") from None


def _settings(folder: str, memory_limit: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": memory_limit,
        "temp_directory": str(Path(folder) / "spilled"),
        "threads": 1,  # a second one needs its own share of the memory; reading the files is what takes the time
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _import_duckdb() -> "ModuleType":
    try:
        import duckdb  # noqa: PLC0415  large, and an extra: only who compares needs it
    except ImportError:
        raise InputError("comparing needs DuckDB, which is not installed: pip install 'smtpsweep[analysis]'") from None
    return duckdb
