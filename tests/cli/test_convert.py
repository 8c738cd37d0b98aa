"""`smtpsweep convert`: every format, whole files only, damage named by file and line, bounded memory."""

import csv
import gzip
import json
import os
import stat
import sys
import tracemalloc
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
import zstandard

from scanner.analysis import parquet
from scanner.analysis.conversion import TARGETS, Converted, convert
from scanner.cli.entry import run
from scanner.delivery.spool.line import framed, run_key
from scanner.errors import InputError, LocalError
from scanner.files.output import OutputFile
from scanner.formats import FORMATS, make_format
from scanner.formats.columns import COLUMNS, row_of
from scanner.formats.plain import plain
from scanner.formats.suspicion import suspicions
from scanner.model import Names
from tests.support.command_line import smtpsweep
from tests.support.formats_corpus import Line, line_of, record_of, records, run_lines

CORPUS: Final[tuple[Line, ...]] = tuple(records().values())
TEXT: Final = b"".join(line.line + b"\n" for line in CORPUS)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(TEXT)
    return file


def fails(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that has to end with 2; return what it complained about."""
    assert run([*map(str, ("convert", *arguments))]) == 2
    err = capfd.readouterr().err
    assert err.startswith("smtpsweep: ")
    assert err.count("\n") == 1
    return err.removeprefix("smtpsweep: ").rstrip()


def left_over(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != "sweep.jsonl")


@pytest.mark.parametrize("target", FORMATS)
def test_every_event_of_every_record_is_a_line_in_the_order_of_the_records(sweep: Path, target: str) -> None:
    out = sweep.with_name("out")
    expected = [event.body for line in CORPUS for event in make_format(target).events(*line)]

    done = convert([str(sweep)], target, str(out))

    lines = out.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert done == Converted(len(CORPUS), len(expected))
    if target not in {"ecs", "ocsf"}:  # imported banners have the time of the conversion in these
        assert lines == expected
    assert len(lines) == len(expected)


def test_native_is_the_same_bytes(sweep: Path) -> None:
    convert([str(sweep)], "native", str(sweep.with_name("out")))

    assert sweep.with_name("out").read_bytes() == TEXT


def expected_rows() -> list[dict[str, Any]]:
    return [row_of(plain(*line), suspicions(*line)) for line in CORPUS]


def test_csv_has_a_header_and_a_row_for_each_record(sweep: Path) -> None:
    out = sweep.with_name("out.csv")
    convert([str(sweep)], "csv", str(out))

    with out.open(newline="") as stream:
        header, *rows = csv.reader(stream, strict=True)
    assert header == list(COLUMNS)
    assert len(rows) == len(CORPUS)
    banners = [row[header.index("banner")].removeprefix("'") for row in rows]
    assert banners == [row["banner"] or "" for row in expected_rows()]


def test_parquet_has_the_values_of_every_record_with_types(sweep: Path) -> None:
    out = sweep.with_name("it's [out].parquet")
    done = convert([str(sweep)], "parquet", str(out))

    with duckdb.connect() as connection:
        out.rename(sweep.with_name("plain.parquet"))
        relation = connection.read_parquet(str(sweep.with_name("plain.parquet")))
        names, rows = relation.columns, relation.fetchall()
    assert done == Converted(len(CORPUS), len(CORPUS))
    assert names == list(COLUMNS)
    for made, expected in zip(rows, expected_rows(), strict=True):
        read = dict(zip(names, made, strict=True))
        at = read.pop("observed_at")
        text = expected.pop("observed_at")
        assert (None if at is None else f"{at.isoformat(timespec='milliseconds')}Z") == text
        assert read == expected


@pytest.mark.parametrize("target", ["ecs", "csv"])
def test_the_name_decides_how_the_output_is_packed(sweep: Path, target: str) -> None:
    plain_file, packed, frames = (sweep.with_name(f"out{suffix}") for suffix in ("", ".gz", ".zst"))
    only = sweep.with_name("dated.jsonl")
    only.write_bytes(line_of(record_of()).line + b"\n")
    for out in (plain_file, packed, frames):
        convert([str(only)], target, str(out))

    assert gzip.decompress(packed.read_bytes()) == plain_file.read_bytes()
    with zstandard.open(frames) as stream:
        assert stream.read() == plain_file.read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_only_its_owner_may_read_what_names_weak_servers(sweep: Path, target: str) -> None:
    out = sweep.with_name("out")
    convert([str(sweep)], target, str(out))

    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_several_files_packed_or_not_become_one(sweep: Path) -> None:
    packed = sweep.with_name("more.jsonl.zst")
    packed.write_bytes(zstandard.compress(TEXT))
    out = sweep.with_name("out")

    assert convert([str(sweep), str(packed)], "native", str(out)).read == 2 * len(CORPUS)
    assert out.read_bytes() == TEXT * 2


def test_lines_about_a_run_become_scan_activities_and_no_rows(tmp_path: Path) -> None:
    log = tmp_path / "rec.jsonl"
    lines = [run_lines()[0], line_of(record_of()), run_lines()[2]]
    log.write_bytes(b"".join(line.line + b"\n" for line in lines))

    convert([str(log)], "ocsf", str(tmp_path / "o"))
    classes = [json.loads(line)["class_uid"] for line in (tmp_path / "o").read_bytes().splitlines()]
    assert (classes[0], classes[1], classes[-1]) == (6007, 4001, 6007)
    for target in ("native", "cef", "csv", "parquet"):
        assert convert([str(log)], target, str(tmp_path / target)) == Converted(3, 1)


def test_standard_input_and_output_make_a_pipe(tmp_path: Path) -> None:
    line = line_of(record_of())
    done = smtpsweep("convert", "-", "--format", "cef", "-o", "-", cwd=tmp_path, stdin=line.line.decode() + "\n")

    (expected,) = make_format("cef").events(*line)
    assert (done.code, done.out) == (0, expected.body.decode() + "\n")
    assert done.err == "1 line read, 1 written\n"
    assert left_over(tmp_path) == []


def test_quiet_says_nothing(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(sweep), "--format", "leef", "-o", str(sweep.with_name("out")), "-q"]) == 0
    assert capfd.readouterr() == ("", "")


GOOD: Final = line_of(record_of()).line
BAD: Final = {
    "no JSON": (b'{"schema":', "not a record: not valid JSON"),
    "another schema": (b'{"schema":"smtpsweep.change/1"}', "not a record of schema smtpsweep.record/1"),
    "no object": (b"[1]", "not a record of schema smtpsweep.record/1"),
    "a field is missing": (GOOD.replace(b'"ip":', b'"pi":'), "not a record: field 'ip' is missing"),
    "an unknown status": (GOOD.replace(b'"status":"ready"', b'"status":"odd"'), "not a record: "),
    "a time that is none": (GOOD.replace(b'"2026-', b'"yesterday'), "not a record: "),
    "an address that is a number": (GOOD.replace(b'"192.0.2.10"', b"17"), "not a record: "),
    "a lone surrogate": (GOOD.replace(b'"192.0.2.10"', b'"\\ud800"'), "not a record: not valid JSON"),
    "a run without a time": (b'{"schema":"smtpsweep.run/1","activity":"started","run":"x"}', "field 'at' is missing"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_line_that_cannot_be_converted_is_named_and_counted_and_the_rest_goes_on(
    sweep: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    line, why = BAD[what]
    whole, out = sweep.with_name("whole"), sweep.with_name("out")
    sweep.write_bytes(TEXT + TEXT)
    assert run(["convert", str(sweep), "--format", "ocsf", "-o", str(whole), "-q"]) == 0
    sweep.write_bytes(TEXT + line + b"\n" + TEXT)

    assert run(["convert", str(sweep), "--format", "ocsf", "-o", str(out), "-q"]) == 3

    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith(f"smtpsweep: {sweep}:{len(CORPUS) + 1}: ")
    assert why in said[0]
    assert said[1] == f"smtpsweep: incomplete: 1 of {2 * len(CORPUS) + 1} lines were left out"
    assert out.read_bytes().count(b"\n") == whole.read_bytes().count(b"\n")


@pytest.mark.parametrize("what", BAD)
def test_a_file_without_any_record_is_refused_and_nothing_is_written(
    sweep: Path, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    line, why = BAD[what]
    sweep.write_bytes(line + b"\n")

    said = fails(capfd, sweep, "--format", "ocsf", "-o", sweep.with_name("out"))

    assert said.startswith(f"{sweep}:1: ")
    assert why in said
    assert left_over(sweep.parent) == []


def test_a_segment_of_a_log_is_converted_like_the_records_in_it(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sweep.write_bytes(TEXT)
    whole, out = sweep.with_name("whole"), sweep.with_name("out")
    assert run(["convert", str(sweep), "--format", "native", "-o", str(whole), "-q"]) == 0
    lines = [framed(line, run_key("r"), number) for number, line in enumerate(TEXT.splitlines(), 1)]
    sweep.write_bytes(b"\n".join([*lines, b""]))

    assert run(["convert", str(sweep), "--format", "native", "-o", str(out), "-q"]) == 0
    assert out.read_bytes() == whole.read_bytes()

    lines[1] = lines[1].replace(b'"port":25', b'"port":26')
    sweep.write_bytes(b"\n".join([*lines, b""]))
    assert run(["convert", str(sweep), "--format", "native", "-o", str(out), "-q", "--overwrite"]) == 3
    assert f"{sweep}:2: damaged in the log of the run: its checksum does not fit" in capfd.readouterr().err


#: Of other types than a record has; the second is only found out by who looks into the texts.
MISTYPED: Final = (
    GOOD.replace(b'"disclosure":[', b'"disclosure":7,"x":['),
    line_of(record_of(b"220 <b>\r\n", names=Names("x", ("PTR",)))).line.replace(b'"PTR"', b"7"),
)


@pytest.mark.parametrize("line", MISTYPED, ids=["list", "text"])
@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"native"}))
def test_a_record_with_other_types_is_an_error_in_every_format(
    sweep: Path, capfd: pytest.CaptureFixture[str], target: str, line: bytes
) -> None:
    """`native` passes on what it is given."""
    sweep.write_bytes(line + b"\n")

    said = fails(capfd, sweep, "--format", target, "-o", sweep.with_name("out"))

    assert said.startswith(f"{sweep}:1: not a record: ")
    assert left_over(sweep.parent) == []


def test_a_cut_last_line_is_an_error(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sweep.write_bytes(TEXT + b'{"schema"')

    assert f"{sweep}:{len(CORPUS) + 1}: the line is cut" in fails(capfd, sweep, "--format", "csv", "-o", "-")


def test_nothing_reaches_standard_output_when_the_last_line_is_cut(
    sweep: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep.write_bytes(TEXT + b"{}")

    assert run(["convert", str(sweep), "--format", "ecs", "-o", "-"]) == 2
    assert capfd.readouterr().out == ""


def test_a_file_that_exists_is_kept_unless_it_may_be_overwritten(
    sweep: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = sweep.with_name("out")
    out.write_text("mine")

    assert fails(capfd, sweep, "--format", "native", "-o", out) == f"{out}: exists: use --overwrite, or another name"
    assert out.read_text() == "mine"
    assert run(["convert", str(sweep), "--format", "native", "-o", str(out), "--overwrite"]) == 0
    assert out.read_bytes() == TEXT


def test_an_overwritten_file_stays_as_it_was_when_the_conversion_fails(sweep: Path) -> None:
    out = sweep.with_name("out")
    out.write_text("mine")
    sweep.write_bytes(b"{}\n")

    with pytest.raises(InputError):
        convert([str(sweep)], "native", str(out), overwrite=True)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("name", ["sweep", "hard", "soft"])
def test_no_input_is_destroyed_by_its_own_conversion(sweep: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    sweep.with_name("hard").hardlink_to(sweep)
    sweep.with_name("soft").symlink_to(sweep)
    out = sweep if name == "sweep" else sweep.with_name(name)

    said = fails(capfd, sweep, "--format", "gelf", "-o", out, "--overwrite")
    assert said == f"-o {out} would overwrite FILE {sweep}: name another file"
    assert sweep.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("target", "name"), [("csv", "a.jsonl"), ("ecs", "a.csv"), ("parquet", "a.csv"), ("cef", "a.jsonl.bz2")]
)
def test_a_name_that_promises_another_format_is_refused(
    sweep: Path, capfd: pytest.CaptureFixture[str], target: str, name: str
) -> None:
    assert "its name promises" in fails(capfd, sweep, "--format", target, "-o", sweep.with_name(name))
    assert left_over(sweep.parent) == []


@pytest.mark.parametrize("place", ["folder", "fifo", "missing/out", "file/out"])
def test_what_can_be_no_output_is_said(sweep: Path, capfd: pytest.CaptureFixture[str], place: str) -> None:
    (sweep.parent / "folder").mkdir()
    os.mkfifo(sweep.parent / "fifo")
    (sweep.parent / "file").touch()
    out = sweep.parent / place

    said = fails(capfd, sweep, "--format", "cef", "-o", out, "--overwrite")
    assert said.startswith(f"{out}: ")
    assert ("regular file" in said or "is a folder" in said) is (place in {"folder", "fifo"})


def test_a_link_keeps_leading_to_the_file(sweep: Path) -> None:
    real, link = sweep.with_name("real"), sweep.with_name("link")
    real.touch()
    link.symlink_to(real)
    convert([str(sweep)], "native", str(link), overwrite=True)

    assert link.is_symlink()
    assert real.read_bytes() == TEXT


def test_a_file_that_somebody_else_makes_meanwhile_is_not_replaced(sweep: Path) -> None:
    out = sweep.with_name("out")

    def write() -> None:
        with OutputFile(str(out)) as file:
            file.stream.write(b"ours")
            out.write_bytes(b"theirs")

    with pytest.raises(InputError, match="somebody else made it meanwhile"):
        write()
    assert out.read_bytes() == b"theirs"
    assert left_over(sweep.parent) == ["out"]


def test_only_the_owner_can_read_what_was_written(sweep: Path) -> None:
    convert([str(sweep)], "csv", str(sweep.with_name("out")))

    assert sweep.with_name("out").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("target", ["ecs", "native"])
def test_a_full_disk_is_trouble_of_this_machine_and_leaves_nothing(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalError, match=r"out: cannot be written \(No space left on device\)"):
        convert([str(sweep)], target, str(sweep.with_name("out")))
    assert left_over(sweep.parent) == []


def test_a_reader_that_closes_the_pipe_is_said_as_such(sweep: Path) -> None:
    with OutputFile("-") as file:
        temporary = file.path
        file.stream.write(b"")
    assert not temporary.exists()

    class Closed:
        buffer = property(lambda self: self)

        def write(self, data: bytes) -> int:
            raise BrokenPipeError(32, os.strerror(32))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        with pytest.raises(BrokenPipeError):
            convert([str(sweep)], "native", "-")


def test_parquet_packs_by_itself(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "packs by itself" in fails(capfd, sweep, "--format", "parquet", "-o", sweep.with_name("out.gz"))


def test_without_duckdb_parquet_says_what_to_install(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)

    with pytest.raises(InputError, match=r"pip install 'smtpsweep\[analysis\]'"):
        convert([str(sweep)], "parquet", str(sweep.with_name("out")))


def test_a_value_that_its_column_cannot_hold_is_no_record(tmp_path: Path) -> None:
    row = dict.fromkeys(COLUMNS) | {"port": 1 << 40}

    with pytest.raises(InputError, match="not a record: ") as caught:
        parquet.write_parquet([row], tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_trouble_inside_of_duckdb_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="writing Parquet failed in DuckDB: ") as caught:
        parquet.write_parquet([], tmp_path / "missing" / "out")
    assert "\n" not in str(caught.value)


def test_an_empty_sweep_makes_an_empty_file_and_a_csv_with_its_header(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    assert convert([str(empty)], "ecs", str(tmp_path / "ecs")) == Converted(0, 0)
    assert (tmp_path / "ecs").read_bytes() == b""
    convert([str(empty)], "csv", str(tmp_path / "csv"))
    assert (tmp_path / "csv").read_bytes().count(b"\r\n") == 1
    convert([str(empty)], "parquet", str(tmp_path / "parquet"))
    with duckdb.connect() as connection:
        assert connection.read_parquet(str(tmp_path / "parquet")).fetchall() == []


@pytest.mark.parametrize("target", ["native", "cef", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """What waits is a unit, here of 64 KiB, and not four times as much for four times as many records."""
    monkeypatch.setattr("scanner.analysis.conversion._UNIT_BYTES", 1 << 16)
    line = line_of(record_of()).line + b"\n"
    peaks = []
    for count in (500, 2_000):
        file = tmp_path / f"{count}.jsonl"
        file.write_bytes(line * count)
        tracemalloc.start()
        convert([str(file)], target, str(tmp_path / f"out{count}"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (1 << 18)


def test_a_format_that_does_not_exist_is_a_usage_error(sweep: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "'xml' is not one of" in fails(capfd, sweep, "--format", "xml", "-o", "-")
