"""`smtpsweep demo`: where its records may go. That it works is shown by `make demo` and the tests of signals."""

import os
from pathlib import Path

import pytest

from scanner.cli.demo import _make_room
from scanner.cli.entry import run
from tests.support.foreign_files import mode_of, names_in
from tests.support.sweeps import visit, write


@pytest.mark.parametrize("content", [b"thesis", b'{"a":1}\n'])
def test_only_records_are_replaced(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)

    assert run(["demo", "-o", str(file)]) == 2
    assert (
        capsys.readouterr().err
        == f"smtpsweep: -o {file}: exists: it does not hold records, so it is not replaced: use another name\n"
    )
    assert file.read_bytes() == content


def test_records_of_an_earlier_demonstration_are_replaced(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [visit("127.0.0.1", "Postfix", "3")])
    before = file.read_bytes()
    _make_room(file)
    assert file.read_bytes() == before  # by the sweep, later


def test_its_folder_is_its_owners_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _make_room(tmp_path / "new" / "demo" / "a.jsonl")
    finally:
        os.umask(before)
    assert [mode_of(tmp_path / name) for name in ("new", "new/demo")] == [0o700, 0o700]
    assert names_in(tmp_path / "new" / "demo") == []


def test_a_file_in_the_way_of_the_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").touch()
    assert run(["demo", "-o", str(tmp_path / "a" / "b.jsonl")]) == 2
    assert "its folder cannot be made (Not a directory)" in capsys.readouterr().err
