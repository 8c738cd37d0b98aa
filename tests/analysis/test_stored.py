"""Claims about reading stored records: every line is a record or an error that names it, and memory has a bound."""

import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from scanner.analysis import stored
from scanner.analysis.stored import open_stored, read_lines, read_numbered, read_records
from scanner.delivery.local.compression import codec_for
from scanner.errors import InputError
from scanner.record import encode
from tests.support.records import full_record, record_of

RECORDS = [full_record(), record_of(event_id="1" * 32), record_of(ip="2001:db8::1")]
LINES = [encode(record) for record in RECORDS]
TEXT = b"".join(LINES)
SUFFIXES = ("", ".jsonl", ".gz", ".zst", ".JSONL.GZ", ".Zst")


def zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


def fails(file: Path | str, read: Callable[[Path | str], object] = lambda file: list(read_lines(file))) -> str:
    with pytest.raises(InputError) as caught:
        read(file)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_the_file_sink_packs_is_read_back_record_for_record(tmp_path: Path, suffix: str) -> None:
    """Each batch of a sweep is a member or frame of its own; the suffix decides, in any case."""
    file = tmp_path / f"sweep{suffix}"
    codec = codec_for(file)
    file.write_bytes(codec.pack(LINES[0] + LINES[1]) + codec.pack(LINES[2]))

    assert [record.event_id for record in read_records(file)] == [record.event_id for record in RECORDS]
    assert list(read_numbered(str(file))) == list(enumerate(read_records(file), 1))
    assert [number for number, _ in read_lines(file)] == [1, 2, 3]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_a_byte_has_no_records(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"sweep{suffix}"
    file.touch()
    assert list(read_records(file)) == []


def test_empty_lines_are_passed_over_and_counted_and_line_ends_of_windows_are_no_part_of_a_record(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(b"\n \t\r\n" + LINES[0].replace(b"\n", b"\r\n") + b"\n" + LINES[1])
    assert [(number, line + b"\n") for number, line in read_lines(file)] == [(3, LINES[0]), (5, LINES[1])]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not a record: not valid JSON: unexpected end of data"),
        (b"[1]", "not a record of schema smtpsweep.record/1"),
        (b'{"schema":"smtpsweep.record/2"}', "not a record of schema smtpsweep.record/1"),
        (b'{"schema":"smtpsweep.record/1"}', "not a record: field 'status' is missing"),
        (LINES[1][:-1].replace(b'"silent"', b'"\\u001b[2J"'), "is not a valid Status"),
        (LINES[1][:-1].replace(b'"total_ms":1005.3', b'"total_ms":1e308'), "cannot convert float infinity to integer"),
        (b"[" * 100_000, "not valid JSON"),
        (b'"\xff"', "not valid JSON"),
    ],
)
def test_a_line_that_is_no_record_is_an_error_with_file_and_line(tmp_path: Path, line: bytes, problem: str) -> None:
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(LINES[0] + b"\n" + line + b"\n" + LINES[1])
    found = read_records(file)
    assert next(found) == RECORDS[0]

    with pytest.raises(InputError) as caught:
        next(found)
    assert str(caught.value).startswith(f"{file}:3: ")
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_last_line_without_its_end_is_an_error_even_when_it_would_be_a_record(tmp_path: Path) -> None:
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(LINES[0] + LINES[1][:-1])
    assert fails(file) == f"{file}:2: the line is cut: resume the sweep that was writing it, or remove this line"


