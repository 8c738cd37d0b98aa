"""Whether a file's name says what will be in it.

Readers choose by the name: a spreadsheet takes `.csv`, `tar` and `zcat` look at `.xz` and `.gz`, and who finds JSON
Lines behind such a name finds an error, in the middle of the night, in another program. So a name whose suffix promises
another format or packing than the one written is refused. A name without a known suffix promises nothing.
"""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from scanner.errors import InputError

_PACKED: Final = {
    ".7z": "7-Zip",
    ".br": "Brotli",
    ".bz2": "bzip2",
    ".gz": "gzip",
    ".lz4": "LZ4",
    ".lzma": "LZMA",
    ".rar": "RAR",
    ".tar": "tar",
    ".tgz": "tar and gzip",
    ".xz": "xz",
    ".zip": "ZIP",
    ".zst": "Zstandard",
}
_FORMATS: Final = {
    ".arrow": "Arrow",
    ".avro": "Avro",
    ".cef": "CEF",
    ".csv": "CSV",
    ".db": "a database",
    ".duckdb": "DuckDB",
    ".feather": "Arrow",
    ".gelf": "GELF",
    ".htm": "HTML",
    ".html": "HTML",
    ".json": "one JSON document",
    ".jsonl": "JSON Lines",
    ".leef": "LEEF",
    ".md": "Markdown",
    ".ndjson": "JSON Lines",
    ".orc": "ORC",
    ".parquet": "Parquet",
    ".pdf": "PDF",
    ".prom": "metrics",
    ".sarif": "SARIF",
    ".sql": "SQL",
    ".sqlite": "SQLite",
    ".toml": "TOML",
    ".tsv": "TSV",
    ".xls": "a spreadsheet",
    ".xlsx": "a spreadsheet",
    ".xml": "XML",
    ".yaml": "YAML",
    ".yml": "YAML",
}


@dataclass(frozen=True, slots=True)
class Content:
    """What will be in a file.

    Attributes:
        name: for messages.
        suffixes: those of `_FORMATS` that promise it.
        packings: those of `_PACKED` that are honoured.
        advice: how to get what another name asks for.
    """

    name: str
    suffixes: frozenset[str]
    packings: frozenset[str] = frozenset()
    advice: str = "choose another name"


_RECORD_PACKINGS: Final = frozenset({".gz", ".zst"})
RECORDS: Final = Content(
    "JSON Lines",
    frozenset({".jsonl", ".ndjson"}),
    _RECORD_PACKINGS,
    "use .jsonl (.jsonl.gz, .jsonl.zst: packed), then 'smtpsweep convert' for other formats",
)
JSON_DOCUMENT: Final = Content("one JSON document", frozenset({".json"}))
JUNIT: Final = Content("JUnit XML", frozenset({".xml"}))
SARIF: Final = Content("SARIF, which is JSON", frozenset({".sarif", ".json"}))
METRICS: Final = Content("metrics for the node exporter", frozenset({".prom"}))
HEADERS: Final = Content("the headers of a message", frozenset())


def converted(target: str) -> Content:
    """Return the content of a conversion to a format of `smtpsweep convert`."""
    suffixes = {"csv": {".csv"}, "parquet": {".parquet"}, "cef": {".cef"}, "leef": {".leef"}}
    packings = frozenset[str]() if target == "parquet" else _RECORD_PACKINGS
    lines = {".jsonl", ".ndjson", *({".gelf"} if target == "gelf" else ())}
    name = {"csv": "CSV", "parquet": "Parquet", "native": "JSON Lines"}.get(target, target.upper())
    return Content(name, frozenset(suffixes.get(target, lines)), packings)


def require_fitting_name(label: str, path: PurePath, content: Content) -> None:
    """Refuse a name that promises something else, also in capitals and behind `.gz` or `.zst`.

    Raises:
        InputError: saying what it promises, what will be in it, and what to do.
    """
    name, suffix = path, path.suffix.lower()
    if suffix in content.packings:
        name = path.with_suffix("")
        suffix = name.suffix.lower()
    promised = _PACKED.get(suffix) or _FORMATS.get(suffix)
    if promised is not None and suffix not in content.suffixes:
        raise InputError(f"{label}: its name promises {promised}, it would hold {content.name}: {content.advice}")
