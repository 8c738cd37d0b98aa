import errno
import os
import socket
from pathlib import Path

import pytest

from scanner.files import whole as files
from tests.support.foreign_files import give_away, left_over, mode_of


@pytest.fixture(autouse=True, params=[0o022, 0o000, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_whole_file_holds_the_data_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "a", b"one")
    files.write_whole(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert mode_of(tmp_path / "a") == 0o600
    assert left_over(tmp_path) == []


def test_a_public_file_is_readable_by_others_as_far_as_the_umask_allows(tmp_path: Path, umask: int) -> None:
    files.write_whole(tmp_path / "a", b"one", mode=files.PUBLIC_FILE)
    assert mode_of(tmp_path / "a") == 0o644 & ~umask


def test_a_disk_that_is_full_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert left_over(tmp_path) == []


def test_a_link_at_the_place_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to("victim")
    files.write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()


def test_the_folder_is_synced_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bytes | None]] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        place = tmp_path / "a"
        synced.append((Path(f"/proc/self/fd/{fd}").readlink().name, place.read_bytes() if place.exists() else None))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_whole(tmp_path / "a", b"new")
    (temporary, before), (folder, after) = synced
    assert temporary.startswith(".smtpsweep-")
    assert (before, folder, after) == (None, tmp_path.name, b"new")


def test_a_file_system_that_syncs_no_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fsync)
    files.sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.sync_folder(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refused)
    files.sync_folder(tmp_path)


def test_temporary_names_cannot_be_guessed(tmp_path: Path) -> None:
    made = [files.open_beside(tmp_path / "a") for _ in range(50)]
    names = {fresh.name for _, fresh in made}
    for fd, _ in made:
        os.close(fd)
    assert len(names) == 50
    assert all(len(name) == len(".smtpsweep-.part") + 16 for name in names)


def test_a_temporary_name_that_exists_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    monkeypatch.setattr(os, "urandom", lambda size: b"\x5a" * size)
    (tmp_path / ".smtpsweep-5a5a5a5a5a5a5a5a.part").symlink_to("victim")
    with pytest.raises(FileExistsError):
        files.open_beside(tmp_path / "a")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_private_file_is_added_to(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        with files.open_private_append(tmp_path / "a") as out:
            out.write(line)
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"
    assert mode_of(tmp_path / "a") == 0o600


@pytest.mark.parametrize("leads_to", ["victim", "nothing"])
def test_a_link_is_never_followed(tmp_path: Path, leads_to: str) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to(leads_to)
    with pytest.raises(OSError, match="it is a symbolic link"):
        files.open_own(tmp_path / "a", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDWR])
def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path, flags: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for path in (tmp_path / "fifo", tmp_path / "s", Path("/dev/null")):
            with pytest.raises(OSError, match="it is not a regular file"):
                files.open_own(path, flags)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        files.open_own(tmp_path, os.O_RDONLY)


@pytest.mark.root
def test_a_file_of_another_user_is_refused_for_root_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"theirs")
    (tmp_path / "a").chmod(0o666)
    give_away(tmp_path / "a")
    with pytest.raises(PermissionError, match=r"it belongs to another user \(uid 65534\)"):
        files.open_private_append(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"theirs"


def test_folders_are_made_for_their_owner_only_at_every_level(tmp_path: Path) -> None:
    files.own_folder(tmp_path / "a" / "b" / "c")
    files.own_folder(tmp_path / "a" / "b" / "c")
    assert [mode_of(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o700] * 3


@pytest.mark.root
def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o777)
    give_away(tmp_path / "a")
    with pytest.raises(PermissionError, match="another user"):
        files.own_folder(tmp_path / "a")


@pytest.mark.parametrize("name", ["a", "a/b"])
def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        files.make_folders(tmp_path / name)


def test_hard_links_are_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "c"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    a, b, c, none = (files.FileId.of(tmp_path / name) for name in "abcd")
    assert a == b != c
    assert none is None
    with (tmp_path / "b").open() as opened:
        assert files.FileId.of(opened.fileno()) == a


def test_what_is_not_there_is_said_as_the_system_says_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.open_own(tmp_path / "a", os.O_RDONLY)


def test_a_folder_on_the_way_may_be_a_link_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    files.require_followable(tmp_path / "link" / "a")
    asked: list[object] = []
    monkeypatch.setattr(files, "require_own", lambda _, name: asked.append(name))
    files.require_followable(tmp_path / "link" / "a")
    assert asked == [tmp_path / "link"]


def test_what_is_ours_is_told_by_the_user_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    files.require_own((tmp_path / "a").stat(), "a")
    files.require_followable(tmp_path / "link")
    files.require_followable("/dev/fd")  # root's, whoever asks
    monkeypatch.setattr(os, "geteuid", lambda: 65533)
    theirs = os.stat_result([0o100600, 0, 0, 1, 65532, 0, 0, 0, 0, 0])
    with pytest.raises(PermissionError, match="it belongs to another user"):
        files.require_own(theirs, "a")
    files.require_own(os.stat_result([0o100600, 0, 0, 1, 0, 0, 0, 0, 0, 0]), "a")  # root reads everything anyway


def test_what_we_made_is_ours_whatever_owner_the_file_system_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share or a stick may show one owner for all files."""

    def another(*_: object) -> None:
        raise PermissionError(errno.EPERM, "it belongs to another user")

    monkeypatch.setattr(files, "require_own", another)
    files.own_folder(tmp_path / "run")
    with files.open_private_append(tmp_path / "run" / "a") as out:
        out.write(b"one")
    for use in (lambda: files.own_folder(tmp_path / "run"), lambda: files.open_private_append(tmp_path / "run" / "a")):
        with pytest.raises(PermissionError):
            use()


def test_a_folder_that_somebody_makes_at_the_same_time_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def late(path: Path, mode: int = 0o777) -> None:
        real(path, mode)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))

    monkeypatch.setattr(Path, "mkdir", late)
    assert not files.make_folders(tmp_path / "a")


def test_a_file_that_must_be_new_is_refused_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        files.open_own(tmp_path / "a", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
