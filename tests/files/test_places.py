import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.errors import InputError, SinkError
from scanner.files.places import FilePlace, WholeFolder, always
from scanner.files.whole import write_whole
from tests.support.foreign_files import give_away, left_over, mode_of, modes_below, mounted_disk, names_in


@pytest.fixture(autouse=True, params=[0o022, 0o000], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_file_is_there_when_it_is_written_and_not_before(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "a")
    assert names_in(tmp_path) == []
    place.write(b"one")
    place.write(b"two")  # what is there is our own
    assert (tmp_path / "a").read_bytes() == b"two"
    assert mode_of(tmp_path / "a") == 0o600


def test_what_holds_something_is_refused_with_advice_and_what_is_empty_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"^--summary a: exists: say --overwrite$"):
        FilePlace(tmp_path / "a", label="--summary a", advice="say --overwrite")
    assert (tmp_path / "a").read_bytes() == b"precious"
    (tmp_path / "empty").touch(mode=0o644)
    FilePlace(tmp_path / "empty").write(b"new")
    assert (tmp_path / "empty").read_bytes() == b"new"
    assert mode_of(tmp_path / "empty") == 0o600


def test_what_may_be_replaced_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    FilePlace(tmp_path / "a", may_replace=lambda path: path.read_bytes() == b"old").write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(InputError, match="exists"):
        FilePlace(tmp_path / "a", may_replace=lambda path: path.read_bytes() == b"old")


@pytest.mark.parametrize("may_replace", [always, lambda _: False])
@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (os.mkfifo, "it is not a regular file"),
        (os.mkdir, "it is a folder"),
        (lambda path: Path(path).symlink_to("nowhere"), "it is a symbolic link that leads nowhere"),
        (lambda path: Path(path).symlink_to("/dev/null"), "it is not a regular file"),
        (lambda path: Path(path).symlink_to(path), "it is a symbolic link that leads nowhere"),
    ],
)
def test_what_can_never_be_a_file_of_ours_is_refused(
    tmp_path: Path, prepare: Callable[[str], object], why: str, may_replace: Callable[[Path], bool]
) -> None:
    prepare(str(tmp_path / "a"))
    with pytest.raises(InputError, match=rf"a: cannot be written \({why}\)"):
        FilePlace(tmp_path / "a", may_replace=may_replace)
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is not a path"),
        ("a\0b", "it is not a path"),
        ("missing/a", "its folder does not exist"),
        ("file/a", "Not a directory"),
        ("a" * 300, "File name too long"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError, match=rf"\({why}\)"):
        FilePlace(name)


def test_a_link_of_ours_keeps_leading_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    FilePlace(tmp_path / "link", may_replace=always).write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.root
@pytest.mark.parametrize("which", ["link", "real"])
def test_a_link_or_file_of_another_user_is_refused(tmp_path: Path, which: str) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    give_away(tmp_path / which)
    with pytest.raises(InputError, match=r"it belongs to another user \(uid 65534\)"):
        FilePlace(tmp_path / "link", may_replace=always)


@pytest.mark.root
def test_a_link_that_root_made_is_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    if os.geteuid() == 0:
        give_away(tmp_path / "real")
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    FilePlace(tmp_path / "link").write(b"new")
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_somebody_else_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"theirs")
    with pytest.raises(SinkError, match=r"a: cannot be written \(somebody else made it meanwhile\)"):
        place.write(b"ours")
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert left_over(tmp_path) == []


def test_what_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "a")
    place.write(b"one")
    (tmp_path / "a").unlink()
    place.write(b"two")
    assert (tmp_path / "a").read_bytes() == b"two"


def test_a_link_to_nothing_that_was_made_meanwhile_is_not_followed(tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "a")
    (tmp_path / "a").symlink_to("victim")
    with pytest.raises(SinkError, match="somebody else made it meanwhile"):
        place.write(b"ours")
    assert names_in(tmp_path) == ["a"]


def test_what_was_replaced_meanwhile_is_not_replaced_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    place = FilePlace(tmp_path / "a", may_replace=always)
    (tmp_path / "b").write_bytes(b"theirs")
    (tmp_path / "b").replace(tmp_path / "a")
    with pytest.raises(SinkError, match="somebody else made it meanwhile"):
        place.write(b"ours")
    assert (tmp_path / "a").read_bytes() == b"theirs"


def test_a_file_system_without_hard_links_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    place = FilePlace(tmp_path / "a")
    other = FilePlace(tmp_path / "a")
    place.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(SinkError, match="somebody else made it meanwhile"):
        other.write(b"later")
    last = FilePlace(tmp_path / "b")
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(SinkError, match="cannot be written"):
        last.write(b"later")
    assert names_in(tmp_path) == ["a", "b"]


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    place = FilePlace(tmp_path / "a", label="--summary a", may_replace=always)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match=r"^--summary a: cannot be written \(No space left on device\)$"):
        place.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert left_over(tmp_path) == []


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with FilePlace(tmp_path / "a").opened() as (out, fresh):
            out.write(b"half")
            assert mode_of(fresh) == 0o600
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names_in(tmp_path) == []


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
