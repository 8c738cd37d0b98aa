"""What is there whole or not at all says why it is not there, with the name that the user gave."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any, Never

import pytest

from scanner.errors import InputError, LocalError
from scanner.files.output import OutputFile
from scanner.files.places import FilePlace


def full_disk(*_: Any, **__: Any) -> Never:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_standard_output_needs_room_for_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full_disk)

    with pytest.raises(InputError) as caught, OutputFile("-"):
        pass
    assert str(caught.value) == "-: cannot be written (No space left on device)"


def test_a_folder_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    name = str(tmp_path / "none" / "out")

    with pytest.raises(InputError) as caught, OutputFile(name):
        pass
    assert str(caught.value) == f"{name}: cannot be written (its folder does not exist)"


def test_a_disk_that_fills_up_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    name = str(tmp_path / "out")

    with pytest.raises(LocalError) as caught, OutputFile(name):
        full_disk()
    assert str(caught.value) == f"{name}: cannot be written (No space left on device)"
    assert [*tmp_path.iterdir()] == []


def test_the_trouble_of_another_file_stays_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), OutputFile(str(tmp_path / "out")):
        (tmp_path / "other").read_bytes()


def test_a_disk_that_does_not_take_the_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "out")

    with pytest.raises(LocalError) as caught, OutputFile(name):
        monkeypatch.setattr(os, "fsync", full_disk)
    assert str(caught.value) == f"{name}: cannot be written (No space left on device)"
    assert [*tmp_path.iterdir()] == []


def test_a_disk_without_room_for_a_new_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "out")
    monkeypatch.setattr(FilePlace, "opened", full_disk)

    with pytest.raises(InputError) as caught, OutputFile(name):
        pass
    assert str(caught.value) == f"{name}: cannot be written (No space left on device)"
