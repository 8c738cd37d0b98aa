"""Claims about a folder that is replaced: what somebody else has put into it is never removed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.errors import InputError, SinkError
from scanner.files.folders import WholeFolder
from scanner.remediation.ansible.playbook import write_playbook
from scanner.remediation.plans.writing import write_plans
from tests.support.plan_records import host


def ours(folder: Path) -> WholeFolder:
    return WholeFolder(
        folder,
        overwrite=True,
        is_ours=lambda it: (it / "mark").exists(),
        kind="folder of plans",
        writes={"mark", "sub/page", "empty/"}.__contains__,
    )


def written(folder: Path) -> Path:
    with ours(folder) as new:
        (new / "mark").write_text("1")
        (new / "sub").mkdir()
        (new / "sub" / "page").write_text("2")
        (new / "empty").mkdir()
    return folder


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_with_our_files_only_is_replaced(tmp_path: Path) -> None:
    written(written(tmp_path / "it"))

    assert names_below(tmp_path) == ["it", "it/empty", "it/mark", "it/sub", "it/sub/page"]


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda it: (it / "mine.txt").write_text("x"), "mine.txt"),
        (lambda it: (it / "sub" / "mine.txt").write_text("x"), "sub/mine.txt"),
        (lambda it: (it / "mine").mkdir(), "mine/"),
        (lambda it: (it / "link").symlink_to("/"), "link"),
        (lambda it: (it / "a\nb").write_text("x"), r"a\nb"),
    ],
    ids=["file", "file below", "folder", "link to a folder", "odd name"],
)
def test_one_with_anything_else_is_refused_and_untouched(
    tmp_path: Path, add: Callable[[Path], object], name: str
) -> None:
    """--overwrite deleted the user's files."""
    folder = written(tmp_path / "it")
    add(folder)
    before = names_below(tmp_path)

    with pytest.raises(InputError) as caught:
        written(folder)
    assert str(caught.value) == (
        f"{folder}: holds {name}, which does not belong to a folder of plans, so it is not replaced: "
        "move that away, or name another folder"
    )
    assert names_below(tmp_path) == before


def test_what_comes_into_it_meanwhile_is_kept_and_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "it")

    def replaced() -> None:
        with ours(folder) as new:
            (new / "mark").write_text("new")
            (folder / "sub" / "late").write_text("mine")

    with pytest.raises(SinkError, match="it is replaced, but somebody put more into the old one: that is ") as caught:
        replaced()
    kept = Path(str(caught.value).removesuffix(")").rpartition("that is ")[2].removesuffix(" now"))

    assert (folder / "mark").read_text() == "new"
    assert names_below(kept) == ["sub", "sub/late"]


def test_plans_and_playbooks_are_replaced_and_keep_what_is_not_theirs(tmp_path: Path) -> None:
    records = [host(1), host(2)]
    for write, folder in ((write_plans, tmp_path / "plans"), (write_playbook, tmp_path / "playbook")):
        write(records, folder, overwrite=False)
        write(records, folder, overwrite=True)
        (folder / "group_vars").mkdir()
        (folder / "group_vars" / "all.yml").write_text("mine")

        with pytest.raises(InputError, match=r"holds group_vars/all\.yml, which does not belong to a "):
            write(records, folder, overwrite=True)
        assert (folder / "group_vars" / "all.yml").read_text() == "mine"
