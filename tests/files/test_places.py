"""Claims about `scanner.files.places`: a file is there whole or not at all, and nothing of others is lost."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanner.errors import InputError, SinkError
from scanner.files.places import FilePlace, always
from tests.support.foreign_files import give_away, left_over, mode_of, names_in


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
