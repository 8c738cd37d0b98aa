"""Claims about `scanner.files.folders`: a folder is there whole or not at all, and nothing of others is lost."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import InputError, SinkError
from scanner.files.folders import WholeFolder
from scanner.files.places import FilePlace, always
from scanner.files.whole import write_whole
from tests.support.foreign_files import give_away, left_over, modes_below, mounted_disk, names_in


@pytest.fixture(autouse=True, params=[0o022, 0o000], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def folder_of_ours(path: Path, *, overwrite: bool = False) -> WholeFolder:
    return WholeFolder(path, overwrite=overwrite, is_ours=lambda it: (it / "mark").exists(), kind="folder of plans")


def test_a_folder_is_whole_and_its_owners_only(tmp_path: Path) -> None:
    with folder_of_ours(tmp_path / "above" / "it") as new:
        (new / "mark").write_bytes(b"1")
        (new / "sub").mkdir()
        (new / "sub" / "page").write_bytes(b"2")
        assert names_in(tmp_path / "above") != ["it"]
    assert modes_below(tmp_path) == {
        "above": 0o700,
        "above/it": 0o700,
        "above/it/mark": 0o600,
        "above/it/sub": 0o700,
        "above/it/sub/page": 0o600,
    }


def test_a_folder_that_is_there_is_replaced_only_when_asked_and_ours(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    for text in ("old", "new"):
        with folder_of_ours(folder, overwrite=True) as new:
            (new / "mark").write_text(text)
    assert (folder / "mark").read_text() == "new"
    with pytest.raises(InputError, match=r"it: exists: name another folder, or use --overwrite"):
        folder_of_ours(folder)
    (folder / "mark").rename(folder / "thesis")
    with pytest.raises(InputError, match=r"it: exists and is not a folder of plans, so it is not replaced"):
        folder_of_ours(folder, overwrite=True)
    assert names_in(folder) == ["thesis"]
    assert left_over(tmp_path) == []


@pytest.mark.root
def test_a_link_to_a_folder_and_a_folder_of_another_user_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "mark").touch()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(InputError, match="is not a folder of plans"):
        folder_of_ours(tmp_path / "link", overwrite=True)
    give_away(tmp_path / "real")
    with pytest.raises(InputError, match="belongs to another user"):
        folder_of_ours(tmp_path / "real", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_appears_meanwhile_stays(tmp_path: Path, *, overwrite: bool) -> None:
    with (
        pytest.raises(SinkError, match="somebody else changed it meanwhile"),
        folder_of_ours(tmp_path / "it", overwrite=overwrite),
    ):
        (tmp_path / "it").mkdir()
    assert names_in(tmp_path) == ["it"]
    assert names_in(tmp_path / "it") == []


def test_a_folder_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it"
    with folder_of_ours(folder) as new:
        (new / "mark").write_text("old")
    with pytest.raises(SinkError, match="No space left"), folder_of_ours(folder, overwrite=True):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(InputError, match="bad record"), folder_of_ours(folder, overwrite=True):
        raise InputError("bad record")
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(SinkError, match="Input/output error"), folder_of_ours(folder, overwrite=True) as new:
        (new / "mark").write_text("new")
    with pytest.raises(SinkError, match="Input/output error"), folder_of_ours(tmp_path / "other") as new:
        (new / "mark").write_text("new")
    assert (folder / "mark").read_text() == "old"
    assert names_in(tmp_path) == ["it"]


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "it", tmp_path / "file" / "sub" / "it", Path("/proc/none/it")):
        with pytest.raises(InputError, match=r"it: cannot be written"), folder_of_ours(place):
            pytest.fail("the block must not begin")


def test_a_folder_that_cannot_be_read_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it"
    with folder_of_ours(folder) as new:
        (new / "mark").touch()
        (new / "sub").mkdir()
    true_scandir = os.scandir

    def scandir(path: Any) -> Any:
        if os.fspath(path).endswith("/sub"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return true_scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        with pytest.raises(InputError, match="it: cannot be written \\(Permission denied\\)"):
            folder_of_ours(folder, overwrite=True).__enter__()
    assert names_in(folder) == ["mark", "sub"]
    assert left_over(tmp_path) == []


@pytest.mark.root
def test_a_disk_that_is_really_full_costs_nothing_that_was_there(tmp_path: Path) -> None:
    with mounted_disk(tmp_path / "disk") as disk:
        write_whole(disk / "a", b"old")
        with folder_of_ours(disk / "it") as new:
            (new / "mark").write_text("old")
        place = FilePlace(disk / "a", may_replace=always)
        with pytest.raises(OSError, match="No space left on device"):
            write_whole(disk / "a", bytes(1 << 20))
        with pytest.raises(SinkError, match="No space left on device"):
            place.write(bytes(1 << 20))
        with pytest.raises(SinkError, match="No space left"), folder_of_ours(disk / "it", overwrite=True) as new:
            (new / "mark").write_bytes(bytes(1 << 20))
        assert (disk / "a").read_bytes() == b"old"
        assert (disk / "it" / "mark").read_text() == "old"
        assert left_over(disk) == []


def test_a_folder_that_cannot_go_back_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "plans"
    place.mkdir()
    (place / "mark").write_text("old")
    rename = Path.rename

    def somebody_is_quicker(old: Path, new: Path) -> Path:
        if old.name == "new":
            place.mkdir()
            (place / "theirs").touch()
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", somebody_is_quicker)
    with (
        pytest.raises(SinkError, match="what was there before is in ") as caught,
        folder_of_ours(place, overwrite=True) as new,
    ):
        (new / "mark").write_text("new")

    kept = Path(str(caught.value).partition("what was there before is in ")[2].rstrip(")"))
    assert (kept / "mark").read_text() == "old"
    assert [path.name for path in place.iterdir()] == ["theirs"]


def test_what_somebody_puts_there_at_the_last_moment_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "plans"
    place.mkdir()
    (place / "mark").write_text("old")
    rename, moves = Path.rename, [0]

    def somebody_is_quicker(old: Path, new: Path) -> Path:
        moves[0] += 1
        if moves[0] == 1:
            rename(place, tmp_path / "ours")
            place.mkdir()
            (place / "theirs").touch()
        return rename(old, new)

    monkeypatch.setattr(Path, "rename", somebody_is_quicker)
    with (
        pytest.raises(SinkError, match="somebody else changed it meanwhile"),
        folder_of_ours(place, overwrite=True) as new,
    ):
        (new / "mark").write_text("new")

    assert [path.name for path in place.iterdir()] == ["theirs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "plans"]
