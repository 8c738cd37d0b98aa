"""Packed files: told by their first bytes, read as what was packed, and never shorter than that."""

import bz2
import gzip
import io
import lzma
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scanner.files.packed import DamagedError, unpacked

TEXT = b"220 mx.example.com ESMTP Postfix\r\n" * 20
Pack = Callable[[bytes], bytes]


def _zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


PACKS: dict[str, Pack] = {".gz": gzip.compress, ".zst": _zstd, ".bz2": bz2.compress, ".xz": lzma.compress}
each_packing = pytest.mark.parametrize(("suffix", "pack"), PACKS.items(), ids=PACKS)


def read(packed: bytes, suffix: str = "") -> bytes:
    with unpacked(io.BytesIO(packed), suffix) as stream:
        return stream.read()


@each_packing
@pytest.mark.parametrize("name", ["", ".log", ".gz", ".xz", ".ZST"])
def test_what_a_file_holds_tells_how_it_is_packed_not_its_name(suffix: str, pack: Pack, name: str) -> None:
    assert read(pack(TEXT), name) == TEXT
    assert read(pack(b""), name) == b""
    assert read(pack(TEXT) + pack(b"") + pack(TEXT), name) == TEXT * 2


@each_packing
def test_a_file_cut_anywhere_but_between_its_units_is_damaged(suffix: str, pack: Pack) -> None:
    first, second = pack(TEXT), pack(TEXT)
    for length in range(1, len(first + second)):
        cut = (first + second)[:length]
        if length == len(first):
            assert read(cut, suffix) == TEXT
            continue
        with pytest.raises(DamagedError):
            read(cut, suffix)


@each_packing
@pytest.mark.parametrize("tail", [b"\0\0\1", b"plain text\n", b"\0" * 64 + TEXT])
def test_what_follows_the_last_unit_and_is_none_is_damage(suffix: str, pack: Pack, tail: bytes) -> None:
    with pytest.raises(DamagedError):
        read(pack(TEXT) + tail)


@each_packing
def test_a_flipped_bit_is_damage_or_changes_nothing(suffix: str, pack: Pack) -> None:
    packed, unnoticed = pack(TEXT), 0
    for place in range(len(packed)):
        try:
            assert read(packed[:place] + bytes([packed[place] ^ 0x10]) + packed[place + 1 :], suffix) == TEXT
            unnoticed += 1
        except DamagedError as error:
            assert str(error)  # noqa: PT017  either this or the text above
    assert unnoticed < 12


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_zero_bytes_may_fill_a_block_behind_a_unit(suffix: str) -> None:
    """gzip(1) ignores them (tapes), xz streams may be padded."""
    pack = PACKS[suffix]
    assert read(pack(TEXT) + b"\0" * 70_000 + pack(TEXT) + b"\0" * 4) == TEXT * 2


@each_packing
def test_a_name_that_promises_what_the_file_is_not_is_damage(suffix: str, pack: Pack) -> None:
    for content in (TEXT, pack(TEXT)[:2], b"\n"):
        with pytest.raises(DamagedError, match=r"^it is not \w+, as its name says$"):
            read(content, suffix.upper())
    assert read(b"", suffix) == b""


@pytest.mark.parametrize(
    "text", [b"", b"B", b"BZh91 greets you\n", b"BZh\n", b"(\n", b"P", b"\xfd7z", b"\x1f\x8b", TEXT]
)
def test_a_text_that_begins_like_a_packed_file_is_a_text(text: bytes) -> None:
    assert read(text) == read(text, ".log") == text


@each_packing
@given(reads=st.lists(st.integers(1, 5000), min_size=1), seed=st.integers(0, 99))
def test_the_text_is_the_same_however_it_is_read(suffix: str, pack: Pack, reads: list[int], seed: int) -> None:
    text = random.Random(seed).randbytes(3000) + TEXT
    with unpacked(io.BytesIO(pack(text) + pack(text))) as stream:
        got, number = b"", 0
        while piece := stream.read(reads[number % len(reads)]):
            got, number = got + piece, number + 1
    assert got == text * 2


@each_packing
def test_a_small_file_that_holds_a_large_one_is_never_in_memory_as_a_whole(suffix: str, pack: Pack) -> None:
    packed = io.BytesIO(pack(b"a" * (160 << 20)))
    tracemalloc.start()
    try:
        with unpacked(packed) as stream:
            assert sum(map(len, iter(lambda: stream.read(1 << 16), b""))) == 160 << 20
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    finally:
        tracemalloc.stop()


def test_a_pipe_is_asked_for_no_more_than_decides() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe:
        os.write(writer, b"B\n")  # whoever writes has not closed it: waiting for more would never end
        with unpacked(pipe) as stream:
            assert stream.readline() == b"B\n"
            os.write(writer, b"220 b\n")
            os.close(writer)
            assert stream.read() == b"220 b\n"


@each_packing
def test_a_packed_pipe_is_unpacked(suffix: str, pack: Pack) -> None:
    reader, writer = os.pipe()
    os.write(writer, pack(TEXT))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe, unpacked(pipe) as stream:
        assert stream.read() == TEXT


def test_a_file_that_claims_more_memory_than_any_needs_is_damaged() -> None:
    claims = lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    with pytest.raises(DamagedError, match=r"[Mm]emory usage limit"):
        read(claims)


def test_closing_closes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sweep.xz"
    file.write_bytes(lzma.compress(TEXT))
    packed = file.open("rb")
    stream = unpacked(packed, ".xz")
    stream.readline()
    stream.close()
    assert packed.closed


def test_a_stream_that_stands_behind_its_beginning_is_not_read_again() -> None:
    stream = io.BytesIO(b"read before\nnot read yet\n")
    stream.readline()

    assert unpacked(stream, "").read() == b"not read yet\n"
