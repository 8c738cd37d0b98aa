from pathlib import PurePath

import pytest

from scanner.delivery import SinkOptions, make_sink
from scanner.errors import InputError
from scanner.files import names as file_names
from scanner.files.names import Content, converted, require_fitting_name
from scanner.formats import FORMATS

FIT = [
    (file_names.RECORDS, ["a", "a.jsonl", "a.ndjson", "a.JSONL", "a.gz", "a.jsonl.gz", "a.Jsonl.ZST",
                          "a.2026", "a.b.log"]),
    (file_names.JSON_DOCUMENT, ["a", "a.json", "a.JSON", "a.txt"]),
    (file_names.JUNIT, ["a", "a.xml", "junit.txt"]),
    (file_names.SARIF, ["a.sarif", "a.json", "a.sarif.json"]),
    (file_names.METRICS, ["a.prom", "a"]),
    (file_names.HEADERS, ["a.eml", "a.txt", "a"]),
    (converted("csv"), ["a.csv", "a.CSV.gz", "a.csv.zst", "a.txt"]),
    (converted("parquet"), ["a.parquet", "a"]),
    (converted("ecs"), ["a.jsonl", "a.ndjson.gz"]),
    (converted("gelf"), ["a.gelf", "a.jsonl"]),
    (converted("cef"), ["a.cef", "a.log"]),
    (converted("leef"), ["a.leef", "a.log"]),
]  # fmt: skip
WRONG = [
    (file_names.RECORDS, ["a.csv", "a.CSV", "a.csv.gz", "a.jsonl.bz2", "a.bz2", "a.parquet", "a.xz", "a.zip", "a.json",
                          "a.json.gz", "a.JSON.ZST", "a.xml", "a.sqlite", "a.tgz", "a.tar.gz", "a.xlsx"]),
    (file_names.JSON_DOCUMENT, ["a.jsonl", "a.json.gz", "a.csv", "a.xml"]),
    (file_names.JUNIT, ["a.json", "a.xml.gz", "a.sarif", "a.zst"]),
    (file_names.SARIF, ["a.xml", "a.sarif.gz", "a.jsonl"]),
    (file_names.METRICS, ["a.json", "a.prom.gz"]),
    (file_names.HEADERS, ["a.gz", "a.json"]),
    (converted("csv"), ["a.jsonl", "a.parquet", "a.csv.bz2", "a.json"]),
    (converted("parquet"), ["a.csv", "a.parquet.gz", "a.jsonl"]),
    (converted("ecs"), ["a.csv", "a.json", "a.cef"]),
    (converted("cef"), ["a.leef", "a.jsonl"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "name"), [(content, name) for content, names in FIT for name in names])
def test_a_name_that_fits_or_promises_nothing_is_taken(content: Content, name: str) -> None:
    require_fitting_name("-o x", PurePath("folder.csv", name), content)


@pytest.mark.parametrize(("content", "name"), [(content, name) for content, names in WRONG for name in names])
def test_a_name_that_promises_something_else_is_refused(content: Content, name: str) -> None:
    with pytest.raises(InputError, match=r"^-o x: its name promises .*, it would hold .*: "):
        require_fitting_name("-o x", PurePath("folder", name), content)


def test_the_advice_says_how_to_get_it() -> None:
    with pytest.raises(InputError) as caught:
        make_sink("out.csv", SinkOptions())
    assert str(caught.value) == (
        "-o out.csv: its name promises CSV, it would hold JSON Lines: "
        "use .jsonl (.jsonl.gz, .jsonl.zst: packed), then 'smtpsweep convert' for other formats"
    )
    with pytest.raises(InputError, match="promises bzip2"):
        make_sink("file:///tmp/out.jsonl.bz2", SinkOptions())


@pytest.mark.parametrize("target", FORMATS)
def test_every_format_of_lines_has_a_name_that_fits(target: str) -> None:
    suffix = target if target in {"cef", "leef"} else "jsonl"
    require_fitting_name("-o x", PurePath(f"a.{suffix}.gz"), converted(target))
