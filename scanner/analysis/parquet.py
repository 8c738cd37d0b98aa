"""Write rows into a Parquet file with DuckDB, by way of a table on disk: memory does not grow with the rows.

Rows go in as JSON in a parameter, never as part of a statement, and DuckDB reads no file of ours. It is an extra
(`smtpsweep[analysis]`), so it is imported when it is needed.
"""

import json
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from scanner.errors import InputError, LocalError
from scanner.formats.columns import COLUMNS

if TYPE_CHECKING:
    from types import ModuleType

_MEMORY_LIMIT: Final = "256MB"
_BATCH_ROWS: Final = 2_000
_CREATE: Final = "CREATE TABLE rows ({})".format(", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items()))
_INSERT: Final = "INSERT INTO rows SELECT unnest(from_json_strict(text, ?)) FROM (SELECT unnest(?::VARCHAR[]) AS text)"


def write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write rows (see `scanner.formats.columns`) to a file, in their order.

    Raises:
        InputError: when DuckDB is not installed, or a value is not of its column's type.
        LocalError: when there is no room, on disk or in memory.
    """
    database = import_duckdb()
    remaining = iter(rows)
    try:
        with tempfile.TemporaryDirectory(prefix="smtpsweep-parquet-") as folder:
            settings = {"memory_limit": _MEMORY_LIMIT, "temp_directory": str(Path(folder) / "spilled"), "threads": 1}
            connection = database.connect(str(Path(folder) / "rows.duckdb"), config=settings)
            try:
                connection.execute(_CREATE)
                while batch := [orjson.dumps(row).decode("ascii") for row in islice(remaining, _BATCH_ROWS)]:
                    connection.execute(_INSERT, [_structure(), batch])
                quoted = str(path).replace("'", "''")
                # Into the file that is there: a new one would have the mode that the umask gives.
                connection.execute(f"COPY rows TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)")
            finally:
                connection.close()
    except (database.DataError, database.InvalidInputException) as error:
        raise InputError(f"not a record: {_one_line(error)}") from None
    except database.Error as error:
        raise LocalError(f"writing Parquet failed in DuckDB: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def import_duckdb() -> "ModuleType":
    """Return the library.

    Raises:
        InputError: when it is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415  large, and an extra: only Parquet needs it
    except ImportError:
        raise InputError("Parquet needs DuckDB, which is not installed: pip install 'smtpsweep[analysis]'") from None
    return duckdb


def _structure() -> str:
    """Return the types of a row as `from_json_strict` wants them."""
    types: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        types[name] = [kind.removesuffix("[]")] if kind.endswith("[]") else kind
    return json.dumps(types)
