"""Claims about `delivery.spool.reader` beside single damaged lines: a great many, and segments that go meanwhile."""

import os
from pathlib import Path

import pytest

from scanner.delivery.spool import Lost, Quota, RunFolder, SpoolReader, SpoolRecord, SpoolWriter, last_record, reader


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


async def log_of(folder: RunFolder, count: int, *, segment_bytes: int = 1 << 20) -> None:
    log = SpoolWriter(folder, Quota(), segment_bytes=segment_bytes)
    await log.open(None)
    for number in range(1, count + 1):
        await log.write([b'{"n":%d}\n' % number])
    await log.close()


async def test_of_many_damaged_lines_the_first_are_shown_and_every_number_is_accounted_for(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_KEPT_LINES", 2)
    await log_of(folder, 6)
    lines = folder.segment(1).read_bytes().splitlines(keepends=True)
    folder.segment(1).write_bytes(b"".join([lines[0], b"a\n", b"b\n", b"c\n", b"d\n", lines[5]]))

    with SpoolReader(folder, 0) as log:
        found = log.read(6, max_records=100, max_bytes=1000)
    assert found == [
        SpoolRecord(1, b'{"n":1}'),
        Lost(2, 2, "damaged", b"a"),
        Lost(3, 3, "damaged", b"b"),
        Lost(4, 5, "missing"),
        SpoolRecord(6, b'{"n":6}'),
    ]


async def test_a_segment_that_is_given_back_while_the_folder_is_read_is_none(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_of(folder, 3, segment_bytes=1)
    listed = os.listdir(folder.path)  # noqa: PTH208  as the folder is read
    folder.segment(1).unlink()
    monkeypatch.setattr(os, "listdir", lambda _: listed)

    with SpoolReader(folder, 1) as log:
        found = log.read(3, max_records=100, max_bytes=1000)
    assert (folder.segments(), found) == ([1, 2, 3], [SpoolRecord(2, b'{"n":2}'), SpoolRecord(3, b'{"n":3}')])
    assert last_record(folder) == 3


def test_a_log_without_segments_has_no_last_record(folder: RunFolder) -> None:
    folder.create()
    assert last_record(folder) == 0