def test_a_line_may_be_as_long_as_the_limit_and_not_a_byte_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MAX_LINE_BYTES", 1 << 20)
    file = tmp_path / "sweep.jsonl"
    file.write_bytes(b"a" * ((1 << 20) - 1) + b"\nb\n")
    assert [len(line) for _, line in read_lines(file)] == [(1 << 20) - 1, 1]

    file.write_bytes(b"a" * (1 << 20) + b"\nb\n")
    assert fails(file) == f"{file}:1: longer than 1 MiB: this is not a file of records"


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd)])
def test_a_packed_file_that_is_cut_anywhere_but_between_its_units_is_an_error(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / f"sweep{suffix}"
    first, second = pack(LINES[0]), pack(LINES[1])
    for length in range(1, len(first + second)):
        file.write_bytes((first + second)[:length])
        if length == len(first):
            assert list(read_records(file)) == RECORDS[:1]
        else:
            assert str(file) in fails(file)


def test_cut_packed_files_say_after_which_line(tmp_path: Path) -> None:
    file = tmp_path / "sweep.zst"
    file.write_bytes(zstd(LINES[0]) + zstd(LINES[1])[:-1])
    assert fails(file) == f"{file}: damaged after line 2: 'the file ends too early'"
    file = tmp_path / "sweep.gz"
    file.write_bytes(gzip.compress(LINES[0])[:-1])
    assert fails(file) == f"{file}: damaged after line 1: 'the file ends too early'"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("tail", [b"\x00\x01", b"plain text\n", TEXT])
def test_what_follows_the_last_unit_and_is_none_is_damage(tmp_path: Path, suffix: str, tail: bytes) -> None:
    file = tmp_path / f"sweep{suffix}"
    file.write_bytes(codec_for(file).pack(LINES[0]) + tail)
    assert fails(file).startswith(f"{file}: damaged ")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_flipped_bit_in_a_packed_file_is_an_error_or_changes_nothing(tmp_path: Path, suffix: str) -> None:
    """Both formats carry a check sum of what was packed; some bits, such as the time in a gzip header, mean nothing."""
    file = tmp_path / f"sweep{suffix}"
    packed, unnoticed = codec_for(file).pack(TEXT), 0
    for place in range(0, len(packed), 3):
        file.write_bytes(packed[:place] + bytes([packed[place] ^ 0x10]) + packed[place + 1 :])
        try:
            assert b"".join(line + b"\n" for _, line in read_lines(file)) == TEXT
            unnoticed += 1
        except InputError as error:
            assert str(file) in str(error)  # noqa: PT017  either this or the text above
    assert unnoticed < 20


def test_skippable_frames_and_empty_ones_are_no_records(tmp_path: Path) -> None:
    """RFC 8878, 3.1.2: any reader passes over skippable frames; pzstd writes them."""
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    file = tmp_path / "sweep.zst"
    file.write_bytes(skippable + zstd(LINES[0]) + skippable + zstd(b"") + zstd(LINES[1]) + skippable)
    assert list(read_records(file)) == RECORDS[:2]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd)])
def test_a_small_file_that_unpacks_to_a_large_one_is_never_in_memory_as_a_whole(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """256 MiB of one letter are 8 KB of zstd; the line is refused at its limit."""
    file = tmp_path / f"sweep{suffix}"
    file.write_bytes(pack(b"a" * (256 << 20)))
    tracemalloc.start()
    try:
        assert "longer than 8 MiB" in fails(file)
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    finally:
        tracemalloc.stop()


def test_files_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    assert fails(tmp_path / "none") == f"{tmp_path / 'none'}: cannot be read (No such file or directory)"
    assert fails(tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"
    for suffix in (".gz", ".zst"):
        missing = tmp_path / f"none{suffix}"
        assert fails(missing) == f"{missing}: cannot be read (No such file or directory)"


def test_a_failing_disk_in_the_middle_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.RawIOBase):
        def __init__(self) -> None:
            self.waiting = [LINES[0]]

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            if not self.waiting:
                raise OSError(5, "Input/output error")
            line = self.waiting.pop()
            memoryview(buffer)[: len(line)] = line  # type: ignore[arg-type]  # typeshed's buffer is 3.12's
            return len(line)

    monkeypatch.setattr(stored, "open_stored", lambda file: io.BufferedReader(Failing()))
    found = read_records("sweep")
    assert next(found) == RECORDS[0]
    with pytest.raises(InputError, match=r"^sweep: cannot be read \(Input/output error\)$"):
        next(found)


def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, TEXT + b"{}\n")
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        found = read_records("-")
        assert [next(found), next(found), next(found)] == RECORDS
        with pytest.raises(InputError, match=r"^standard input:4: not a record of schema"):
            next(found)
        os.fstat(reader)


def test_a_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert fails("-") == "standard input: is closed: redirect it, or name a file"


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.zst"
    file.write_bytes(zstd(TEXT))
    opened = open_stored(file)
    opened.readline()
    assert _is_open(file)
    opened.close()
    assert not _is_open(file)


def _is_open(file: Path) -> bool:
    return any(Path(link).resolve() == file for link in Path("/proc/self/fd").iterdir())
